"""A stack for production and one beside it, in one account and region."""

import shutil
from pathlib import Path
from typing import Any

import boto3
from pydicom.data import get_testdata_file

from infra.assembly import Assembly
from local.deployment import deploy, destroy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for
from tests.assemblies import synth_here


def test_two_stacks_index_the_same_data_stores_and_neither_knows_of_the_other(
    aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path
) -> None:
    dev = synth_here(tmp_path / "dev", stackName="Dev", profile="minimal")
    production, other = deploy(assembly, environment), deploy(dev, environment)
    same = {production["DataStores"], production["Generation"]}
    assert not set(production.values()) & set(other.values()) - same
    (tmp_path / "dicom").mkdir()
    shutil.copy(str(get_testdata_file("CT_small.dcm")), tmp_path / "dicom")
    client, dynamodb = aws.client("medical-imaging"), aws.client("dynamodb")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, tmp_path / "dicom")

    def entries(outputs: dict[str, str]) -> list[Any]:
        items = dynamodb.scan(TableName=outputs["TableName"], ConsistentRead=True)["Items"]
        return [item for item in items if item["Part"]["S"] == "entry"]

    (rich,), (poor,) = wait_for(lambda: entries(production)), wait_for(lambda: entries(other))
    assert rich["ImageSet"] == poor["ImageSet"]
    assert rich["ProfileHash"] != poor["ProfileHash"]

    destroy(dev, environment)
    client.delete_image_set(datastoreId=datastore, imageSetId=rich["ImageSetId"]["S"])
    wait_for(lambda: entries(production)[0]["Generation"]["S"] == "~")
