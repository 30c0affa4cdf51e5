"""Accounts side by side in one local cloud, as different tests and different people have them."""

import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from pydicom.data import get_testdata_file

from infra.assembly import Assembly
from local.cloud import LocalCloud
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for


class _Account:
    """An account with the stack in it, and its own clients."""

    def __init__(self, cloud: LocalCloud, assembly: Assembly, number: str) -> None:
        self.outputs = deploy(assembly, cloud.environment(number))
        session = boto3.Session(number, "any", region_name="us-east-1")
        self.healthimaging = session.client("medical-imaging", endpoint_url=cloud.endpoint)
        self.dynamodb = session.client("dynamodb", endpoint_url=cloud.endpoint)
        self.events = session.client("events", endpoint_url=cloud.endpoint)
        self.logs = session.client("logs", endpoint_url=cloud.endpoint)

    def import_file(self, name: str, folder: Path) -> str:
        """Import a file of pydicom's; returns the data store's id."""
        folder.mkdir()
        shutil.copy(str(get_testdata_file(name)), folder)
        datastore = make_datastore(self.healthimaging, "hospital")
        import_folder(self.healthimaging, datastore, folder)
        return datastore

    def entries(self) -> list[dict[str, Any]]:
        """The table's entries, once there are some (pages come before them)."""

        def found() -> list[dict[str, Any]]:
            items = self.dynamodb.scan(TableName=self.outputs["TableName"], ConsistentRead=True)["Items"]
            return [item for item in items if item["Part"] == {"S": "entry"}]

        entries: list[dict[str, Any]] = wait_for(found)
        return entries

    def logged(self) -> list[str]:
        """What the account's functions have logged, each with its metrics."""
        return [
            event["message"]
            for group in self.logs.describe_log_groups()["logGroups"]
            for event in self.logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        ]


def test_each_accounts_function_reads_its_own_healthimaging_and_writes_its_own_table(
    cloud: LocalCloud, assembly: Assembly, tmp_path: Path
) -> None:
    ours = _Account(cloud, assembly, "200000000001")
    theirs = _Account(cloud, assembly, "200000000002")
    our_datastore = ours.import_file("CT_small.dcm", tmp_path / "ours")
    their_datastore = theirs.import_file("MR_small.dcm", tmp_path / "theirs")

    (our_entry,) = ours.entries()
    (their_entry,) = theirs.entries()
    assert (our_entry["DatastoreId"], our_entry["Modality"]) == ({"S": our_datastore}, {"S": "CT"})
    assert (their_entry["DatastoreId"], their_entry["Modality"]) == ({"S": their_datastore}, {"S": "MR"})
    assert [store["datastoreId"] for store in ours.healthimaging.list_datastores()["datastoreSummaries"]] == [
        our_datastore
    ]


def test_the_functions_log_and_its_metrics_can_be_read_by_boto3(
    cloud: LocalCloud, assembly: Assembly, tmp_path: Path
) -> None:
    account = _Account(cloud, assembly, "200000000003")
    account.import_file("CT_small.dcm", tmp_path / "dicom")
    # The entry is there before the function has ended, and its log after that.
    wait_for(lambda: any('"CloudWatchMetrics"' in each and "ImagingIndex" in each for each in account.logged()))
    assert len(account.logs.describe_log_groups()["logGroups"]) == 2  # a function each


def test_an_import_reads_the_accounts_own_bucket_and_reports_into_it(
    environment: dict[str, str], aws: boto3.Session
) -> None:
    s3, healthimaging = aws.client("s3"), aws.client("medical-imaging")
    bucket = f"dicom-{environment['AWS_ACCESS_KEY_ID']}"
    s3.create_bucket(Bucket=bucket)
    for name in ("CT_small.dcm", "MR_small.dcm"):
        s3.upload_file(str(get_testdata_file(name)), bucket, f"in/{name}")
    datastore = make_datastore(healthimaging, "hospital")
    job = healthimaging.start_dicom_import_job(
        clientToken=uuid4().hex,
        datastoreId=datastore,
        dataAccessRoleArn="arn:aws:iam::000000000000:role/import",
        inputS3Uri=f"s3://{bucket}/in/",
        outputS3Uri=f"s3://{bucket}/out/",
    )["jobId"]

    def ended() -> Any:
        found = healthimaging.get_dicom_import_job(datastoreId=datastore, jobId=job)["jobProperties"]
        return found["jobStatus"] in ("COMPLETED", "FAILED") and found

    properties = wait_for(ended)
    assert properties["jobStatus"] == "COMPLETED", properties.get("message")
    assert len(healthimaging.search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]) == 2
    written = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]]
    assert any(key.endswith("job-output-manifest.json") for key in written)
