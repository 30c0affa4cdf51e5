"""AWS's list prices, in US dollars without tax, of the region us-east-1."""

from dataclasses import dataclass
from typing import Final

# The region and month of the prices. Prices change seldom, and differ by some ten percent between regions. These were
# written down without access to AWS's pages: compare them before you rely on a sum.
REGION: Final = "us-east-1"
AS_OF: Final = "November 2026"


@dataclass(frozen=True, slots=True)
class Prices:
    """Each price, below the page that lists it. Free tiers are left out: the account's other work may use them up."""

    # aws.amazon.com/dynamodb/pricing/on-demand
    write_unit: float = 0.625e-6
    read_unit: float = 0.125e-6
    table_gb_month: float = 0.25
    backup_gb_month: float = 0.20  # point-in-time recovery
    export_gb: float = 0.10  # to S3, of the table without its indexes
    # aws.amazon.com/lambda/pricing, arm64
    invocation: float = 0.20e-6
    gb_second: float = 0.0000133334  # also of the INIT phase of a cold start
    # aws.amazon.com/sqs/pricing, standard queues
    sqs_request: float = 0.40e-6
    # aws.amazon.com/eventbridge/pricing: events of AWS's services are free
    aws_event: float = 0.0
    own_event: float = 1.00e-6  # for each 64 kB begun
    # aws.amazon.com/healthimaging/pricing
    healthimaging_call: float = 0.005e-3
    frequent_gb_month: float = 0.105
    archive_gb_month: float = 0.006
    # aws.amazon.com/s3/pricing, S3 Standard: PUT and LIST; GET; deleting is free
    s3_put: float = 0.005e-3
    s3_get: float = 0.40e-6
    s3_gb_month: float = 0.023
    # aws.amazon.com/kms/pricing
    key_month: float = 1.00
    key_rotation_month: float = 1.00  # for each of the first two rotations
    kms_request: float = 0.03e-4
    # aws.amazon.com/cloudwatch/pricing
    log_gb: float = 0.50
    metric_month: float = 0.30
    alarm_month: float = 0.10
    composite_alarm_month: float = 0.50
    dashboard_month: float = 3.00
    # aws.amazon.com/xray/pricing
    trace: float = 5.00e-6
    # aws.amazon.com/secrets-manager/pricing
    secret_month: float = 0.40
