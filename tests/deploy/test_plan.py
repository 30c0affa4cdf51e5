"""The plan of an upgrade, for profiles as operators change them."""

import itertools
import json
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.plan import Update, plan
from imaging_index.profile import toml_file
from imaging_index.profile.index_names import declared
from imaging_index.profile.profile import Profile
from imaging_index.profile.schema import OWN_NAMES, TABLE_KEYS
from infra import indexes
from infra.indexes import Indexes


def made(text: str, holds: Mapping[str, str] | None = None, /, **partitions: str) -> Profile:
    """A profile with an index for each of `partitions`, of one partition attribute; `holds` says what some hold."""
    tables = [
        f'[indexes.{name}]\npartition = ["{key}"]\nsort = ["ImageSetId"]\nholds = {(holds or {}).get(name, ALL)}\n'
        for name, key in partitions.items()
    ]
    return toml_file.parse("revision = 1\n" + text + "\n" + "".join(tables))


def named(vr: str) -> str:
    """A selection in which Number is of a VR."""
    return f'attributes = ["PatientID", "Modality", "StudyID"]\n[named.Number]\nvr = "{vr}"\nfrom = ["SeriesNumber"]\n'


ALL, KEYS = '"all"', '"keys"'
PLAIN = 'attributes = ["PatientID", "Modality", "StudyID", "AccessionNumber"]'


def planned(old: Profile, new: Profile) -> list[Update]:
    deployed = indexes.of_profile(old)
    updates = plan(deployed, old, indexes.of_profile(new), new)
    check(deployed, updates, indexes.of_profile(new), old, new)
    return updates


def check(deployed: Indexes, updates: list[Update], wanted: Indexes, old: Profile, new: Profile) -> None:
    """What holds of every plan."""
    assert updates
    assert updates[-1].indexes == wanted
    assert not updates[-1].old_profile
    for before, after in itertools.pairwise([deployed, *(update.indexes for update in updates)]):
        assert len(before.items() ^ after.items()) <= 1, "one update makes or drops one index"
        assert len(after) <= 20
        assert sum(len(index.holds or ()) for index in after.values()) <= 100
    for update in updates:
        writer = old if update.old_profile else new
        for name, kind in (pair for index in update.indexes.values() for pair in index.types.items()):
            attribute = writer.find(name)
            assert attribute is None or writer.key_type(name) == kind, "what the function writes would be refused"


def changes(updates: list[Update]) -> list[str]:
    return [update.change for update in updates]


def test_an_upgrade_without_a_change_of_indexes_is_one_update() -> None:
    assert changes(planned(made(PLAIN, patient="PatientID"), made(PLAIN, patient="PatientID"))) == [""]


def test_indexes_are_made_before_others_are_dropped() -> None:
    old, new = made(PLAIN, patient="PatientID"), made(PLAIN, modality="Modality", study="StudyID")
    assert changes(planned(old, new)) == [
        "makes the index modality",
        "makes the index study",
        "drops the index patient",
    ]


def test_an_index_that_is_another_under_its_name_is_dropped_and_made() -> None:
    assert changes(planned(made(PLAIN, one="PatientID"), made(PLAIN, one="StudyID"))) == [
        "drops the index one",
        "makes the index one",
    ]


def test_where_there_is_no_room_one_is_dropped_first() -> None:
    old = made(PLAIN, **{f"index{n:02}": "PatientID" for n in range(20)})
    new = made(PLAIN, **{f"index{n:02}": "PatientID" for n in range(1, 21)})
    assert changes(planned(old, new)) == ["drops the index index00", "makes the index index20"]


def test_an_index_of_an_attribute_that_changes_its_type_goes_before_the_function_writes_the_new_one() -> None:
    old = made(named("LO"), number="Number", patient="PatientID")
    new = made(named("IS"), number="Number", patient="PatientID")
    updates = planned(old, new)
    assert [(update.change, update.old_profile) for update in updates] == [
        ("drops the index number", True),
        ("", False),
        ("makes the index number", False),
    ]


def test_the_new_function_comes_with_a_change_that_has_nothing_to_do_with_the_new_type() -> None:
    old = made(named("LO"), number="Number", patient="PatientID")
    new = made(named("IS"), number="Number", modality="Modality", study="StudyID")
    updates = planned(old, new)
    assert [(update.change, update.old_profile) for update in updates] == [
        ("drops the index number", True),
        ("makes the index modality", False),
        ("makes the index number", False),
        ("makes the index study", False),
        ("drops the index patient", False),
    ]


def test_a_new_index_of_an_attribute_that_changes_its_type_waits_for_the_function() -> None:
    assert changes(planned(made(named("LO")), made(named("IS"), number="Number"))) == ["", "makes the index number"]


def test_an_attribute_that_becomes_a_list_is_in_no_index_any_more() -> None:
    old = made(named("IS"), number="Number")
    new = toml_file.parse("revision = 2\n" + named("IS") + "union = true\n")
    assert [(update.change, update.old_profile) for update in planned(old, new)] == [
        ("drops the index number", True),
        ("", False),
    ]


def test_an_attribute_that_is_hashed_from_now_on_changes_its_type_when_it_was_a_number() -> None:
    new = toml_file.parse("revision = 2\n" + named("IS") + '[privacy]\nNumber = "hash"\nSeriesNumber = "hash"\n')
    assert planned(made(named("IS"), number="Number"), new)[0].old_profile


