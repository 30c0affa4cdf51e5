"""Values of several components, and the items of a sequence, stay together when they are summed up over instances."""

import hashlib
import hmac
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.document import cursor
from proof.harness.built import SECRET, build

CODE = "ConceptNameCodeSequence"
SIBLINGS = f'attributes = ["{CODE}.CodeValue", "{CODE}.CodingSchemeDesignator", "{CODE}.ContextGroupVersion"]'
REGION = 'attributes = ["AnatomicRegionSequence.CodeValue", "AnatomicRegionSequence.CodeMeaning"]'

NUMBERS = st.decimals(-(10**6), 10**6, places=3)
COMPONENTS = st.lists(st.just("") | NUMBERS, max_size=3)
WORDS = st.lists(st.sampled_from(["", "A", "B", "PRIMARY"]), max_size=3)


@given(st.lists(COMPONENTS, min_size=1, max_size=6), st.booleans())
def test_whole_numbers_are_those_of_the_document(values: list[list[Any]], listed: bool) -> None:
    said = [[*map(str, value)] for value in values]
    instances = [{"PixelSpacing": value if listed else "\\".join(value)} for value in said]
    found = build('attributes = ["PixelSpacing"]', *instances)
    present = [value for value in values if any(part != "" for part in value)]
    if not present:
        assert "PixelSpacing" not in found
        return
    summary = found["PixelSpacing"]
    different = {tuple(value) for value in present}
    assert summary.get("Missing", 0) == len(values) - len(present)
    if len(different) > 1:
        assert {tuple(value) for value in summary["Values"]} == different
        assert len(summary["Values"]) == len(different)
    for place in range(max(map(len, present))):
        column = [value[place] for value in present if len(value) > place and value[place] != ""]
        assert summary["Min"][place] == min(column, default="")
        assert summary["Max"][place] == max(column, default="")


@given(st.lists(WORDS, min_size=1, max_size=6), st.booleans())
def test_whole_texts_are_those_of_the_document(values: list[list[str]], listed: bool) -> None:
    instances = [{"ImageType": value if listed else "\\".join(value)} for value in values]
    found = build('attributes = ["ImageType"]', *instances)
    present = ["\\".join(value) for value in values if any(value)]
    assert found.get("ImageType", []) == sorted({*present})
    some = present and len(present) < len(values)
    assert found.get("MissingIn") == ({"ImageType": len(values) - len(present)} if some else None)


ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "CodeValue": st.sampled_from(["", "1", "2", "11"]),
        "CodingSchemeDesignator": st.sampled_from(["SCT", "DCM", None]),
        "ContextGroupVersion": st.sampled_from(["2024", "2023+0100"]),
    },
)


@given(st.lists(st.lists(ITEMS, max_size=4), min_size=1, max_size=4))
def test_rows_of_siblings_are_items_of_the_document_and_all_of_them(sequences: list[list[dict[str, Any]]]) -> None:
    found = build(SIBLINGS, *({CODE: items} for items in sequences))
    names = ("CodeValue", "CodingSchemeDesignator", "ContextGroupVersion")
    rows = {tuple(item.get(name) or "" for name in names) for items in sequences for item in items}
    rows -= {("", "", "")}
    columns = [found.get(f"{CODE}.{name}", [""] * len(rows)) for name in names]
    assert [*zip(*columns, strict=True)] == sorted(rows)
    for name in names:
        present = sum(any(item.get(name) for item in items) for items in sequences)
        missing = len(sequences) - present if present else 0
        assert found.get("MissingIn", {}).get(f"{CODE}.{name}", 0) == missing


