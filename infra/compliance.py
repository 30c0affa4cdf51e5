"""The rules of cdk-nag that every synth is checked against, and how a finding is accepted, with its reason."""

from typing import Final

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks
from constructs import IConstruct

_PACKS: Final = (AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks)


def check(app: App) -> None:
    """Make the synth of an app fail on each finding that nobody acknowledged."""
    Validations.of(app).add_plugins(*(pack(app) for pack in _PACKS))


def acknowledge(construct: IConstruct, reason: str, *findings: str) -> None:
    """Accept findings on one construct; docs/security.md lists them all (`python -m tools.acknowledgements`).

    Args:
        construct: what was found wanting: the construct itself, never the stack around it.
        reason: why it stays as it is, for an auditor to read.
        findings: their ids as the report prints them (`AwsSolutions-IAM5[Resource::*]`).
    """
    # Without the pack's prefix a finding would be silenced all the same, but left out of the audit trail.
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"{finding.partition('-')[0]}::{finding}", reason=reason) for finding in findings)
    )
