"""What a cold start spends on imports and clients, against the usual set of a function for the same work.

Ours is the package's handler: all modules, three clients, the profile and the reader made from it. The usual set is
boto3 with a DynamoDB resource and a HealthImaging client, Powertools' Logger, Tracer and Metrics, and its pydantic
parser with the models of SQS and of our event. Both have byte code, as without `infra.byte_code` neither would.

    python -m bench.imports
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.bundling import Bundle, Platform
from infra.config import ROOT

_RUNS: Final = 9

_OURS: Final = "import imaging_index.handlers.index"
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
}


def measure(runs: int = _RUNS) -> dict[str, float]:
    """CPU seconds of each set, medians of fresh processes that take turns, and `ratio`: ours to the usual."""
    platform = Platform.of("host", "arm64")
    package = Bundle(ROOT / "profiles" / "radiology.toml", platform, platform.compiler()).build()
    # The first run of each is to fill caches, and has the usual set's byte code written.
    turns = [(_seconds(_USUAL), _seconds(_OURS, package)) for _ in range(runs + 1)][1:]
    usual, ours = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
    return {"usual": usual, "ours": ours, "ratio": ours / usual}


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
    sys.stdout.write(f"{json.dumps(measure())}\n")
