"""The same study in two data stores, image sets that are not primary, and what else of an answer is not certain."""

from __future__ import annotations

from typing import Any

from imaging_index.dicom import dictionary
from imaging_index.qido.private import PRIVATE
from imaging_index.searching.question import Level
from tests.qido.stored import OTHER, ROOT, STORE, Stored, answers, image_set, read, wanted

TAGS = {each.name: each.tag for each in PRIVATE}


def ids(*numbers: int) -> list[str]:
    return [f"{number:032}" for number in numbers]


def of(found: Any, name: str) -> Any:
    """The values of an element of the private block or with a keyword; None without the element."""
    known = dictionary.lookup(name)
    tag = known.tag if known else TAGS[name]
    return found[tag].get("Value", []) if tag in found else None


def address(found: Any) -> str | None:
    values = of(found, "RetrieveURL")
    return str(values[0]).removeprefix(f"{ROOT}/datastore/{STORE}/studies/") if values else None


def test_the_same_study_in_two_data_stores_is_two_answers_with_their_own_counts_and_addresses() -> None:
    stored = Stored(image_set(1, {}, {}), image_set(2, datastore=OTHER))
    found = {of(each, "DatastoreId")[0]: each for each in answers(stored, wanted(), "StudyInstanceUID=1.2")}
    assert {*found} == {STORE, OTHER}
    assert of(found[STORE], "NumberOfStudyRelatedInstances") == [2]
    assert of(found[OTHER], "NumberOfStudyRelatedInstances") == [1]
    assert of(found[OTHER], "RetrieveURL") == [f"{ROOT}/datastore/{OTHER}/studies/1.2"]


def test_a_copy_that_is_not_primary_is_mentioned_and_not_counted() -> None:
    stored = Stored(image_set(1, {}, {}), image_set(2, {}, {}, {}, primary=False))
    for level, count in (
        (Level.STUDY, "NumberOfStudyRelatedInstances"),
        (Level.SERIES, "NumberOfSeriesRelatedInstances"),
    ):
        (found,) = answers(stored, wanted(level))
        assert (of(found, "ImageSetId"), of(found, "IsPrimary")) == (ids(1), ["YES"])
        assert (of(found, "NonPrimaryImageSets"), of(found, "OnlyNonPrimary")) == ([1], None)
        assert of(found, count) == [2]
        assert "imageSetId" not in (address(found) or "?imageSetId")
    (found,) = answers(stored, wanted(Level.SERIES, relational=True))
    assert of(found, "NumberOfStudyRelatedInstances") == [2]


def test_with_all_copies_what_is_counted_is_still_what_the_address_serves_each_instance_once() -> None:
    stored = Stored(image_set(1, {}, {}), image_set(2, {}, {}, {}, primary=False))
    (study,) = answers(stored, wanted(all_copies=True))
    assert sorted(zip(of(study, "ImageSetId"), of(study, "IsPrimary"), strict=True)) == [
        *zip(ids(1, 2), ["YES", "NO"], strict=True)
    ]
    assert (of(study, "NumberOfStudyRelatedSeries"), of(study, "NumberOfStudyRelatedInstances")) == ([1], [2])
    (series,) = answers(stored, wanted(Level.SERIES, all_copies=True))
    assert (of(series, "NumberOfSeriesRelatedInstances"), address(series)) == ([2], "1.2/series/1.2.1")
    instances = answers(stored, wanted(Level.IMAGE_SET, all_copies=True))
    assert sorted(address(each) or "" for each in instances) == sorted(
        [
            *(f"1.2/series/1.2.1/instances/1.2.1.{number}" for number in (1, 2)),
            *(f"1.2/series/1.2.1/instances/1.2.1.{number}?imageSetId={2:032}" for number in (1, 2, 3)),
        ]
    )


def test_a_copy_alone_that_matches_is_what_the_address_of_its_series_names() -> None:
    stored = Stored(image_set(1, {}, {}), image_set(2, {}, {}, {}, primary=False, series={"Modality": "MR"}))
    (series,) = answers(stored, wanted(Level.SERIES, all_copies=True), "Modality=MR")
    assert (of(series, "NumberOfSeriesRelatedInstances"), address(series)) == (
        [3],
        f"1.2/series/1.2.1?imageSetId={2:032}",
    )
    # By its study's address primary image sets are served.
    (study,) = answers(stored, wanted(all_copies=True), "Modality=MR")
    assert (of(study, "IsPrimary"), of(study, "NumberOfStudyRelatedInstances"), address(study)) == (["NO"], [2], "1.2")


