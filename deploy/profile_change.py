"""Whether a stack may get another profile, and what its entries keep until they are indexed again."""

from collections.abc import Sequence
from typing import Final

from deploy.errors import DeployError
from deploy.template import Template
from imaging_index.profile.privacy import Policy
from imaging_index.profile.profile import Profile

# Names that are written out.
_MOST: Final = 10


def refuse_unless_raised(stack: str, deployed: Template, wanted: Template) -> None:
    """Refuse a profile whose entries would not replace those that the stack has made.

    An entry is replaced by one of a higher revision only. The lock beside a profile's file cannot know what a stack
    has: the file may be another one, or come from another checkout.

    Args:
        stack: the stack's name.
        deployed: its template.
        wanted: the template to deploy.

    Raises:
        DeployError: the profile is another one and its revision is not higher, or its revision is lower.
    """
    before, after = deployed.profile.revision, wanted.profile.revision
    if deployed.profile_hash == wanted.profile_hash:
        lowest, other = before, ""
    else:
        lowest, other = before + 1, " of another profile"
    if after < lowest:
        raise DeployError(
            f"The stack {stack} has revision {before}{other}. Its entries would keep what they contain, since revision "
            f"{after} does not replace them.\nWrite `revision = {lowest}` in the profile {wanted.profile_name}, and "
            "deploy again. Nothing was deployed."
        )


def kept_values(old: Profile, new: Profile) -> str:
    """What entries of the old profile contain that the new one does not let in; empty if there is no such thing."""
    private = newly_private(old, new)
    selected = {each.name for each in new.read}
    gone = [each.name for each in old.read if each.name not in selected | new.private.keys()]
    if not private and not gone:
        return ""
    words = [
        *([f"{_listed(private)}, which the new profile does not keep as they are"] if private else []),
        *([f"{_listed(gone)}, which the new profile does not select"] if gone else []),
    ]
    return f"They keep the values of {', and of '.join(words)}."


def newly_private(old: Profile, new: Profile) -> list[str]:
    """The names whose values the new profile does not keep as they are, and the old one stored in another way."""
    return sorted(
        name
        for name, policy in new.private.items()
        if old.policy(name) is not Policy.DROP and old.policy(name) != policy
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST])
    return f"{shown} and {len(names) - _MOST} more" if len(names) > _MOST else shown
