"""What holds for the template as a whole: rules of others that it keeps, and how a synth ends."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from infra.config import ROOT
from tests.infra.conftest import TEMPLATE_ONLY


def run_alone(*, context: dict[str, object], outdir: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`python app.py` as on a machine without the CDK command line, without credentials and without a region."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**inherited, "CDK_OUTDIR": str(outdir), "CDK_CONTEXT_JSON": json.dumps(context), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_cfn_lint_finds_nothing(
    template_file: Path,
    listed_template_file: Path,
    dicomweb_file: Path,
    private_dicomweb_file: Path,
    events_file: Path,
    documents_file: Path,
    exports_file: Path,
) -> None:
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    # W3005: the CDK makes a function wait for its role in words, besides by reference.
    options = ("--regions", "eu-central-1", "--ignore-checks", "W3005", "--")
    of_settings = (dicomweb_file, private_dicomweb_file, events_file, documents_file, exports_file)
    files = (template_file, listed_template_file, *of_settings)
    command = [str(each) for each in (cfn_lint, *options, *files)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_app_needs_neither_the_command_line_nor_credentials(tmp_path: Path) -> None:
    result = run_alone(context={**TEMPLATE_ONLY, "stackName": "Radiology"}, outdir=tmp_path)
    assert result.returncode == 0, result.stderr
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert manifest["artifacts"]["Radiology"]["environment"] == "aws://unknown-account/eu-central-1"


def test_a_wrong_setting_ends_the_app_with_its_message_and_no_traceback(tmp_path: Path) -> None:
    result = run_alone(context={"memorySize": "lots"}, outdir=tmp_path, CDK_DEFAULT_REGION="eu-central-1")
    assert result.returncode == 1
    assert result.stderr.startswith("The setting 'memorySize' is 'lots'")
    assert result.stderr.count("\n") == 1


def test_the_template_is_the_one_that_was_reviewed(template_file: Path, snapshot: SnapshotAssertion) -> None:
    template = json.loads(re.sub(r"[0-9a-f]{64}", "<hash of the package>", template_file.read_text("utf-8")))
    template["Metadata"]["Profile"] = "<the profile>"
    assert template == snapshot(extension_class=JSONSnapshotExtension)
