"""A study with all series, image sets and instances below it, in one object."""

from __future__ import annotations

from typing import Any, cast

from imaging_index.qido.answers import tree
from imaging_index.searching.question import Level
from proof.harness.image_sets import PROFILE
from tests.qido.stored import ROOT, STORE, Stored, answers, image_set, plain, read, rows, wanted

PATH = f"{ROOT}/datastore/{STORE}/studies/1.2/series"
SECOND = {"SeriesInstanceUID": "1.2.2", "SeriesNumber": "1", "Modality": "SR"}


def tree_of(stored: Stored, *conditions: str, **more: Any) -> Any:
    what = wanted(**more)
    (row,) = rows(stored, what, "StudyInstanceUID=1.2", *conditions)
    return plain(tree(row, what, PROFILE, cast("Any", stored)))


def test_a_tree_has_the_study_its_series_their_image_sets_and_instances() -> None:
    stored = Stored(image_set(1, {}, {"InstanceNumber": "2"}, version=4), image_set(2, series=SECOND))
    found = tree_of(stored)
    assert [found["study"]] == answers(stored, wanted(), "StudyInstanceUID=1.2")
    first, second = found["series"]
    assert (read(first["series"]).Modality, read(second["series"]).Modality) == ("SR", "CT")
    assert read(second["series"]).NumberOfSeriesRelatedInstances == 2
    (only,) = second["imageSets"]
    instances = only.pop("instances")
    assert only == {
        "datastoreId": STORE,
        "imageSetId": f"{1:032}",
        "version": 4,
        "isPrimary": True,
        "instanceCount": 2,
        "frameCount": 0,
        "firstIndexedAt": "2026-01-01T00:00:00.000000Z",
        "indexedAt": "2026-01-01T00:00:00.000000Z",
        "retrieveURL": f"{PATH}/1.2.1",
    }
    assert [read(each).InstanceNumber for each in instances] == [1, 2]
    assert instances[0]["00080018"]["Value"] == ["1.2.1.1"]


def test_its_series_are_as_in_an_answer_of_series() -> None:
    stored = Stored(image_set(1), image_set(2, series=SECOND))
    listed = {each["0020000E"]["Value"][0]: each for each in answers(stored, wanted(Level.SERIES))}
    for each in tree_of(stored)["series"]:
        # What was left out, nobody counted again.
        assert each["series"] == {
            tag: value for tag, value in listed[each["series"]["0020000E"]["Value"][0]].items() if tag != "00991007"
        }


def test_copies_that_are_not_primary_are_below_their_series_behind_the_primary_one_if_they_are_asked_for() -> None:
    stored = Stored(image_set(1, {}, {}), image_set(0, primary=False), image_set(2, series=SECOND))
    assert [len(each["imageSets"]) for each in tree_of(stored)["series"]] == [1, 1]
    _, series = tree_of(stored, all_copies=True)["series"]
    assert [(each["imageSetId"], each["isPrimary"]) for each in series["imageSets"]] == [
        (f"{1:032}", True),
        (f"{0:032}", False),
    ]
    assert series["imageSets"][1]["retrieveURL"] == f"{PATH}/1.2.1?imageSetId={0:032}"
    assert read(series["series"]).NumberOfSeriesRelatedInstances == 2


def test_a_study_without_primary_image_sets_has_the_others() -> None:
    found = tree_of(Stored(image_set(1, primary=False), image_set(2, primary=False)))
    (series,) = found["series"]
    assert [each["isPrimary"] for each in series["imageSets"]] == [False, False]
    assert found["study"]["00991006"]["Value"] == ["YES"]


def test_an_image_set_that_was_deleted_meanwhile_is_not_in_it() -> None:
    stored, what = Stored(image_set(1), image_set(2, series=SECOND)), wanted()
    (row,) = rows(stored, what)
    found = plain(tree(row, what, PROFILE, cast("Any", Stored(image_set(1)))))
    assert [each["imageSets"][0]["imageSetId"] for each in found["series"]] == [f"{1:032}"]


def test_it_has_the_series_that_do_not_match_too() -> None:
    stored = Stored(image_set(1), image_set(2, series=SECOND))
    assert len(tree_of(stored, "Modality=CT")["series"]) == 2
