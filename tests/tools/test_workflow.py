"""The workflow that a fork runs: what GitHub would make of it cannot be tried here, what it names can."""

import re
from typing import Any

import yaml  # type: ignore[import-untyped]

from infra.config import ROOT

WORKFLOW: Any = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_it_may_read_the_repository_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in WORKFLOW["jobs"].values())
    assert "secrets." not in (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")


def test_actions_are_pinned_by_commit() -> None:
    used = {step["uses"] for step in STEPS if "uses" in step}
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", each) for each in used)


def test_it_runs_what_the_makefile_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    made = {step["run"].split()[1] for step in STEPS if step.get("run", "").startswith("make ")}
    assert made == {"lint", "test", "synth"} <= targets
