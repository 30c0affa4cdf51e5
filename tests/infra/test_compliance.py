"""cdk-nag's rules: each pack looks, no finding is left, and what was accepted was accepted knowingly."""

import json
from pathlib import Path

import pytest
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs

from infra.synthesis import make_app
from tests.infra.conftest import TEMPLATE_ONLY
from tools import acknowledgements

PACKS = {"AwsSolutions", "HIPAA.Security", "NIST.800.53.R5"}


def test_the_three_packs_find_nothing_that_is_not_accepted_with_a_reason_on_its_construct(template_file: Path) -> None:
    # That the template is there at all says that no finding was left: this is about how.
    report = json.loads((template_file.parent / "validation-report.json").read_text("utf-8"))
    packs = {pack["pluginName"]: pack for pack in report["pluginReports"]}
    assert packs.keys() == PACKS
    for name, pack in packs.items():
        assert pack["violations"] == []
        assert pack["suppressedViolations"], name
    for violation in acknowledgements.accepted(template_file.parent):
        assert violation["reason"]
        assert violation["acknowledgedAt"].count("/") >= 2, "accepted on the stack or on one of its halves"


def test_a_finding_that_nobody_accepted_fails_the_synth_in_each_pack(tmp_path: Path) -> None:
    app = make_app(TEMPLATE_ONLY, str(tmp_path))
    stack = app.node.find_child("ImagingIndex")
    sqs.Queue(stack, "Unguarded")
    logs.LogGroup(stack, "InTheOpen")
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text("utf-8"))
    assert {pack["pluginName"] for pack in report["pluginReports"] if pack["violations"]} == PACKS


def test_nothing_is_accepted_that_is_not_found(tmp_path: Path) -> None:
    app = make_app(TEMPLATE_ONLY, str(tmp_path))
    app.synth()
    written = {
        (construct.node.path, finding)
        for construct in app.node.find_all()
        for entry in construct.node.metadata
        if entry.type == "aws:cdk:acknowledged-rules"
        for finding in entry.data
    }
    found = {(each["acknowledgedAt"], each["acknowledgedId"]) for each in acknowledgements.accepted(tmp_path)}
    assert written == found


def test_the_documented_findings_are_those_that_the_stack_accepts() -> None:
    assert acknowledgements.table() in acknowledgements.FILE.read_text("utf-8"), "run python -m tools.acknowledgements"
