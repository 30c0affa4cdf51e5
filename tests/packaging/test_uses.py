"""The documented uses of the Python interface, which mypy checks too."""

import gzip
import json
import shutil
from pathlib import Path

import boto3
import pytest
from pydicom.data import get_testdata_file

from examples.python import uses
from imaging_index.searching import Index
from infra.assembly import Assembly
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import PROFILE_FILE, wait_for

PROFILE = 'revision = 1\nattributes = ["PatientID", "Modality", "SliceThickness"]\n'
DOCUMENT = {
    "Patient": {"DICOM": {"PatientID": "P1"}},
    "Study": {
        "Series": {
            "1.2": {
                "DICOM": {"SeriesInstanceUID": "1.2", "Modality": "CT"},
                "Instances": {"1.2.3": {"DICOM": {"SOPInstanceUID": "1.2.3", "SliceThickness": "2.5"}}},
            }
        }
    },
}


def test_a_profile_is_read_and_its_mistakes_are_sentences() -> None:
    levels = uses.levels_of_selected_attributes(PROFILE_FILE)
    assert (levels["PatientID"], levels["Modality"], levels["SliceThickness"]) == ("Patient", "Series", "Instance")
    assert uses.mistakes_of_profile(PROFILE) == []
    (mistake,) = uses.mistakes_of_profile(PROFILE.replace("PatientID", "PatientId"))
    assert "PatientID" in mistake


def test_a_keyword_is_looked_up() -> None:
    assert (uses.vr_of_keyword("PatientName"), uses.vr_of_keyword("PatientNmae")) == ("PN", None)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_document_becomes_an_entry_and_instances(pack: type[bytes]) -> None:
    values, instances = uses.entry_of_document(pack(json.dumps(DOCUMENT).encode()), PROFILE)
    assert (values["PatientID"], values["Modality"], values["InstanceCount"]) == ("P1", "CT", 1)
    assert values["SliceThickness"]["Max"] == 2.5
    assert [instance["SOPInstanceUID"] for instance in instances] == ["1.2.3"]


def test_a_document_that_cannot_be_indexed_is_an_error_that_does_not_quote_it() -> None:
    with pytest.raises(ValueError, match="This document cannot be indexed") as raised:
        uses.entry_of_document(b'{"Patient": SECRET', PROFILE)
    assert "SECRET" not in str(raised.value)


def test_the_table_is_searched_and_read(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path
) -> None:
    deploy(assembly, environment)
    shutil.copy(str(get_testdata_file("CT_small.dcm")), tmp_path)
    client = aws.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, tmp_path)
    index = Index(datastores=[datastore])
    (image_set,) = wait_for(lambda: uses.image_sets_of_patient(index, "1CT1"))

    assert uses.image_sets_of_patient(index, "nobody") == []
    assert uses.image_sets_that_match(index, "StudyDate=2004", "Modality=CT,MR") == [image_set]
    assert uses.image_sets_that_match(index, "StudyDate=2005") == []
    (instance,) = uses.instances_of_image_set(index, datastore, image_set)
    assert instance["SOPInstanceUID"].startswith("1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730")
    assert uses.instances_of_image_set(index, datastore, "0" * 32) == []
