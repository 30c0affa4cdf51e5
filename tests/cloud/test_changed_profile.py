"""A profile that comes to drop and hash, deployed over a filled table: nothing is left of what it does not let in."""

import json
import os
from pathlib import Path

import boto3
from typer.testing import CliRunner

from cli.main import application
from local.cloud import LocalCloud
from local.deployment import deploy
from proof.campaigns import changed_profile, drifted
from tests.assemblies import synth_here

# `make prove` has 500.
COUNT = int(os.environ.get("CHANGED_PROFILE_IMAGE_SETS", "12"))


def test_after_make_deploy_and_reconcile_no_dropped_or_hashed_value_is_left_in_the_table(
    cloud: LocalCloud, aws: boto3.Session, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "old.toml").write_text(changed_profile.OLD)
    outputs = deploy(synth_here(tmp_path / "assembly", profile=str(tmp_path / "old.toml")), environment)
    stage = drifted.Stage(cloud, environment["AWS_ACCESS_KEY_ID"], aws, outputs)
    assert changed_profile.run(stage, aws, outputs["TableName"], tmp_path, COUNT) == []
    # What is left to reconcile is what doctor finds, and it finds nothing more.
    ended = CliRunner().invoke(application, ["doctor", "--json"])
    (entries,) = (each for each in json.loads(ended.stdout) if each["part"] == "entries")
    assert entries["found"] == f"Made by the deployed profile: all {COUNT} entries."