def test_siblings_come_from_the_first_place_where_one_of_them_has_a_value() -> None:
    def groups(*items: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"FrameAnatomySequence": [{"AnatomicRegionSequence": [item]}]} for item in items]

    frames = groups(
        {"CodeValue": "3"}, {"CodeMeaning": "Arm"}, {"CodeValue": "3"}, {"CodeValue": "4", "CodeMeaning": "Leg"}
    )
    shared = groups({"CodeMeaning": "Knee"})
    own = [{"CodeValue": "1"}, {}]
    instance = {"SharedFunctionalGroupsSequence": shared, "PerFrameFunctionalGroupsSequence": frames}

    def rows(instance: dict[str, Any]) -> list[tuple[str, str]]:
        found = build(REGION, instance)
        columns = [found.get(f"AnatomicRegionSequence.{name}") for name in ("CodeValue", "CodeMeaning")]
        filled = next(column for column in columns if column)
        return [*zip(*(column or [""] * len(filled) for column in columns), strict=True)]

    assert rows(instance | {"AnatomicRegionSequence": own}) == [("1", "")]
    assert rows(instance | {"AnatomicRegionSequence": [{}]}) == [("", "Knee")]
    assert rows({"PerFrameFunctionalGroupsSequence": frames}) == [("", "Arm"), ("3", ""), ("4", "Leg")]


def test_what_stands_in_the_items_of_frames_themselves_is_summed_up_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "PerFrameFunctionalGroupsSequence"
    text = f'attributes = ["{path}.InstanceNumber", "{path}.ImageComments"]'
    instance = {path: [{"InstanceNumber": 2, "ImageComments": "b"}, {"InstanceNumber": 1}]}
    found = build(text, instance)
    monkeypatch.setattr(cursor, "LARGE", 20)
    for said in (found, build(text, instance)):
        assert said[f"{path}.InstanceNumber"] == {"Min": 1, "Max": 2, "Values": [1, 2]}
        assert said[f"{path}.ImageComments"] == ["", "b"]


def test_a_sibling_alone_and_named_attributes_are_summed_up_by_themselves() -> None:
    sequence = {"SegmentSequence": [{"SegmentNumber": 2, "SegmentLabel": "A"}, {"SegmentNumber": 1}]}
    alone = 'attributes = ["SegmentSequence.SegmentNumber"]\n[named.Label]\nfrom = ["SegmentSequence.SegmentLabel"]'
    found = build(alone, sequence)
    assert found["SegmentSequence.SegmentNumber"] == {"Min": 1, "Max": 2, "Values": [1, 2]}
    assert found["Label"] == ["A"]
    both = 'attributes = ["SegmentSequence.SegmentNumber", "SegmentSequence.SegmentLabel"]'
    dropping = f'{both}\n[privacy]\n"SegmentSequence.SegmentLabel" = "drop"'
    assert build(dropping, sequence)["SegmentSequence.SegmentNumber"] == {"Min": 1, "Max": 2, "Values": [1, 2]}


def _token(value: str) -> str:
    return hmac.new(SECRET, value.encode(), hashlib.sha256).hexdigest()


def test_a_hashed_sibling_is_a_column_of_tokens() -> None:
    text = f'{REGION}\n[privacy]\n"AnatomicRegionSequence.CodeMeaning" = "hash"'
    items = [{"CodeValue": "1", "CodeMeaning": "Knee"}, {"CodeValue": "2"}, {"CodeMeaning": "Knee"}]
    found = build(text, {"AnatomicRegionSequence": items})
    rows = zip(found["AnatomicRegionSequence.CodeValue"], found["AnatomicRegionSequence.CodeMeaning"], strict=True)
    assert [*rows] == [("", _token("Knee")), ("1", _token("Knee")), ("2", "")]


def test_of_a_hashed_whole_value_each_component_has_its_token() -> None:
    text = 'attributes = ["ImageType", "PixelSpacing"]\n[privacy]\nImageType = "hash"\nPixelSpacing = "hash"'
    found = build(text, {"ImageType": ["A", "", "B"], "PixelSpacing": [1, "2.0"]})
    assert found["ImageType"] == [f"{_token('A')}\\\\{_token('B')}"]
    assert found["PixelSpacing"] == [f"{_token('1')}\\{_token('2')}"]


