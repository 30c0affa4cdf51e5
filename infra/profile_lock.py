"""The lock beside a profile: which revision was last synthesized, and what it selected.

Each entry stores the revision that made it. If a profile changed without a new revision, old entries could not be found
any more, so such a profile is refused.
"""

import json
from pathlib import Path
from typing import Any

from imaging_index.profile.profile import Profile, ProfileError


def check(path: Path, profile: Profile) -> None:
    """Compare a profile with its lock, `<name>.lock` beside it, and rewrite the lock if the revision was raised.

    Args:
        path: the profile's file.
        profile: the content of that file.

    Raises:
        ProfileError: it differs from the lock without a higher revision.
    """
    if not compare(path, profile):
        path.with_suffix(".lock").write_text(json.dumps(_locked(profile)) + "\n", "utf-8")


def compare(path: Path, profile: Profile) -> bool:
    """Whether a profile's lock exists and agrees with it; the lock is not written.

    Raises:
        ProfileError: as `check` does.
    """
    lock = path.with_suffix(".lock")
    if not lock.is_file():
        return False
    last = _read(lock)
    if last == _locked(profile):
        return True
    if profile.revision <= last["revision"]:
        raise ProfileError(
            [
                f"The profile {path.name} differs from its revision {last['revision']}, and entries of that revision "
                f"may exist. Write revision = {last['revision'] + 1}, so that those entries count as old."
            ]
        )
    return False


def _locked(profile: Profile) -> dict[str, Any]:
    return {"revision": profile.revision, "hash": profile.hash}


def _read(lock: Path) -> dict[str, Any]:
    try:
        last = json.loads(lock.read_text("utf-8"))
        if isinstance(last["revision"], int) and isinstance(last["hash"], str):
            return dict(last)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ProfileError([f"The lock {lock.name} cannot be read. Restore it from version control."])
