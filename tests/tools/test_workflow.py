"""The workflows of a fork: what GitHub would make of them cannot be tried here, what they name can."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from infra.config import ROOT

GITHUB = ROOT / ".github"
OIDC = ROOT / "examples" / "deploy-by-oidc"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
# What a job may do besides reading the repository. One that is not here may do nothing else.
PERMISSIONS = {
    ("codeql.yml", "analyze"): {"security-events": "write"},
    ("scorecard.yml", "analysis"): {"security-events": "write", "actions": "read"},
    ("release.yml", "attest"): {"id-token": "write", "attestations": "write"},
    ("release.yml", "publish"): {"id-token": "write"},
    ("release.yml", "release"): {"contents": "write"},
    ("deploy.yml", "deploy"): {"id-token": "write"},
}

every_workflow = pytest.mark.parametrize("file", [*WORKFLOWS, OIDC / "deploy.yml"], ids=lambda file: file.name)


@every_workflow
def test_a_job_may_read_the_repository_and_what_else_is_listed(file: Path) -> None:
    workflow = _read(file)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        more = dict(job.get("permissions", {}))
        if more.get("contents") == "read":
            del more["contents"]
        assert more == PERMISSIONS.get((file.name, name), {}), name
    assert "secrets." not in file.read_text("utf-8")


@every_workflow
def test_actions_are_pinned_by_commit(file: Path) -> None:
    used = re.findall(r"uses: *(.*)", file.read_text("utf-8"))
    assert used
    assert all(re.fullmatch(r"[\w-]+(/[\w-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)


def test_an_action_has_one_version_in_all_workflows() -> None:
    text = "".join(file.read_text("utf-8") for file in (*WORKFLOWS, OIDC / "deploy.yml"))
    # The actions of one repository, such as CodeQL's, are of one version too.
    used = {tuple(each) for each in re.findall(r"uses: ([\w-]+/[\w-]+)[\w/-]*@(.*)", text)}
    assert len(used) == len({repository for repository, _ in used})


@every_workflow
def test_the_token_of_a_checkout_is_not_left_in_the_folder(file: Path) -> None:
    for step in _steps(file):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_no_job_waits_for_ever(file: Path) -> None:
    assert all(job["timeout-minutes"] <= 180 for job in _read(file)["jobs"].values())


@every_workflow
def test_nothing_that_a_stranger_names_is_put_into_a_command(file: Path) -> None:
    assert not any("${{ github." in step.get("run", "") for step in _steps(file))


@every_workflow
def test_it_runs_what_the_makefile_has(file: Path) -> None:
    made = re.findall(r"make ([a-z ]+)", "\n".join(step.get("run", "") for step in _steps(file)))
    assert set(" ".join(made).split()) <= TARGETS


def test_a_change_is_linted_tested_packed_synthesized_and_documented() -> None:
    made = {
        step["run"].split()[1] for step in _steps(GITHUB / "workflows" / "ci.yml") if "make " in step.get("run", "")
    }
    assert made == {"dist", "docs", "lint", "synth", "test"}


@pytest.mark.parametrize("job", ["test", "wheel"])
def test_every_python_that_the_package_allows_is_tested(job: str) -> None:
    pythons = _read(GITHUB / "workflows" / "ci.yml")["jobs"][job]["strategy"]["matrix"]["python"]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]


@pytest.mark.parametrize("file", ["ci.yml", "release.yml"])
def test_the_wheel_is_tried_where_the_repository_is_not(file: str) -> None:
    commands = [step.get("run", "") for step in _steps(GITHUB / "workflows" / file)]
    assert commands.index("make dist") < commands.index(".ci/wheel")
    assert os.access(ROOT / ".ci" / "wheel", os.X_OK)


@pytest.mark.parametrize("file", [*GITHUB.glob("*.yml"), *GITHUB.glob("ISSUE_TEMPLATE/*.yml")], ids=lambda f: f.name)
def test_what_github_reads_is_yaml(file: Path) -> None:
    assert isinstance(_read(file), dict)


def test_every_issue_asks_for_no_patient_data() -> None:
    for file in GITHUB.glob("ISSUE_TEMPLATE/*.yml"):
        assert file.name == "config.yml" or "patient data" in file.read_text("utf-8").lower()


def test_the_role_that_deploys_is_a_template_that_cloudformation_takes() -> None:
    lint = [str(Path(sys.executable).with_name("cfn-lint")), "--", str(OIDC / "role.yaml")]
    checked = subprocess.run(lint, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout


def _read(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


def _steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in _read(file)["jobs"].values() for step in job["steps"]]
