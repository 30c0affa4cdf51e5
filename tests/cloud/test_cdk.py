"""The CDK's own command line, as `make deploy` runs it, against the local cloud."""

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from local.deployment import ROOT, UNVALIDATED


def _cdk(*arguments: str, folder: Path = ROOT) -> str:
    """Run the pinned CDK command line; returns everything it says."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.run(
        [ROOT / "node_modules/.bin/cdk", *arguments, "--ci"],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout


def _make(target: str, cdk: str, *variables: str) -> str:
    """Run a target of make without a terminal; returns everything it says."""
    process = subprocess.run(
        ["make", target, f"CDK={cdk}", *variables],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"} | UNVALIDATED,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout


@pytest.mark.usefixtures("assembly", "environment")  # whose bundle is ready then
def test_make_deploy_brings_all_that_a_new_local_cloud_needs_and_the_stock_cdk_compares_and_destroys(
    aws: boto3.Session, tmp_path: Path
) -> None:
    said = _make("deploy", "--local", "YES=1")
    assert "ImagingIndex.TableName" in said
    # Not the body of a dashboard, nor each property.
    before, _, _ = said.partition("ImagingIndex: start")
    assert "\nNew: " in before
    assert len(before.splitlines()) < 150
    assert "The local cloud is ready for the CDK in us-east-1." in _make("bootstrap", "--local")
    (table,) = aws.client("dynamodb").list_tables()["TableNames"]
    assert table.startswith("ImagingIndex")
    assembly = str(tmp_path / "assembly")
    assert f"The template is {assembly}/ImagingIndex.template.json" in _make("synth", f"--local -o {assembly}")
    assert "There were no differences" in _cdk("diff", "--fail", "--app", assembly)
    _cdk("destroy", "--force", "--app", assembly)
    assert aws.client("dynamodb").list_tables()["TableNames"] == []
