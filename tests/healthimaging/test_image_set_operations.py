"""Reading, deleting and listing: states, versions, errors, pages, tags."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.healthimaging.conftest import Server, World

Dicom = Callable[..., Path]
NOBODY = "0" * 32


@pytest.fixture
def one(world: "World", dicom: Dicom) -> str:
    """The only image set of the world's data store."""
    world.load(dicom("a"))
    return str(world.image_sets()[0]["imageSetId"])


def code(call: Callable[..., Any], **members: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    answer = caught.value.response
    assert answer["Error"]["Message"]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_a_new_image_set_is_active_at_version_1(world: "World", one: str) -> None:
    found = world.image_set(one)
    assert (found["versionId"], found["imageSetState"], found["imageSetWorkflowStatus"]) == ("1", "ACTIVE", "CREATED")
    assert found["imageSetArn"] == f"{world.datastore(world.store)['datastoreArn']}/imageset/{one}"
    assert found["isPrimary"] is True
    assert found["createdAt"].tzinfo


def test_the_metadata_is_gzip_and_says_so(world: "World", one: str) -> None:
    answer = world.client.get_image_set_metadata(datastoreId=world.store, imageSetId=one)
    assert (answer["contentType"], answer["contentEncoding"]) == ("application/json", "gzip")
    pieces = list(answer["imageSetMetadataBlob"].iter_chunks(100))
    assert len(pieces) > 5
    assert json.loads(gzip.decompress(b"".join(pieces)))["ImageSetID"] == one


def test_a_large_document_arrives_whole(world: "World", dicom: Dicom) -> None:
    noise = random.Random(1).randbytes(300_000).hex()
    world.load(dicom("a", TextValue=noise))
    document = world.document(world.image_sets()[0]["imageSetId"])
    (series,) = document["Study"]["Series"].values()
    (instance,) = series["Instances"].values()
    assert instance["DICOM"]["TextValue"] == noise


def test_reading_metadata_is_an_access_and_searching_is_none(
    world: "World", one: str, settings: Callable[..., Any]
) -> None:
    created = world.image_set(one)["lastAccessedAt"]
    assert world.image_sets()[0]["lastAccessedAt"] == created
    world.document(one)
    assert world.image_set(one)["lastAccessedAt"] > created
    assert world.image_set(one)["storageTier"] == "FREQUENT_ACCESS"
    settings(archiveAfterSeconds=0)
    assert world.image_set(one)["storageTier"] == world.image_sets()[0]["storageTier"] == "ARCHIVE_INSTANT_ACCESS"


def test_a_deleted_image_set_keeps_its_properties_but_is_not_found_or_read(world: "World", one: str) -> None:
    answer = world.client.delete_image_set(datastoreId=world.store, imageSetId=one)
    assert (answer["imageSetState"], answer["imageSetWorkflowStatus"]) == ("LOCKED", "DELETING")
    found = world.idle(one)
    assert (found["imageSetState"], found["imageSetWorkflowStatus"]) == ("DELETED", "DELETED")
    assert found["deletedAt"]
    assert world.image_sets() == []
    ids = {"datastoreId": world.store, "imageSetId": one}
    assert code(world.client.get_image_set_metadata, **ids) == ("ResourceNotFoundException", 404)
    assert code(world.client.delete_image_set, **ids) == ("ResourceNotFoundException", 404)
    assert world.kinds()[1:] == ["Image Set Deleting", "Image Set Deleted"]


def test_a_deleted_primary_image_set_leaves_its_place_to_the_next(world: "World", one: str, dicom: Dicom) -> None:
    world.client.delete_image_set(datastoreId=world.store, imageSetId=one)
    world.idle(one)
    world.load(dicom("a", PatientID="Other"))
    (found,) = world.image_sets()
    assert found["isPrimary"] is True
    assert found["imageSetId"] != one


def test_a_locked_image_set_is_neither_read_nor_changed(world: "World", one: str, settings: Callable[..., Any]) -> None:
    settings(jobSeconds=60)
    ids = {"datastoreId": world.store, "imageSetId": one}
    world.client.delete_image_set(**ids)
    assert code(world.client.get_image_set_metadata, **ids) == ("ConflictException", 409)
    assert code(world.client.delete_image_set, **ids) == ("ConflictException", 409)
    assert world.image_sets()[0]["imageSetId"] == one
    settings(jobSeconds=0)
    assert world.idle(one)["imageSetState"] == "DELETED"


def test_unknown_ids_are_not_found(world: "World", one: str) -> None:
    client, missing = world.client, ("ResourceNotFoundException", 404)
    assert code(client.get_image_set, datastoreId=world.store, imageSetId=NOBODY) == missing
    assert code(client.get_image_set, datastoreId=NOBODY, imageSetId=one) == missing
    assert code(client.get_image_set, datastoreId=world.store, imageSetId=one, versionId="9") == missing
    assert code(client.get_image_set_metadata, datastoreId=world.store, imageSetId=one, versionId="9") == missing
    assert code(client.search_image_sets, datastoreId=NOBODY) == missing
    assert code(client.get_dicom_import_job, datastoreId=world.store, jobId="0") == missing


def test_ids_and_page_sizes_are_held_to_the_model(world: "World", one: str) -> None:
    client, invalid = world.client, ("ValidationException", 400)
    assert code(client.get_image_set, datastoreId="short", imageSetId=one) == invalid
    assert code(client.get_image_set, datastoreId=world.store, imageSetId=one.upper()[:31] + "Z") == invalid
    assert code(client.get_image_set, datastoreId=world.store, imageSetId=one, versionId="x") == invalid
    assert code(client.search_image_sets, datastoreId=world.store, maxResults=51) == invalid
    assert code(client.search_image_sets, datastoreId=world.store, nextToken="none of ours") == invalid
    assert code(client.list_datastores, datastoreStatus="SLEEPING") == invalid
    with pytest.raises(ClientError) as caught:
        client.search_image_sets(
            datastoreId=world.store,
            searchCriteria={"filters": [{"operator": "EQUAL", "values": [{"DICOMStudyInstanceUID": "Secret"}]}]},
        )
    assert "Secret" not in str(caught.value)


def test_versions_are_listed_from_the_newest_page_by_page(world: "World", one: str) -> None:
    for version in ("1", "2"):
        world.update(one, version, {"updatable": {"Study": {"DICOM": {"StudyDescription": version}}}})
        world.idle(one)
    pages = list(
        world.client.get_paginator("list_image_set_versions").paginate(
            datastoreId=world.store, imageSetId=one, PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["imageSetPropertiesList"]) for page in pages] == [2, 1]
    found = [(v["versionId"], v["ImageSetWorkflowStatus"]) for page in pages for v in page["imageSetPropertiesList"]]
    assert found == [("3", "UPDATED"), ("2", "UPDATED"), ("1", "CREATED")]


def test_a_data_store_lives_from_creating_to_deleted(world: "World") -> None:
    store = world.create_store(datastoreName="second", losslessStorageFormat="JPEG_2000_LOSSLESS", tags={"team": "ct"})
    properties = world.datastore(store)
    assert (properties["datastoreName"], properties["losslessStorageFormat"]) == ("second", "JPEG_2000_LOSSLESS")
    assert properties["datastoreArn"] == f"arn:aws:medical-imaging:eu-west-1:{world.account}:datastore/{store}"
    assert world.client.delete_datastore(datastoreId=store)["datastoreStatus"] == "DELETING"
    world.until(lambda: world.datastore(store)["datastoreStatus"] == "DELETED")
    kinds = ["Data Store Creating", "Data Store Created", "Data Store Deleting", "Data Store Deleted"]
    assert world.kinds("Data Store")[2:] == kinds
    assert code(world.client.search_image_sets, datastoreId=store) == ("ResourceNotFoundException", 404)
    listed = world.client.list_datastores(datastoreStatus="ACTIVE")["datastoreSummaries"]
    assert [one["datastoreId"] for one in listed] == [world.store]


def test_a_data_store_with_image_sets_is_not_deleted(world: "World", one: str) -> None:
    assert code(world.client.delete_datastore, datastoreId=world.store) == ("ConflictException", 409)
    assert world.image_set(one)["imageSetState"] == "ACTIVE"


def test_a_client_token_makes_one_data_store(world: "World") -> None:
    made = {world.client.create_datastore(clientToken="once")["datastoreId"] for _ in range(2)}
    assert len(made) == 1


def test_data_stores_are_paged(world: "World") -> None:
    stores = {world.store, *(world.create_store() for _ in range(2))}
    pages = list(world.client.get_paginator("list_datastores").paginate(PaginationConfig={"PageSize": 1}))
    assert [len(page["datastoreSummaries"]) for page in pages] == [1, 1, 1]
    assert {page["datastoreSummaries"][0]["datastoreId"] for page in pages} == stores


def test_the_lossless_format_of_the_data_store_is_the_stored_transfer_syntax(world: "World", dicom: Dicom) -> None:
    world.store = world.create_store(losslessStorageFormat="JPEG_2000_LOSSLESS")
    world.load(dicom("a"))
    (series,) = world.document(world.image_sets()[0]["imageSetId"])["Study"]["Series"].values()
    assert [i["StoredTransferSyntaxUID"] for i in series["Instances"].values()] == ["1.2.840.10008.1.2.4.90"]


def test_tags_are_kept_for_data_stores_and_image_sets(world: "World", one: str) -> None:
    for arn in (world.datastore(world.store)["datastoreArn"], world.image_set(one)["imageSetArn"]):
        world.client.tag_resource(resourceArn=arn, tags={"team": "ct", "stage": "test"})
        world.client.untag_resource(resourceArn=arn, tagKeys=["stage", "none"])
        assert world.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "ct"}
    missing = f"{world.datastore(world.store)['datastoreArn']}/imageset/{NOBODY}"
    elsewhere = arn.replace("eu-west-1", "us-east-1")
    for other in (missing, elsewhere):
        assert code(world.client.list_tags_for_resource, resourceArn=other) == ("ResourceNotFoundException", 404)
    many = {"a" * length: "" for length in range(1, 51)}
    assert code(world.client.tag_resource, resourceArn=arn, tags=many) == ("ValidationException", 400)


