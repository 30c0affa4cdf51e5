"""The profile for research with all policies, deployed: what replaces values is by the stack's own key.

The values themselves are nowhere.
"""

import hashlib
import hmac
import json
import shutil
from pathlib import Path
from typing import Any

import boto3
from pydicom import dcmread
from pydicom.data import get_testdata_file
from typer.testing import CliRunner

from cli.main import application
from imaging_index.profile import toml_file
from imaging_index.profile.index_names import of_all
from imaging_index.profile.privacy import Policy, Privacy, moved
from infra.config import ROOT
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for
from tests.assemblies import synth_here

# The shipped profile for research, with a policy of each kind.
POLICIES = """
[privacy]
PatientID = "hash"
PatientName = "drop"
PatientAge = "cap"
PatientAgeYears = "cap"
StudyInstanceUID = "uid"
SeriesInstanceUID = "uid"
SOPInstanceUID = "uid"
FrameOfReferenceUID = "uid"
ReferencedSeries = "uid"
StudyDate = "shift"
SeriesDate = "shift"
"""
PROFILE = (
    (ROOT / "profiles" / "research.toml")
    .read_text("utf-8")
    .replace('\n[privacy]\nPatientID = "hash"\n', POLICIES)
    .replace('"PatientID",', '"PatientID", "PatientName",', 1)
)


def test_an_index_of_tokens_is_searched_by_token_and_never_holds_what_they_stand_for(
    aws: boto3.Session, environment: dict[str, str], tmp_path: Path
) -> None:
    scan = dcmread(str(get_testdata_file("CT_small.dcm")), stop_before_pixels=True)
    scan_uids = (scan.StudyInstanceUID, scan.SeriesInstanceUID, scan.SOPInstanceUID)
    (tmp_path / "private.toml").write_text(PROFILE)
    outputs = deploy(synth_here(tmp_path / "assembly", profile=str(tmp_path / "private.toml")), environment)
    client, dynamodb = aws.client("medical-imaging"), aws.client("dynamodb")
    datastore = make_datastore(client, "hospital")
    (tmp_path / "dicom").mkdir()
    shutil.copy(str(get_testdata_file("CT_small.dcm")), tmp_path / "dicom")
    import_folder(client, datastore, tmp_path / "dicom")

    def items() -> list[Any]:
        return list(dynamodb.scan(TableName=outputs["TableName"], ConsistentRead=True)["Items"])

    (stored,) = wait_for(lambda: [item for item in items() if item["Part"]["S"] == "entry"])
    secrets = aws.client("secretsmanager")
    (secret,) = secrets.list_secrets()["SecretList"]
    key = secrets.get_secret_value(SecretId=secret["ARN"])["SecretString"]
    assert len(key) == 64
    token = hmac.new(key.encode(), b"1CT1", hashlib.sha256).hexdigest()
    assert stored["PatientID"] == {"S": token}
    found = dynamodb.query(
        TableName=outputs["TableName"],
        IndexName=of_all(toml_file.parse(PROFILE).indexes)["patient"],
        KeyConditionExpression="DatastoreId = :datastore AND PatientID = :patient",
        ExpressionAttributeValues={":datastore": {"S": datastore}, ":patient": {"S": token}},
    )
    assert found["Count"] == 1
    made = Privacy(key.encode())
    days = made.days_of_patient(datastore, "1CT1", "")
    assert stored["StudyDate"] == {"S": moved(scan.StudyDate, days)}
    assert stored["StudyInstanceUID"] == {"S": made.apply(Policy.UID, scan.StudyInstanceUID)}
    assert not {"IndexedAt", "FirstIndexedAt", "EventTime"} & stored.keys()
    asked = ["PatientID=1CT1", f"StudyInstanceUID={scan.StudyInstanceUID}", "VolumeGeometry=single"]
    asked += ["--datastore", datastore]
    answer = CliRunner().invoke(application, ["search", *asked, "--clear", "--json"])
    assert len(json.loads(answer.stdout)["rows"]) == 1, answer.stderr
    assert stored["StudyDate"]["S"] in answer.stdout
    assert CliRunner().invoke(application, ["search", *asked]).exit_code == 2
    written = json.dumps(items(), default=str)
    assert not any(value in written for value in (*scan_uids, scan.StudyDate))
    assert "1CT1" not in written
    assert "compressedsamples" not in written.lower()
