"""The REST API of DICOMweb as it is deployed, over files that were imported; asked with signed requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import boto3
from requests import Session
from requests_aws4auth import AWS4Auth

from imaging_index.qido.http import Response
from imaging_index.table.reading import TableReader
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import throttles_off, wait_for
from tests.assemblies import synth_here
from tests.clients import scans
from tests.qido.oracle import ids as oracle_ids
from tests.qido.stored import STORE

if TYPE_CHECKING:
    from pathlib import Path

    from cli.web.server import Handler
    from imaging_index.qido.http import Request
    from local.cloud import LocalCloud

    Id = tuple[str, ...]


@dataclass(frozen=True)
class Api:
    """The root of the service, and the ids of two data stores.

    Attributes:
        root: such as `http://127.0.0.1:1234/.../dicomweb`.
        hospital: has the files of the hospital, which are in a folder as well.
        many: has entries of many studies, without image sets.
        files: the folder.
    """

    root: str
    hospital: str
    many: str
    files: Path

    def below(self, datastore: str) -> str:
        """The root of the same service for one data store."""
        return f"{self.root}/datastore/{datastore}"

    def ids(self, objects: list[dict[str, Any]], level: str) -> list[Id]:
        """The ids of an answer's objects, of the data store by the name that it has in `scans.HOSPITAL`."""
        found = [*oracle_ids(objects, level)]
        assert {store for store, *_ in found} <= {self.hospital}
        return [(STORE, *uids) for _, *uids in found]


def signed() -> Session:
    """A session whose requests are signed as docs/dicomweb.md has it."""
    aws = boto3.Session()
    session = Session()
    session.auth = AWS4Auth(
        region=aws.region_name, service="execute-api", refreshable_credentials=aws.get_credentials()
    )
    return session


def serve(cloud: LocalCloud, environment: dict[str, str], folder: Path) -> Api:
    """Deploy the stack with DICOMweb, import the files, and wait until they are indexed."""
    outputs = deploy(synth_here(folder / "assembly", dicomweb="iam"), environment)
    aws = boto3.Session()
    client = aws.client("medical-imaging")
    with throttles_off(cloud.endpoint):
        hospital, many = make_datastore(client, "hospital"), make_datastore(client, "many")
        files = folder / "hospital"
        files.mkdir()
        scans.write_hospital(files)
        import_folder(client, hospital, files)
    dynamodb = aws.client("dynamodb")
    for entry in scans.entries_of_many(many):
        dynamodb.put_item(TableName=outputs["TableName"], Item=cast("Any", entry))
    table = TableReader(dynamodb, outputs["TableName"])
    types = table.describe().key_types
    wait_for(lambda: len(list(table.query("arrived", {"DatastoreId": hospital}, types))) == len(scans.HOSPITAL))
    api = outputs["DicomwebUrl"].removeprefix("https://").partition(".")[0]
    return Api(f"{cloud.endpoint}/_aws/execute-api/{api}/dicomweb", hospital, many, files)


def signing(root: str, asked: list[tuple[str, str]]) -> Handler:
    """A handler that asks the service at a root what it is asked, for clients that cannot sign.

    Args:
        root: the service's, or that of one data store.
        asked: gets each request's path with its query, and its Accept.
    """
    session = signed()

    def handle(request: Request) -> Response:
        query = f"?{urlencode(request.parameters)}" if request.parameters else ""
        accept = request.headers.get("accept", "")
        asked.append((request.path + query, accept))
        answer = session.get(f"{root}{request.path}{query}", headers={"Accept": accept})
        return Response(answer.status_code, {"Content-Type": answer.headers["Content-Type"]}, answer.content)

    return handle