def test_accounts_do_not_see_each_other(world: "World", one: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    other = boto3.Session().client("medical-imaging")
    assert world.store not in [store["datastoreId"] for store in other.list_datastores()["datastoreSummaries"]]
    assert code(other.get_image_set, datastoreId=world.store, imageSetId=one) == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", None, 404),
        ("POST", "/datastore", b"{", 400),
        ("POST", "/datastore", b"[]", 400),
        ("POST", "/datastore", b'{"clientToken": 7}', 400),
        ("POST", "/datastore", b"{}", 400),
        ("PUT", "/_healthimaging/settings", b'{"throttle": true}', 400),
        ("PUT", "/_healthimaging/settings", b'{"faults": {"lost": 2}}', 400),
        ("PUT", "/_healthimaging/settings", b"[]", 400),
        ("GET", "/_healthimaging/nothing", None, 404),
    ],
)
def test_a_malformed_request_is_answered_with_its_error(
    server: "Server", method: str, path: str, body: bytes | None, status: int
) -> None:
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(server.url + path, body, method=method))  # noqa: S310  loopback
    assert caught.value.code == status
    assert caught.value.headers["x-amzn-ErrorType"] in ("ResourceNotFoundException", "ValidationException")
    assert json.load(caught.value)["message"]


def test_statistics_count_calls_and_events(world: "World", server: "Server", one: str) -> None:
    world.document(one)
    found = server.own("statistics")["accounts"][world.account]
    assert found["calls"]["GetImageSetMetadata"] == 1
    assert found["events"]["Image Set Created"] == 1
    assert server.own("statistics")["events"]["Image Set Created"] >= 1
