"""cdk-nag's rules, which every synth must pass, and the way to accept a finding with a reason."""

from typing import Final

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks
from constructs import IConstruct

_PACKS: Final = (AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks)


def check(app: App) -> None:
    """Make an app's synth fail if any finding is not acknowledged."""
    Validations.of(app).add_plugins(*(pack(app) for pack in _PACKS))


def acknowledge(construct: IConstruct, reason: str, *findings: str) -> None:
    """Accept findings on one construct; docs/security.md lists them all (`python -m tools.acknowledgements`).

    Args:
        construct: the construct with the finding, never the stack around it.
        reason: why the finding is acceptable, for an auditor.
        findings: their ids as the report prints them (`AwsSolutions-IAM5[Resource::*]`).
    """
    # Without the pack's prefix a finding would be silenced too, but would be missing from the audit trail.
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"{finding.partition('-')[0]}::{finding}", reason=reason) for finding in findings)
    )
