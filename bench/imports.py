"""What a cold start spends on imports and clients, against the usual set of a function for the same work.

Ours is a handler from its package: all modules, clients, the profile, and the reader or the service from it. The usual
set of the index function is boto3 with a DynamoDB resource and a HealthImaging client, Powertools' Logger, Tracer and
Metrics, and its pydantic parser with the models of SQS and of our event. That of DICOMweb's function is boto3 with a
DynamoDB resource, the same of Powertools, and its resolver with six routes. All have byte code, as without
`infra.byte_code` none would.

    python -m bench.imports
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.bundling import Bundle, Platform, Program
from infra.config import ROOT

_RUNS: Final = 9

_USUAL: Final = """
import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.parser import BaseModel, event_parser
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel, SqsModel
class Detail(BaseModel):
    datastoreId: str
    imageSetId: str
    imageSetVersion: str | None = None
    imageSetState: str
    isPrimary: bool | None = None
class ImageSetEvent(EventBridgeModel):
    detail: Detail
logger, tracer, metrics = Logger(), Tracer(), Metrics()
table = boto3.resource("dynamodb").Table("index")
medical_imaging = boto3.client("medical-imaging")
"""
_USUAL_DICOMWEB: Final = """
import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
logger, tracer, metrics = Logger(), Tracer(), Metrics()
resolver = APIGatewayRestResolver()
studies = "/studies/<study>"
for route in ("/studies", "/series", "/instances", f"{studies}/series", f"{studies}/instances", f"{studies}/<series>"):
    resolver.get(route)(lambda **_: {})
table = boto3.resource("dynamodb").Table("index")
"""
_USUALLY: Final[dict[Program, str]] = {"index": _USUAL, "dicomweb": _USUAL_DICOMWEB}
_TIMED: Final = "import time; start = time.process_time(){}\nprint(time.process_time() - start)"

# As Lambda sets them; Powertools' Tracer is off without the first.
_VARIABLES: Final = {
    "LAMBDA_TASK_ROOT": "/var/task",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "bench",
    "DATASTORES": "all",
    "PROFILE": "profile.toml",
    "TABLE_NAME": "index",
    "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/000000000000/queue",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/000000000000/dead-letters",
    "RETRIEVE_ROOT": "https://dicom-medical-imaging.eu-central-1.amazonaws.com",
    "UNKNOWN_KEYS": "refuse",
    "EMPTY_STATUS": "200",
    "READ_UNITS": "off",
    "BUDGET": "20000",
}


def measure(program: Program, runs: int = _RUNS) -> dict[str, float]:
    """CPU seconds of each set, medians of fresh processes that take turns, and `ratio`: ours to the usual."""
    platform = Platform.of("host", "arm64")
    profile = ROOT / "profiles" / "radiology.toml"
    package = Bundle(profile, platform, platform.compiler(), program=program).build()
    ours = f"import imaging_index.handlers.{program}"
    # The first run of each is to fill caches, and has the usual set's byte code written.
    turns = [(_seconds(_USUALLY[program]), _seconds(ours, package)) for _ in range(runs + 1)][1:]
    usual, own = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
    return {"usual": usual, "ours": own, "ratio": own / usual}


def _seconds(program: str, package: Path | None = None) -> float:
    """The CPU time of a program in a process of its own: with the package's modules alone, or else this Python's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, *(["-S"] if package else []), "-c", _TIMED.format(f"\n{program}")],
        env=environment | _VARIABLES | ({"PYTHONPATH": str(package)} if package else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


if __name__ == "__main__":
    for each in _USUALLY:
        sys.stdout.write(f"{each}: {json.dumps(measure(each))}\n")