def test_names_in_whole_values_and_columns_are_folded_word_by_word() -> None:
    text = 'attributes = ["Modality"]\n[named.Names]\nvr = "PN"\nfrom = ["ImageType"]'
    found = build(text, {"ImageType": ["Doe^Ann", "Roe"]})
    assert (found["Names"], found["NamesFolded"]) == (["Doe^Ann\\Roe"], " doe ann roe")
    segments = [{"ContentCreatorName": "Doe^Ann", "SegmentLabel": "A"}, {"ContentCreatorName": "Roe"}]
    text = 'attributes = ["SegmentSequence.ContentCreatorName", "SegmentSequence.SegmentLabel"]'
    found = build(text, {"SegmentSequence": segments})
    assert found["SegmentSequence.ContentCreatorName"] == ["Doe^Ann", "Roe"]
    assert found["SegmentSequence.ContentCreatorNameFolded"] == " doe ann roe"


def test_named_attributes_of_several_components_are_whole_and_those_of_a_sequence_or_a_union_are_not() -> None:
    text = 'attributes = ["Modality"]\n[named.Spacing]\nfrom = ["PixelSpacing", "ImagerPixelSpacing"]\n'
    first, second = {"PixelSpacing": [1, 2]}, {"ImagerPixelSpacing": "3\\4"}
    assert build(text, first, second)["Spacing"] == {"Min": [1, 2], "Max": [3, 4], "Values": [[1, 2], [3, 4]]}
    found = build(f"{text}union = true", first | second)
    assert found["Spacing"] == {"Min": 1, "Max": 4, "Values": [1, 2, 3, 4]}
    nested = text.replace('"ImagerPixelSpacing"', '"SegmentSequence.RecommendedDisplayCIELabValue"')
    found = build(nested, first, {"SegmentSequence": [{"RecommendedDisplayCIELabValue": [5, 6]}]})
    assert found["Spacing"] == {"Min": 1, "Max": 6, "Values": [1, 2, 5, 6]}


def test_what_is_kept_of_an_instance_is_its_whole_value() -> None:
    text = 'attributes = ["Modality"]\n[instances]\nkeep = ["PixelSpacing", "ImageType"]'
    shared = [{"PixelMeasuresSequence": [{"PixelSpacing": ["0.5", ""]}]}]
    found = build(text, {"SharedFunctionalGroupsSequence": shared, "ImageType": "A\\\\B"}, {"PixelSpacing": "wide"})
    assert found["instances"][0]["PixelSpacing"] == [Decimal("0.5"), ""]
    assert found["instances"][0]["ImageType"] == ["A", "", "B"]
    assert "PixelSpacing" not in found["instances"][1]


@pytest.mark.parametrize("count", [4200, 9000])
def test_very_many_values_keep_their_bounds_and_the_first_of_them(count: int) -> None:
    text = f'attributes = ["PixelSpacing", "{CODE}.CodeValue", "{CODE}.CodingSchemeDesignator", "KVP", "ImageType"]'
    instances = [
        {
            "PixelSpacing": [number, count - number, "7"][: 2 + number % 2],
            CODE: [{"CodeValue": f"{number:05}", "CodingSchemeDesignator": "S"}],
            "KVP": number,
            "ImageType": ["A", f"{number:05}"],
        }
        for number in range(count, 0, -1)
    ]
    found = build(text, *instances)
    assert found["PixelSpacing"] == {"Min": [1, 0, 7], "Max": [count, count - 1, 7]}
    assert found["KVP"] == {"Min": 1, "Max": count}
    assert found[f"{CODE}.CodeValue"] == [f"{number:05}" for number in range(1, 101)]
    assert found[f"{CODE}.CodingSchemeDesignator"] == ["S"] * 100
    assert found["ImageType"] == [f"A\\{number:05}" for number in range(1, 101)]
    assert {"ImageType", f"{CODE}.CodeValue", f"{CODE}.CodingSchemeDesignator"} == {*found["TruncatedAttributes"]}
