"""A record of the table's stream -> the event of an image set, in the shapes of docs/events.schema.json."""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from imaging_index.publishing import change, event
from imaging_index.publishing.change import Change, Unusable

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "events.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)
STORE, IMAGE_SET = "d" * 32, "1" * 32
NAMES = ("Modality", "BodyPartExamined", "SOPClassUID", "Rows", "SliceThickness")
FIRST, SECOND = "0000000001.000001.0003.0000", "0000000002.000001.0003.0000"


def entry(generation: str = FIRST, /, **more: Any) -> dict[str, Any]:
    """An entry as the stream has it."""
    return {
        "ImageSet": {"S": f"{STORE}/{IMAGE_SET}"},
        "Part": {"S": "entry"},
        "DatastoreId": {"S": STORE},
        "ImageSetId": {"S": IMAGE_SET},
        "ImageSetVersion": {"N": str(int(generation[:10]))},
        "Generation": {"S": generation},
        "Attempt": {"S": f"attempt{int(generation[:10])}"},
        "Cause": {"S": "event"},
        "IsPrimary": {"BOOL": True},
        "InstanceCount": {"N": "60"},
        "FrameCount": {"N": "60"},
        "IndexedAt": {"S": "2026-01-01T00:00:00.000000Z"},
        "Modality": {"S": "CT"},
        "SOPClassUID": {"L": [{"S": "1.2.840.10008.5.1.4.1.1.2"}]},
        "SliceThickness": {"M": {"Min": {"N": "0.5"}, "Max": {"N": "1.250"}}},
        "PatientName": {"S": "Doe^Jane"},
    } | more


TOMBSTONE = {
    "ImageSet": {"S": f"{STORE}/{IMAGE_SET}"},
    "Part": {"S": "entry"},
    "Generation": {"S": "~"},
    "IndexedAt": {"S": "2026-01-01T00:00:00.000000Z"},
}


def record(name: str, old: Any = None, new: Any = None, part: str = "entry") -> dict[str, Any]:
    data = {
        "Keys": {"ImageSet": {"S": f"{STORE}/{IMAGE_SET}"}, "Part": {"S": part}},
        "SequenceNumber": "100000000001",
        "ApproximateCreationDateTime": 1_767_225_600.0,
    }
    images = {"OldImage": old, "NewImage": new}
    return {
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "dynamodb": data | {key: image for key, image in images.items() if image is not None},
    }


def announced(name: str, old: Any = None, new: Any = None, names: tuple[str, ...] = NAMES) -> Any:
    """The detail of a record's event, with its kind, after a look at the schema; None for none."""
    found = change.read(record(name, old, new))
    made = event.of_change(found, names) if found else None
    if made is None:
        return None
    detail = json.loads(made.detail)
    assert detail["key"] == made.key
    VALIDATOR.validate({"source": "imaging-index", "detail-type": made.kind, "detail": detail})
    return detail | {"kind": made.kind}


def test_a_new_entry_is_an_image_set_indexed_with_the_profiles_attributes_as_plain_json() -> None:
    assert announced("INSERT", new=entry()) == {
        "kind": "Image Set Indexed",
        "datastoreId": STORE,
        "imageSetId": IMAGE_SET,
        "imageSetVersion": 1,
        "isPrimary": True,
        "instanceCount": 60,
        "frameCount": 60,
        "generation": FIRST,
        "cause": "event",
        "key": f"{STORE}/{IMAGE_SET}/{FIRST}/attempt1",
        "attributes": {
            "Modality": "CT",
            "SOPClassUID": ["1.2.840.10008.5.1.4.1.1.2"],
            "SliceThickness": {"Min": 0.5, "Max": 1.25},
        },
        "absent": ["BodyPartExamined", "Rows"],
    }


def test_an_entry_of_another_generation_says_which_attributes_changed_and_never_their_values() -> None:
    new = entry(SECOND, PatientName={"S": "Roe^Jane"}, InstanceCount={"N": "90"}, BodyPartExamined={"S": "CHEST"})
    detail = announced("MODIFY", entry(), new)
    assert (detail["kind"], detail["previousVersion"], detail["imageSetVersion"]) == ("Image Set Reindexed", 1, 2)
    assert detail["changed"] == ["BodyPartExamined", "InstanceCount", "PatientName"]
    assert detail["key"].endswith("/attempt2")
    assert "Jane" not in json.dumps(detail)


def test_a_number_that_is_only_written_otherwise_has_not_changed() -> None:
    new = entry(SECOND, SliceThickness={"M": {"Max": {"N": "1.25"}, "Min": {"N": "0.50"}}})
    assert announced("MODIFY", entry(), new)["changed"] == []


def test_a_corrected_is_primary_is_distinguished_by_its_number_in_the_stream() -> None:
    new = entry(IsPrimary={"BOOL": False}, NonPrimary={"S": "1"})
    detail = announced("MODIFY", entry(), new)
    assert (detail["kind"], detail["changed"], detail["isPrimary"]) == ("Image Set Reindexed", ["IsPrimary"], False)
    assert detail["key"] == f"{STORE}/{IMAGE_SET}/{FIRST}/attempt1/100000000001"


