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
    lock = path.with_suffix(".lock")
    now = {"revision": profile.revision, "hash": profile.hash}
    if lock.is_file():
        last = _read(lock)
        if now == last:
            return
        if profile.revision <= last["revision"]:
            raise ProfileError(
                [
                    f"The profile {path.name} selects something else than at revision {last['revision']}, under which "
                    f"entries may exist: write revision = {last['revision'] + 1}, so that these count as old."
                ]
            )
    lock.write_text(json.dumps(now) + "\n", "utf-8")


def _read(lock: Path) -> dict[str, Any]:
    try:
        last = json.loads(lock.read_text("utf-8"))
        if isinstance(last["revision"], int) and isinstance(last["hash"], str):
            return dict(last)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ProfileError([f"The lock {lock.name} cannot be read: take it back from your version control."])
