"""A profile that is changed without raising its revision is refused."""

import json
from pathlib import Path

import pytest

from imaging_index.profile import toml_file
from imaging_index.profile.profile import ProfileError
from infra import profile_lock
from infra.config import ROOT


def lock(folder: Path, revision: int, attribute: str) -> dict[str, object]:
    """Check a profile against its lock, and return what the lock says then."""
    path = folder / "mine.toml"
    path.write_text(f'revision = {revision}\nattributes = ["{attribute}"]\n')
    profile_lock.check(path, toml_file.load(path))
    return dict(json.loads((folder / "mine.lock").read_text()))


def test_a_new_profile_gets_a_lock_which_a_raised_revision_writes_anew(tmp_path: Path) -> None:
    first = lock(tmp_path, 1, "PatientID")
    assert first["revision"] == 1
    assert lock(tmp_path, 1, "PatientID") == first
    second = lock(tmp_path, 2, "Modality")
    assert second["revision"] == 2
    assert second["hash"] != first["hash"]


@pytest.mark.parametrize(("revision", "attribute"), [(3, "Modality"), (2, "PatientID")])
def test_a_change_without_a_raised_revision_is_refused_and_leaves_the_lock(
    tmp_path: Path, revision: int, attribute: str
) -> None:
    before = lock(tmp_path, 3, "PatientID")
    with pytest.raises(ProfileError, match="revision = 4"):
        lock(tmp_path, revision, attribute)
    assert json.loads((tmp_path / "mine.lock").read_text()) == before


def test_a_profile_may_be_laid_out_anew_without_another_revision(tmp_path: Path) -> None:
    lock(tmp_path, 1, "PatientID")
    path = tmp_path / "mine.toml"
    path.write_text('# why\nattributes = [\n  "PatientID",\n]\nrevision = 1\n')
    profile_lock.check(path, toml_file.load(path))


@pytest.mark.parametrize("name", ["radiology", "minimal", "research", "research-pseudonymous"])
def test_the_locks_of_the_shipped_profiles_are_up_to_date(name: str) -> None:
    shipped = toml_file.load(ROOT / "profiles" / f"{name}.toml")
    locked = json.loads((ROOT / "profiles" / f"{name}.lock").read_text())
    assert locked == {"revision": shipped.revision, "hash": shipped.hash}
