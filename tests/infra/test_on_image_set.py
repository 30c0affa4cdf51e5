"""The construct of examples/automation/ makes the rules of docs/automation.md, which real events are delivered by."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template

from infra.config import ROOT
from tests.automation import documented

if TYPE_CHECKING:
    from collections.abc import Iterator

CHEST, _, CHANGED, NON_PRIMARY, *_ = documented().values()


@pytest.fixture(scope="module")
def construct() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples" / "automation"))
        yield importlib.import_module("on_image_set").OnImageSet
    sys.modules.pop("on_image_set", None)


@pytest.mark.parametrize(
    ("wanted", "options"),
    [
        (CHEST, {"attributes": {"Modality": ["CT"], "BodyPartExamined": ["CHEST"]}, "more_images_than": 40}),
        (CHANGED, {"changed": ["PatientID", "PatientName", "PatientBirthDate"]}),
        (NON_PRIMARY, {"primary": False}),
        (NON_PRIMARY | {"detail": {"isPrimary": [False], "cause": ["event", "reindex"]}},
         {"primary": False, "causes": ["event", "reindex"]}),
    ],
)  # fmt: skip
def test_the_construct_makes_the_rules_of_the_page_on_the_indexs_bus(
    construct: Any, wanted: dict[str, Any], options: dict[str, Any]
) -> None:
    stack = Stack(App(analytics_reporting=False), "Stack")
    target = targets.SqsQueue(sqs.Queue(stack, "Queue"))
    construct(stack, "Rule", bus_name="ImagingIndex", target=target, **options)
    (rule,) = Template.from_stack(stack).find_resources("AWS::Events::Rule").values()
    pattern = rule["Properties"]["EventPattern"]
    assert rule["Properties"]["EventBusName"] == "ImagingIndex"
    assert pattern | {"detail-type": sorted(pattern["detail-type"])} == wanted
