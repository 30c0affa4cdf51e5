"""The lock beside a profile: which revision was last synthesized, and what it selected.

Entries say by which revision they were made. A profile that is changed without raising it would leave old entries
behind that nothing can find any more, so such a profile is refused.
"""

import json
from pathlib import Path
from typing import Any

from imaging_index.profile import Profile, ProfileError


def check(path: Path, profile: Profile) -> None:
    """Compare a profile with its lock, `<name>.lock` beside it, and write the lock anew when the revision was raised.

    Args:
        path: the profile's file.
        profile: what it says.

    Raises:
        ProfileError: it selects something else under the revision of the lock, or has a lower one.
    """
    if not compare(path, profile):
        path.with_suffix(".lock").write_text(json.dumps(_locked(profile)) + "\n", "utf-8")


def compare(path: Path, profile: Profile) -> bool:
    """Compare a profile with its lock, and leave the lock as it is: whether the lock is of this profile.

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
                f"The profile {path.name} selects something else than at revision {last['revision']}, under which "
                f"entries may exist: write revision = {last['revision'] + 1}, so that these count as old."
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
    raise ProfileError([f"The lock {lock.name} cannot be read: take it back from your version control."])