def test_an_upgrade_that_was_interrupted_goes_on_from_where_it_stands() -> None:
    old = made(named("LO"), number="Number", patient="PatientID")
    new = made(named("IS"), number="Number", modality="Modality")
    updates = planned(old, new)
    for done, update in enumerate(updates, start=1):
        rest = plan(update.indexes, old if update.old_profile else new, indexes.of_profile(new), new)
        if done < len(updates):
            assert changes(rest) == changes(updates[done:])


def lists(attribute: str, names: Iterable[str]) -> dict[str, str]:
    """For some indexes the same list of twenty attributes, `attribute` among them."""
    own = sorted(OWN_NAMES - {*TABLE_KEYS, "ImageSetId", "FrameBytes"})
    return dict.fromkeys(names, json.dumps([*own[:19], attribute]))


def test_an_index_that_holds_something_else_is_made_beside_the_old_one_which_is_dropped_at_once() -> None:
    partitions = {"one": "PatientID", "two": "StudyID", "three": "Modality"}
    new = made(PLAIN, {"one": KEYS, "two": '["Modality"]'}, **partitions)
    one, two, _ = indexes.of_profile(new)
    assert changes(planned(made(PLAIN, **partitions), new)) == [
        f"makes the index {one}",
        "drops the index one",
        f"makes the index {two}",
        "drops the index two",
    ]
    assert one.startswith("one.")
    assert changes(planned(new, made(PLAIN, **partitions))) == [
        "makes the index one",
        f"drops the index {one}",
        "makes the index two",
        f"drops the index {two}",
    ]


def test_new_keys_give_an_index_that_holds_a_list_another_name_so_that_the_old_one_can_stay() -> None:
    old, new = (made(PLAIN, {"one": KEYS}, one=key) for key in ("PatientID", "StudyID"))
    ((before,), (after,)) = indexes.of_profile(old), indexes.of_profile(new)
    assert changes(planned(old, new)) == [f"makes the index {after}", f"drops the index {before}"]


def test_the_same_list_in_another_order_changes_nothing() -> None:
    lists = ('["Modality", "StudyID"]', '["StudyID", "Modality"]')
    old, new = (made(PLAIN, {"one": held}, one="PatientID") for held in lists)
    assert changes(planned(old, new)) == [""]


def absent(updates: list[Update], names: Iterable[str]) -> list[set[str]]:
    """After each update, which of the declared indexes cannot be searched."""
    return [{*names} - {declared(name) for name in update.indexes} for update in updates]


@pytest.mark.parametrize("step", [1, -1])
def test_where_lists_leave_no_room_an_index_is_away_only_until_the_one_in_its_place_is_made(step: int) -> None:
    listed = ["one", "two", "three", "four", "five"]
    partitions = dict.fromkeys((*listed, "unlisted"), "Modality")
    old = made(PLAIN, lists("FrameBytes", listed), **partitions)
    new = made(PLAIN, lists("AccessionNumber", listed), **dict([*partitions.items()][::step]))
    away = absent(planned(old, new), partitions)
    assert [len(names) for names in away] == [1, 0] * 5
    assert set().union(*away) == {*listed}


def test_to_make_room_for_lists_an_index_without_one_is_not_dropped() -> None:
    listed = ["one", "two", "three", "four", "five"]
    partitions = dict.fromkeys(("whole", *listed), "Modality")
    old = made(PLAIN, lists("FrameBytes", listed), **partitions)
    shorter = dict.fromkeys(("whole", "five"), json.dumps(sorted(OWN_NAMES - {*TABLE_KEYS, "ImageSetId"})[:10]))
    new = made(PLAIN, lists("AccessionNumber", listed) | shorter, **partitions)
    away = absent(planned(old, new), partitions)
    assert max(map(len, away)) == 1
    assert {"whole"} not in away


ATTRIBUTES = st.sampled_from(["PatientID", "Modality", "StudyID", "Number"])
HELD = st.sampled_from([ALL, KEYS, '["PatientID"]', *lists("FrameBytes", ["one"]).values()])
NAMES = st.sampled_from(["one", "two", "three", "four", "five", "six"])
INDEXES = st.dictionaries(NAMES, st.tuples(ATTRIBUTES, HELD)).filter(
    lambda indexes: sum(held.startswith("[") for _, held in indexes.values()) <= 5
)
VRS = st.sampled_from(["LO", "IS"])


@given(VRS, INDEXES, VRS, INDEXES)
def test_whatever_the_profiles_no_entry_is_refused_under_way(
    old_vr: str, old: dict[str, tuple[str, str]], new_vr: str, new: dict[str, tuple[str, str]]
) -> None:
    before, after = (
        made(
            named(vr),
            {name: held for name, (_, held) in declared_.items()},
            **{name: key for name, (key, _) in declared_.items()},
        )
        for vr, declared_ in ((old_vr, old), (new_vr, new))
    )
    planned(before, after)


@pytest.mark.parametrize("count", [0, 20])
def test_any_number_of_indexes_comes_and_goes(count: int) -> None:
    many = made(PLAIN, **{f"index{n:02}": "PatientID" for n in range(20)})
    few = made(PLAIN, **{f"other{n:02}": "StudyID" for n in range(count)})
    assert len(planned(many, few)) == 20 + count