def test_a_tombstone_and_a_deleted_item_are_an_image_set_removed() -> None:
    for name, new in (("MODIFY", TOMBSTONE), ("REMOVE", None)):
        detail = announced(name, entry(), new)
        assert (detail["kind"], detail["generation"], detail["imageSetVersion"]) == ("Image Set Removed", "~", 1)
        assert detail["attributes"]["Modality"] == "CT"
        assert detail["key"] == f"{STORE}/{IMAGE_SET}/~/attempt1"


def test_what_changes_no_entry_has_no_event() -> None:
    assert announced("INSERT", new=TOMBSTONE) is None
    assert announced("REMOVE", TOMBSTONE) is None
    assert announced("MODIFY", entry(), entry(IndexedAt={"S": "2026-01-02T00:00:00.000000Z"})) is None
    assert change.read(record("INSERT", new=entry(), part="page/1/a/0000")) is None
    assert change.read(record("MODIFY", entry(), entry(), part="stable")) is None


def test_an_entry_after_a_lifted_tombstone_is_indexed() -> None:
    assert announced("MODIFY", TOMBSTONE, entry())["kind"] == "Image Set Indexed"


def test_a_generation_of_any_form_is_handed_on() -> None:
    strange = entry(Generation={"S": "9.of another form"})
    assert announced("INSERT", new=strange)["generation"] == "9.of another form"


def test_an_entry_without_primary_counts_or_attributes_leaves_them_out() -> None:
    bare = {name: entry()[name] for name in ("ImageSetVersion", "Generation")}
    detail = announced("INSERT", new=bare)
    assert detail.keys().isdisjoint({"isPrimary", "instanceCount", "frameCount"})
    assert (detail["attributes"], detail["absent"]) == ({}, [*NAMES])


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in entry().items() if name not in names}


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"eventName": "INSERT"},
        {"eventName": "INSERT", "dynamodb": None},
        record("INSERT"),
        record("MODIFY", new=entry()),
        record("MODIFY", old=entry()),
        record("REMOVE"),
        record("INSERT", new=without("Generation")),
        record("INSERT", new=without("ImageSetVersion")),
        record("INSERT", new=entry(ImageSetVersion={"N": "1.5"})),
        record("INSERT", new=entry(ImageSetVersion={"S": "Doe^Jane"})),
        record("INSERT", new=["Doe^Jane"]),
        record("INSERT", new=entry()) | {"dynamodb": {"Keys": {}}},
    ],
)
def test_a_record_without_a_usable_image_is_refused_without_quoting_it(broken: dict[str, Any]) -> None:
    with pytest.raises(Unusable) as refused:
        change.read(broken)
    assert str(refused.value) == "the record of the stream has no usable image of its entry"
    assert refused.value.__suppress_context__


def of(new: dict[str, Any], names: tuple[str, ...], old: Any = None) -> event.Event:
    found = change.read(record("MODIFY" if old else "INSERT", old, new))
    assert isinstance(found, Change)
    made = event.of_change(found, names)
    assert made
    return made


def test_an_event_never_exceeds_its_size_and_names_what_it_has_no_room_for() -> None:
    names = tuple(f"Attribute{number}" for number in range(40))
    large = entry(FIRST, **{name: {"L": [{"S": "ä" * 40}] * 100} for name in names})
    made = of(large, names)
    detail = json.loads(made.detail)
    assert len(made.detail.encode()) < event.LARGEST_DETAIL < 256_000
    assert [*detail["attributes"], *detail["omitted"]] == [*names]
    assert 0 < len(detail["attributes"]) < len(names)
    assert detail["absent"] == []
    VALIDATOR.validate({"source": "imaging-index", "detail-type": made.kind, "detail": detail})


def test_a_long_list_of_changed_names_is_cut_and_says_so() -> None:
    names = {f"{'Sequence.' * 20}Attribute{number:04d}": {"S": "x"} for number in range(1_000)}
    made = of(entry(SECOND, **names), NAMES, old=entry())
    detail = json.loads(made.detail)
    assert len(made.detail.encode()) < event.LARGEST_DETAIL
    assert len(detail["changed"]) + detail["changedOmitted"] == 1_000
    VALIDATOR.validate({"source": "imaging-index", "detail-type": made.kind, "detail": detail})


def test_the_largest_entry_makes_an_event_within_its_size() -> None:
    # The longest list that a profile may have, each of it changed, with a value that JSON doubles, or absent.
    names = tuple(f"{'N' * 243}{number:04d}" for number in range(80))
    changed = tuple(f"{'C' * 243}{number:04d}" for number in range(400))
    new = entry(SECOND, **{name: {"S": '"' * 1_000} for name in (*names[:70], *changed)})
    made = of(new, names, old=entry())
    assert {"omitted", "changedOmitted", "absent"} <= json.loads(made.detail).keys()
    assert len(made.detail.encode()) < event.LARGEST_DETAIL


def test_a_schema_that_allowed_anything_would_not_help() -> None:
    made = of(entry(), NAMES)
    detail = json.loads(made.detail) | {"PatientName": "Doe^Jane"}
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({"source": "imaging-index", "detail-type": made.kind, "detail": detail})
