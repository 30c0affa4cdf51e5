"""The schedule of exports: what it calls, what it may do, how its bucket is protected, and when there is none."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template
from botocore.model import OperationModel
from botocore.session import get_session
from botocore.validate import ParamValidator

from infra.config import SettingError
from infra.synthesis import make_app
from tests.infra.conftest import TEMPLATE_ONLY, owned

OF = "Exporting"
SCHEDULE = "AWS::Scheduler::Schedule"
SHIFTING = """\
revision = 1
attributes = ["PatientID", "StudyDate", "StudyInstanceUID"]
[privacy]
PatientID = "hash"
StudyDate = "shift"
StudyInstanceUID = "uid"
SeriesInstanceUID = "uid"
SOPInstanceUID = "uid"
"""


def arn_of(logical_id: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def one(template: Template, kind: str, of: str = OF) -> tuple[str, Any]:
    """A resource of the exports' with its logical id."""
    ((name, found),) = owned(template, kind, of).items()
    return name, found.get("Properties", {})


def parameters(schedule: dict[str, Any]) -> dict[str, str]:
    """What the schedule calls with. What CloudFormation fills in is a logical id here."""
    _, parts = schedule["Target"]["Input"]["Fn::Join"]
    texts = [each if isinstance(each, str) else each.get("Ref") or each["Fn::GetAtt"][0] for each in parts]
    found: dict[str, str] = json.loads("".join(texts))
    return found


def operation(target: str) -> OperationModel:
    """The operation that a universal target names."""
    match = re.fullmatch(r"arn:aws:scheduler:::aws-sdk:(\w+):(\w+)", target)
    assert match
    service, name = match.groups()
    return get_session().get_service_model(service).operation_model(name[0].upper() + name[1:])


def test_as_shipped_nothing_is_exported(template: Template) -> None:
    template.resource_count_is("AWS::S3::Bucket", 0)
    template.resource_count_is("AWS::Scheduler::ScheduleGroup", 0)
    assert owned(template, SCHEDULE, OF) == {}
    assert "ExportsBucketName" not in template.find_outputs("*")


def test_every_week_dynamodb_is_asked_for_a_full_export_into_the_stacks_bucket(exports_template: Template) -> None:
    table, _ = one(exports_template, "AWS::DynamoDB::GlobalTable", "Storage")
    key, _ = one(exports_template, "AWS::KMS::Key", "Storage")
    bucket, _ = one(exports_template, "AWS::S3::Bucket", f"{OF}Bucket")
    _, schedule = one(exports_template, SCHEDULE)
    assert (schedule["ScheduleExpression"], schedule["FlexibleTimeWindow"]) == ("rate(7 days)", {"Mode": "OFF"})
    asked = parameters(schedule)
    assert asked == {
        "TableArn": table,
        "S3Bucket": bucket,
        "S3SseAlgorithm": "KMS",
        "S3SseKmsKeyId": key,
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": "FULL_EXPORT",
        "ClientToken": "ImagingIndex-<aws.scheduler.scheduled-time>",
    }
    # Scheduler does not check the call when the schedule is made.
    model = operation(schedule["Target"]["Arn"])
    assert model.name == "ExportTableToPointInTime"
    shape: Any = model.input_shape
    assert not ParamValidator().validate(asked, shape).has_errors()
    for name in ("ExportFormat", "ExportType", "S3SseAlgorithm"):
        assert asked[name] in shape.members[name].enum


def test_a_refused_export_is_tried_again_within_the_hour_and_an_alarm_rings(exports_template: Template) -> None:
    group, named = one(exports_template, "AWS::Scheduler::ScheduleGroup")
    _, schedule = one(exports_template, SCHEDULE)
    # CloudFormation chooses one of at most 64 characters, of which a stack's may have as many.
    assert "Name" not in named
    assert schedule["GroupName"] == {"Ref": group}
    assert schedule["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 5}
    exports_template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "AWS/Scheduler",
            "MetricName": "TargetErrorCount",
            "Dimensions": [{"Name": "ScheduleGroup", "Value": {"Ref": group}}],
            "Threshold": 1,
        },
    )


def test_the_schedule_may_export_the_table_into_that_bucket_and_nothing_else(exports_template: Template) -> None:
    table, _ = one(exports_template, "AWS::DynamoDB::GlobalTable", "Storage")
    key, _ = one(exports_template, "AWS::KMS::Key", "Storage")
    bucket, _ = one(exports_template, "AWS::S3::Bucket", f"{OF}Bucket")
    name, policy = one(exports_template, "AWS::IAM::ManagedPolicy")
    assert policy["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "dynamodb:ExportTableToPointInTime", "Resource": arn_of(table)},
        {
            "Effect": "Allow",
            "Action": ["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl"],
            "Resource": {"Fn::Join": ["", [arn_of(bucket), "/AWSDynamoDB/*"]]},
        },
        {
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
            "Resource": arn_of(key),
            "Condition": {
                "StringEquals": {
                    "kms:ViaService": ["dynamodb.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com"]
                }
            },
        },
    ]
    role, properties = one(exports_template, "AWS::IAM::Role")
    assert one(exports_template, SCHEDULE)[1]["Target"]["RoleArn"] == arn_of(role)
    assert properties["ManagedPolicyArns"] == [{"Ref": name}]
    (trusted,) = properties["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trusted["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_exports_are_encrypted_by_the_stacks_key_closed_to_others_and_expire_after_three_intervals(
    exports_template: Template,
) -> None:
    key, _ = one(exports_template, "AWS::KMS::Key", "Storage")
    logs, _ = one(exports_template, "AWS::S3::Bucket", f"{OF}Logs")
    _, bucket = one(exports_template, "AWS::S3::Bucket", f"{OF}Bucket")
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn_of(key)}
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["LoggingConfiguration"] == {"DestinationBucketName": {"Ref": logs}, "LogFilePrefix": "exports/"}
    (expiring,) = (each for each in bucket["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in each)
    assert expiring == {"ExpirationInDays": 21, "Id": "Expire", "Status": "Enabled"}
    assert exports_template.find_outputs("ExportsBucketName")


def test_a_profile_that_shifts_dates_refuses_exports_since_they_tell_when_an_image_set_arrived(tmp_path: Path) -> None:
    (tmp_path / "shifting.toml").write_text(SHIFTING)
    given = TEMPLATE_ONLY | {"profile": str(tmp_path / "shifting.toml")}
    with pytest.raises(SettingError, match=r"'exportDays' needs another profile, or may be 0\..*gives the shift away"):
        make_app(given | {"exportDays": "1"}, str(tmp_path / "out"))
    make_app(given, str(tmp_path / "out"))


def test_an_export_is_made_every_day_at_most(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"'exportDays' is '0\.5'\. It may be a whole number of days"):
        make_app(TEMPLATE_ONLY | {"exportDays": "0.5"}, str(tmp_path / "out"))
