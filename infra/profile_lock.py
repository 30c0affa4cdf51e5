"""The lock beside a profile: which revision was last synthesized, and what it selected.

Entries say by which revision they were made. A profile that is changed without raising it would leave old entries
behind that nothing can find any more, so such a profile is refused.
"""

import json
from pathlib import Path

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
        last = json.loads(lock.read_text("utf-8"))
        if now == last:
            return
        if profile.revision <= last["revision"]:
            raise ProfileError(
                [
                    f"The profile {path.name} was changed, and entries of its revision {last['revision']} may exist: "
                    f"write revision = {last['revision'] + 1}, so that they are made anew."
                ]
            )
    lock.write_text(json.dumps(now) + "\n", "utf-8")
