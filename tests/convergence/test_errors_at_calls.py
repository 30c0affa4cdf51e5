"""Every error code that AWS may answer with, at every call of the handler."""

from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from local.cloud import LocalCloud
from proof.campaigns import refusals
from proof.campaigns.refusals import Call, Stage
from proof.harness.image_sets import throttles_off
from proof.harness.pipeline import make_pipeline


@pytest.fixture
def stage(aws: boto3.Session, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with throttles_off(cloud.endpoint):
        yield Stage(make_pipeline(aws, monkeypatch.setenv))


def test_every_error_at_every_call_is_classed_put_off_or_parked_and_leaves_nothing(
    aws: boto3.Session, stage: Stage, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    calls: set[Call] = set()  # make prove: every code in every case
    refused = {
        name: refusals.singles(stage, case, refused=calls)
        for name, case in refusals.cases(aws.client("medical-imaging"), tmp_path).items()
    }
    record_property("refused calls", f"{sum(refused.values())}, {refused}")
