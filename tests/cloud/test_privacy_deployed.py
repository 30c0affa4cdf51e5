"""A profile that hashes and drops, deployed: the tokens come from the stack's own secret, the marker stands nowhere."""

import hashlib
import hmac
import json
import shutil
from pathlib import Path
from typing import Any

import boto3
from pydicom.data import get_testdata_file

from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for
from tests.assemblies import synth_here

PROFILE = """
revision = 1
attributes = ["PatientID", "PatientName", "StudyDate", "Modality"]
[privacy]
PatientID = "hash"
PatientName = "drop"
[indexes.patient]
partition = ["DatastoreId", "PatientID"]
sort = ["StudyMoment", "ImageSetId"]
"""


def test_an_index_of_tokens_is_searched_by_token_and_never_holds_what_they_stand_for(
    aws: boto3.Session, environment: dict[str, str], tmp_path: Path
) -> None:
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
        IndexName="patient",
        KeyConditionExpression="DatastoreId = :datastore AND PatientID = :patient",
        ExpressionAttributeValues={":datastore": {"S": datastore}, ":patient": {"S": token}},
    )
    assert found["Count"] == 1
    written = json.dumps(items(), default=str)
    assert "1CT1" not in written
    assert "compressedsamples" not in written.lower()
