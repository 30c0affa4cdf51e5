"""The finished index under load, while everything goes wrong at once; in the end its promises must hold.

    make soak                      # half an hour
    make soak SOAK_SECONDS=180     # three minutes, and what settling takes

Image sets are imported, updated, copied and deleted. Events are lost, doubled, delayed, wrong about their version, and
falsely Deleted. Functions of every kind are killed, HealthImaging's quotas come and go, the reconcile function is
invoked all the while, people search by the command and by DICOMweb, and a consumer hears the index's own events. Then
a pass compares everything. docs/convergence.md says what must hold.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from rich.progress import Progress

from cli.output import screen
from local.cloud import LocalCloud
from local.deployment import deploy, synth
from local.stack import PROFILES, make_datastore
from proof.soak.company import RETRIES, Company, command
from proof.soak.load import Load
from proof.soak.promises import Promises
from proof.soak.report import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTEXT: Final = {"maximumConcurrency": "2", "events": "on", "dicomweb": "iam"}
_FAULTS: Final = {
    "lost": 0.05,
    "doubled": 0.2,
    "delayed": 0.3,
    "delaySeconds": 5,
    "wrongVersion": 0.05,
    "falseDeleted": 0.02,
}
_QUIET: Final = 20  # seconds
# When the messages of a killed function have come again and were handled, in seconds.
_VISIBILITY: Final = 6 * 60 + 60


def soak(seconds: float, seed: int) -> Report:
    """Run one soak in a local cloud of its own."""
    for name in PROFILES:
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="imaging-index-") as name, LocalCloud() as cloud:
        folder, environment = Path(name), cloud.environment()
        assembly = synth(folder / "assembly", context=_CONTEXT)
        os.environ.update(environment)
        outputs = dict(deploy(assembly, environment))
        client, report = boto3.client("medical-imaging", config=RETRIES), Report()
        datastore = make_datastore(client, "soak")
        load = Load(client, datastore, report, seed, folder)
        company = Company(cloud.endpoint, outputs, datastore, load, report)
        company.set(throttles=False, faults=_FAULTS)
        company.start()
        with Progress(console=screen) as progress:
            task, begun = progress.add_task("soak", total=seconds), time.monotonic()
            while (elapsed := time.monotonic() - begun) < seconds:
                load.operate()
                progress.update(task, completed=elapsed)
                time.sleep(load.pause())
        company.stop()
        company.set(faults=dict.fromkeys(_FAULTS, 0))
        _settle(outputs, report, min(_VISIBILITY, seconds / 4))
        _reconcile(report)
        _settle(outputs, report, 0)
        Promises(company, environment).check()
        return report


def _reconcile(report: Report) -> None:
    """Compare everything by the command, and have what differs indexed."""
    ended = command("reconcile", "--full", "--apply", "--most-dollars", "1000", "--json")
    if ended.returncode:
        report.breaks(f"reconcile ended with {ended.returncode}: {ended.stderr.strip()[-300:]}")


def _settle(outputs: Mapping[str, str], report: Report, seconds: float) -> None:
    """Wait until no hint can be received for a while, and for at least `seconds`.

    Hints that lie about a version stay behind: they wait for it until they are parked.
    """
    sqs = boto3.client("sqs", config=RETRIES)
    begun, quiet = time.monotonic(), 0
    with screen.status("Waiting for the queue to settle"):
        while quiet < _QUIET or time.monotonic() - begun < seconds:
            time.sleep(1)
            counts = sqs.get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=["All"])["Attributes"]
            report.waiting = int(counts["ApproximateNumberOfMessagesNotVisible"])
            quiet = 0 if int(counts["ApproximateNumberOfMessages"]) else quiet + 1


def main() -> int:
    """Exit status 0 when no promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    report = soak(options.seconds, options.seed)
    screen.print(str(report), soft_wrap=True, markup=False)
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
