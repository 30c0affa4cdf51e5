"""What a radiology engineer, a researcher and an SRE typed before they had read anything."""

from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from imaging_index.profile import toml_file
from imaging_index.searching.grammar import SearchError, parse
from imaging_index.searching.matching import Match, match_all

TODAY: Final = date(2024, 1, 31)
RADIOLOGY: Final = toml_file.load(Path(__file__).parents[2] / "profiles/radiology.toml")


# A chest CT, as its entry has it.
CHEST: Final[dict[str, Any]] = {
    "PatientID": {"S": "12345"},
    "PatientName": {"S": "Doe^John"},
    "PatientNameFolded": {"S": " doe john"},
    "PatientSex": {"S": "M"},
    "PatientAge": {"S": "063Y"},
    "PatientBirthDate": {"S": "19551224"},
    "AccessionNumber": {"S": "A12345"},
    "StudyInstanceUID": {"S": "1.2.840.1"},
    "StudyDate": {"S": "20240131"},
    "StudyTime": {"S": "093000"},
    "Modality": {"S": "CT"},
    "SeriesDescription": {"S": "Thorax T1 axial"},
    "BodyPartExamined": {"S": "CHEST"},
    "Manufacturer": {"S": "SIEMENS"},
    "StationName": {"S": "CT01"},
    "SliceThickness": {"M": {"Min": {"N": "1"}, "Max": {"N": "1.25"}, "Values": {"L": [{"N": "1"}, {"N": "1.25"}]}}},
    "ImageType": {"L": [{"S": "ORIGINAL\\PRIMARY\\AXIAL"}]},
    "InstanceCount": {"N": "1200"},
    "IsPrimary": {"BOOL": False},
    "FirstIndexedAt": {"S": "2024-01-31T10:00:00.000000Z"},
    "TruncatedAttributes": {"L": [{"S": "SeriesDescription"}]},
}


# What people typed before they had read anything: what matches, and what is answered with the way to write it.
@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        # A radiology engineer.
        (["modality=CT", "StudyDate=today"], None),
        (["PatientID=12345"], None),
        (["mrn=12345"], "Did you mean PatientID?"),
        (["PatientName=John Doe"], None),
        (["PatientName=Doe, John"], None),
        (["PatientName=doe*"], None),
        (["AccessionNumber=a12345"], None),
        (["accession=A12345"], "Did you mean AccessionNumber?"),
        (["Modality==CT", "StudyDate=2024-01-01..2024-01-31"], None),
        (["StudyDate>=20240101"], None),
        (["StudyDate=20240101.."], None),
        (["StudyDate=7d"], "write the first day and two dots, like StudyDate=2024-01-24.."),
        (["(0008,0060)=CT"], None),
        (["0008,0060=CT"], None),
        (["StationName=CT01", "StudyDate=yesterday-", "StudyTime=08:00-12:00"], None),
        (["ModalitiesInStudy=CT,MR"], None),
        (["modality in CT,MR"], "Write a condition as Modality=value"),
        # A researcher.
        (["Modality=CT", "BodyPartExamined=chest", "SliceThickness<=1.25"], None),
        (["SliceThickness=1-3"], "a range like SliceThickness=1..5"),
        (["BodyPart=CHEST"], "Did you mean BodyPartExamined?"),
        (["PatientAge=60Y.."], None),
        (["PatientAge>=060Y", "PatientAge<=70Y"], None),
        (["PatientAge>60"], "write PatientAge>=value, in quotes"),
        (["Sex=F"], "Did you mean PatientSex?"),
        (["PatientSex=M", "PatientBirthDate=1950..1960"], None),
        (["SeriesDescription=*T1*"], None),
        (["SeriesDescription~T1"], "Write a condition as SeriesDescription=value"),
        (["Manufacturer=Siemens*"], None),
        (["ImageType=ORIGINAL", "ImageType=PRIMARY"], None),
        # An SRE.
        (["IsPrimary=no"], None),
        (["FirstIndexedAt>=2024-01-30"], None),
        (["FirstIndexedAt=today"], None),
        (["InstanceCount=1000.."], None),
        (["InstanceCount>1000"], "write InstanceCount>=value, in quotes"),
        (["NumberOfImages=10.."], "Did you mean InstanceCount?"),
        (["NumberOfStudyRelatedInstances=10.."], "InstanceCount, the number of instances of an image set, can"),
        (["study=1.2.840.1"], "Did you mean StudyInstanceUID?"),
        (["SOPInstanceUID=1.2.840.1.1"], "imaging-index show --study UID"),
        (["TruncatedAttributes=*"], None),
        (["PatientID"], "Write a condition as PatientID=value"),
        # A developer, who has looked into a document.
        (["MRDiffusionSequence.DiffusionBValue=1000"], "entries have as DiffusionBValue. Write DiffusionBValue."),
        (["EffectiveEchoTime=90"], "Write EchoTime."),
        (["AdvancedBlendingSequence.SeriesInstanceUID=1.2"], "under another name: write ReferencedSeries."),
    ],
)
def test_what_people_type_first_is_answered(typed: list[str], sentence: str | None) -> None:
    if sentence is None:
        conditions = [each for each in parse(typed, RADIOLOGY, TODAY) if each.attribute != "ModalitiesInStudy"]
        assert match_all(conditions, CHEST) is Match.YES
        return
    with pytest.raises(SearchError) as met:
        parse(typed, RADIOLOGY, TODAY)
    assert sentence in str(met.value)
