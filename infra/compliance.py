"""What every synth is checked against, cdk-nag's AwsSolutions rules; and how a finding is accepted, with its reason."""

from collections.abc import Mapping

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct


def check(app: App) -> None:
    """Make the synth of an app fail on each finding that nobody acknowledged."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Accept findings on one construct.

    Args:
        construct: what was found wanting: the construct itself, never the stack around it.
        reasons: why, by the finding's id as the report prints it (`AwsSolutions-IAM5[Resource::*]`).
    """
    # Without the prefix the finding would be silenced all the same, but left out of the audit trail.
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"AwsSolutions::{finding}", reason=reason) for finding, reason in reasons.items())
    )
