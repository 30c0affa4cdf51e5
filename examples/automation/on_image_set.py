"""A construct to copy: a rule on the bus of Imaging Index, made from what you look for."""

# mypy: allow-subclassing-any

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_events as events
from constructs import Construct


class OnImageSet(Construct):
    """Sends the events of new and of changed image sets to a target.

    Attributes:
        rule: the rule, to which more targets can be added.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bus_name: str,
        target: events.IRuleTarget,
        attributes: Mapping[str, Sequence[Any]] | None = None,
        more_images_than: int | None = None,
        changed: Sequence[str] = (),
        primary: bool | None = None,
        causes: Sequence[str] = ("event",),
    ) -> None:
        """Make the rule.

        Args:
            bus_name: the stack's output EventBusName.
            target: what the events are sent to.
            attributes: which values they must have, by DICOM keyword: one of each list.
            more_images_than: how many instances they must exceed. A series grows: the event that takes it over this
                number is one of a changed image set, and so are those after it.
            changed: of which attributes one must have changed. New image sets are left out then.
            primary: whether they must be primary; None takes both.
            causes: why they were indexed. With others than `event`, a backfill sends all image sets.
        """
        super().__init__(scope, construct_id)
        detail: dict[str, Any] = {"cause": list(causes)}
        if attributes:
            detail["attributes"] = {keyword: list(values) for keyword, values in attributes.items()}
        if more_images_than is not None:
            detail["instanceCount"] = [{"numeric": [">", more_images_than]}]
        if changed:
            detail["changed"] = list(changed)
        if primary is not None:
            detail["isPrimary"] = [primary]
        self.rule = events.Rule(
            self,
            "Rule",
            event_bus=events.EventBus.from_event_bus_name(self, "Bus", bus_name),
            event_pattern=events.EventPattern(
                source=["imaging-index"],
                detail_type=["Image Set Reindexed", *([] if changed else ["Image Set Indexed"])],
                detail=detail,
            ),
            targets=[target],
        )
