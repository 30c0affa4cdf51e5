"""An entry matches as its document does: surely, surely not, or possibly where it does not hold enough."""

from collections.abc import Callable
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from imaging_index.profile import toml_file
from imaging_index.searching.grammar import parse
from imaging_index.searching.matching import Match, match_all
from proof.harness.built import content

PROFILE = toml_file.parse("""
revision = 1
attributes = ["PatientID", "StudyDescription", "Modality", "SliceThickness", "ImageType", "ContrastBolusAgent"]
""")
# An entry lists so many different numbers of its instances; of more it has the least and the greatest.
LISTED = 16

Document = dict[str, Any]


def numbers(test: Callable[[int], bool]) -> Callable[[Document], bool]:
    def holds(document: Document) -> bool:
        values = [each["SliceThickness"] for each in document["instances"]]
        return any(test(value) for value in values if value)

    return holds


def agents(test: Callable[[str], bool]) -> Callable[[Document], bool]:
    return lambda document: any(test(each["ContrastBolusAgent"].lower()) for each in document["instances"])


def types(*wanted: str) -> Callable[[Document], bool]:
    return lambda document: any({*wanted} <= {*each["ImageType"]} for each in document["instances"])


def no(test: Callable[[Document], bool]) -> Callable[[Document], bool]:
    return lambda document: not test(document)


# What a condition says of a document, written without the package.
CONDITIONS: dict[tuple[str, ...], Callable[[Document], bool]] = {
    ("PatientID=P1",): lambda document: document["patient"] == "P1",
    ("PatientID!=P1",): lambda document: document["patient"] != "P1",
    ("Modality=CT,MR",): lambda document: document["modality"] in ("CT", "MR"),
    ("Modality=",): lambda document: not document["modality"],
    ("StudyDescription=*chest*",): lambda document: "chest" in document["description"].lower(),
    ("StudyDescription=ch?st",): lambda document: document["description"].lower() in ("chest", "chost"),
    ("SliceThickness=5",): numbers(lambda value: value == 5),
    ("SliceThickness!=5",): no(numbers(lambda value: value == 5)),
    ("SliceThickness=4..9",): numbers(lambda value: 4 <= value <= 9),
    ("SliceThickness>=25",): numbers(lambda value: value >= 25),
    ("SliceThickness=*",): numbers(lambda _: True),
    ("SliceThickness=",): no(numbers(lambda _: True)),
    ("SliceThickness:every=..20",): lambda document: all(
        each["SliceThickness"] and each["SliceThickness"] <= 20 for each in document["instances"]
    ),
    ("ContrastBolusAgent=iohexol",): agents(lambda value: value == "iohexol"),
    ("ContrastBolusAgent!=iohexol",): no(agents(lambda value: value == "iohexol")),
    ("ContrastBolusAgent=io*",): agents(lambda value: value.startswith("io")),
    ("ImageType=PRIMARY",): types("PRIMARY"),
    ("ImageType=ORIGINAL", "ImageType=PRIMARY"): types("ORIGINAL", "PRIMARY"),
}

INSTANCES = st.fixed_dictionaries(
    {
        "SliceThickness": st.integers(0, 30),  # 0 stands for none
        "ContrastBolusAgent": st.sampled_from(["", "Iohexol", "IOPAMIDOL", "water"]),
        "ImageType": st.lists(st.sampled_from(["ORIGINAL", "DERIVED", "PRIMARY", "AXIAL"]), max_size=3),
    }
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "patient": st.sampled_from(["P1", "P2", "p1x"]),
        "modality": st.sampled_from(["", "CT", "MR", "US"]),
        "description": st.sampled_from(["", "CHEST", "Chest/Abdomen", "chost", "head"]),
        "instances": st.lists(INSTANCES, min_size=1, max_size=30),
    }
)


@settings(max_examples=300)
@given(DOCUMENTS)
def test_an_entry_matches_as_its_document_does(document: Document) -> None:
    item = content(
        PROFILE,
        *({**each, "SliceThickness": str(each["SliceThickness"] or "")} for each in document["instances"]),
        patient={"PatientID": document["patient"]},
        study={"StudyDescription": document["description"]},
        series={"Modality": document["modality"]},
    ).attributes
    different = {each["SliceThickness"] for each in document["instances"]} - {0}
    for texts, holds in CONDITIONS.items():
        match = match_all(parse(texts, PROFILE, date(2024, 1, 31)), item)
        if match is Match.POSSIBLE:
            assert texts[0].startswith("SliceThickness"), texts
            assert len(different) > LISTED, texts
        else:
            assert (match is Match.YES) is holds(document), texts


def test_what_an_entry_cannot_tell_is_possible() -> None:
    item = content(PROFILE, *({"SliceThickness": str(value)} for value in range(1, 19))).attributes
    assert match_all(parse(["SliceThickness=5"], PROFILE, date(2024, 1, 31)), item) is Match.POSSIBLE