def test_a_study_of_one_image_set_that_is_not_primary_is_marked_and_its_address_names_it() -> None:
    stored = Stored(image_set(7, {}, {}, primary=False))
    for all_copies in (False, True):
        (study,) = answers(stored, wanted(all_copies=all_copies))
        assert (of(study, "OnlyNonPrimary"), of(study, "IsPrimary")) == (["YES"], ["NO"])
        assert (of(study, "NumberOfStudyRelatedInstances"), address(study)) == ([2], f"1.2?imageSetId={7:032}")
        (series,) = answers(stored, wanted(Level.SERIES, all_copies=all_copies))
        assert (of(series, "OnlyNonPrimary"), address(series)) == (["YES"], f"1.2/series/1.2.1?imageSetId={7:032}")


def test_no_address_serves_a_study_of_several_image_sets_that_are_not_primary() -> None:
    series = {"SeriesInstanceUID": "1.2.2"}
    stored = Stored(image_set(1, {}, {}, primary=False), image_set(2, primary=False, series=series))
    (study,) = answers(stored, wanted())
    assert address(study) is None
    assert (of(study, "NumberOfStudyRelatedSeries"), of(study, "NumberOfStudyRelatedInstances")) == ([2], [3])


def test_instances_that_may_be_in_several_image_sets_are_not_counted() -> None:
    stored = Stored(image_set(1, {}, {}, primary=False), image_set(2, {}, primary=False))
    (study,) = answers(stored, wanted())
    assert (of(study, "NumberOfStudyRelatedSeries"), of(study, "NumberOfStudyRelatedInstances")) == ([1], None)
    (series,) = answers(stored, wanted(Level.SERIES))
    served = {f"1.2/series/1.2.1?imageSetId={1:032}": [2], f"1.2/series/1.2.1?imageSetId={2:032}": [1]}
    assert of(series, "NumberOfSeriesRelatedInstances") == served[address(series) or ""]


def test_an_image_set_of_which_it_is_not_known_is_served_like_primary_ones() -> None:
    (study,) = answers(Stored(image_set(primary=None)), wanted())
    assert (of(study, "IsPrimary"), address(study)) == (["UNKNOWN"], "1.2")


def test_conflicting_values_of_the_patient_are_named() -> None:
    stored = Stored(image_set(1), image_set(2, patient={"PatientSex": "M"}, series={"SeriesInstanceUID": "1.2.2"}))
    (study,) = answers(stored, wanted())
    assert of(study, "ConflictingAttributes") == ["PatientSex"]
    assert all(of(each, "ConflictingAttributes") is None for each in answers(stored, wanted(Level.SERIES)))


def test_what_matches_only_possibly_is_named() -> None:
    many = [{"SliceThickness": str(number)} for number in range(1, 41)]
    stored = Stored(image_set(1, *many))
    (study,) = answers(stored, wanted(), "SliceThickness=20.5", "Modality=CT")
    assert of(study, "PossibleMatch") == ["SliceThickness"]
    (study,) = answers(stored, wanted(), "SliceThickness=1")
    assert of(study, "PossibleMatch") is None
    instances = answers(stored, wanted(Level.IMAGE_SET), "SliceThickness=20.5")
    assert {of(each, "PossibleMatch")[0] for each in instances} == {"SliceThickness"}


def test_values_that_are_not_whole_are_named_if_the_answer_has_their_attribute() -> None:
    stored = Stored(
        image_set(study={"StudyDate": "2024/31/01", "StudyDescription": "x" * 2_000}, series={"SeriesNumber": "three"})
    )
    (study,) = answers(stored, wanted())
    assert of(study, "IncompleteAttributes") == ["StudyDate", "StudyDescription"]
    assert (of(study, "StudyDate"), len(of(study, "StudyDescription")[0])) == ([], 1024)
    (series,) = answers(stored, wanted(Level.SERIES))
    assert of(series, "IncompleteAttributes") == ["SeriesNumber"]


def test_the_private_block_is_read_as_what_its_table_says() -> None:
    stored = Stored(
        image_set(1, *({"SliceThickness": str(number)} for number in range(1, 41)), patient={"PatientBirthDate": "?"}),
        image_set(2, primary=False, patient={"PatientSex": "M"}),
    )
    seen: dict[str, str] = {}
    for what in (wanted(), wanted(Level.SERIES), wanted(Level.SERIES, all_copies=True), wanted(Level.IMAGE_SET)):
        for found in answers(stored, what, "SliceThickness=20.5..20.6"):
            assert read(found)
            seen |= {tag: each["vr"] for tag, each in found.items() if tag > "00990010" and tag < "009A"}
    (alone,) = answers(Stored(image_set(primary=False)), wanted())
    seen |= {tag: each["vr"] for tag, each in alone.items() if tag > "00990010" and tag < "009A"}
    assert seen == {each.tag: each.vr for each in PRIVATE}
