"""The commands of the runbook and of upgrades.md name things as the stack does, and can be run as they are."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import jmespath  # type: ignore[import-untyped]
import pytest

from infra.config import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from aws_cdk.assertions import Template

DOCS = ROOT / "docs"
TEXT = (DOCS / "runbook.md").read_text("utf-8")

# What it is called with, and what a stack answers whose profile needs no secret.
AWS = """\
#!/bin/sh
for each; do [ -n "$each" ] || echo "an empty argument: $*" >> "$CALLS"; done
echo "$*" >> "$CALLS"
case "$*" in
  *GlobalTable*) echo Index-Table ;;
  *KMS::Key*) echo 1234abcd ;;
  *LogGroup*) printf 'group-one\\tgroup-two\\n' ;;
  *S3::Bucket*) printf 'documents\\tlogs\\n' ;;
esac
"""


def blocks(text: str) -> list[str]:
    """The shell's blocks on a page."""
    return re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


BLOCKS = blocks(TEXT)


def test_what_commands_name_is_an_output_or_a_resource_of_the_stack(
    template: Template, events_template: Template, hashing_template: Template
) -> None:
    outputs = {*template.find_outputs("*"), *events_template.find_outputs("*")}
    named = {*re.findall(r"\$\(output (\w+)\)", TEXT), *re.findall(r"`output (\w+)`", TEXT)}
    assert {"TableName", "FunctionName"} <= named <= outputs
    types = {each["Type"] for each in hashing_template.to_json()["Resources"].values()}
    assert set(re.findall(r"\bAWS::\w+::\w+", TEXT)) <= types


def test_no_command_leaves_a_name_to_be_filled_in_but_what_a_command_before_it_prints() -> None:
    assert re.findall(r"=[A-Z]{3,}\b", "".join(BLOCKS)) == ["=DATASTORE", "=ARN"]
    for page in DOCS.glob("*.md"):
        found = [word for block in blocks(page.read_text("utf-8")) for word in re.findall(r"<[a-zA-Z][^>\n]*>", block)]
        # A page about DICOMweb is for those who know the address from elsewhere.
        assert {*found} <= {"<DicomwebUrl>"}, page


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_is_one_that_a_shell_can_read(block: str) -> None:
    subprocess.run(["sh", "-n", "-c", block], check=True)


def test_a_stack_without_a_secret_is_removed_by_the_lines_as_they_are(tmp_path: Path) -> None:
    for name, content in {"aws": AWS, "imaging-index": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    (functions,) = (each for each in BLOCKS if "output() {" in each)
    (remember,) = (each for each in BLOCKS if "tee remains" in each)
    (remove,) = (each for each in BLOCKS if "remain()" in each)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(tmp_path / "calls")}
    script = f"set -e\n{functions}{remember}{remove}"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    made = [each for each in (tmp_path / "calls").read_text().splitlines() if "list-stack-resources" not in each]
    assert made == [
        "cloudformation delete-stack --stack-name ImagingIndex",
        "cloudformation wait stack-delete-complete --stack-name ImagingIndex",
        "dynamodb update-table --table-name Index-Table --no-deletion-protection-enabled",
        "dynamodb delete-table --table-name Index-Table",
        "logs delete-log-group --log-group-name group-one",
        "logs delete-log-group --log-group-name group-two",
        "kms schedule-key-deletion --key-id 1234abcd --pending-window-in-days 30",
    ]


(BUCKETS,) = (each for each in blocks((DOCS / "upgrades.md").read_text("utf-8")) if "documents=off" in each)


def test_the_buckets_to_delete_without_documents_are_not_those_of_exports(
    documents_template: Template, exports_template: Template
) -> None:
    (query,) = re.findall(r'--query "(.+?)"', BUCKETS, re.DOTALL)
    listed = [
        {"LogicalResourceId": name, "ResourceType": each["Type"], "PhysicalResourceId": name}
        for template in (documents_template, exports_template)
        for name, each in template.to_json()["Resources"].items()
    ]
    found = jmespath.search(query, {"StackResourceSummaries": listed})
    assert sorted(found) == sorted(documents_template.find_resources("AWS::S3::Bucket"))


@pytest.mark.parametrize(("status", "deleted"), [(0, ["documents", "logs"]), (2, [])])
def test_no_bucket_of_documents_is_deleted_unless_the_stack_was_deployed_without_it(
    status: int, deleted: list[str], tmp_path: Path
) -> None:
    for name, content in {"aws": AWS, "make": f"#!/bin/sh\nexit {status}\n"}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(tmp_path / "calls")}
    subprocess.run(["sh", "-c", BUCKETS], cwd=tmp_path, env=environment, check=False)
    _, *calls = (tmp_path / "calls").read_text().split("\ns3 ")
    assert [each.strip() for each in calls] == [f"rb --force s3://{name}" for name in deleted]
