"""What an answer of DICOMweb costs in CPU: `python -m bench.dicomweb`.

The environment says where DynamoDB is (`bench.stub`). It is the first request of a viewer's work list, 101 studies of
five image sets each, from the request to the body: calls, parsing, studies, DICOM JSON.
"""

import json
import os
import time
from pathlib import Path
from typing import Any, Final

import botocore.session

from bench import DATASTORE_ID
from bench.entries import WORK_LIST
from bench.fresh import tell
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Index
from imaging_index.qido.http import Request
from imaging_index.qido.service import Options, Service
from imaging_index.searching.memory import collect_less_garbage
from imaging_index.table import answers
from imaging_index.table.reading import TableDescription, TableReader

_ENOUGH: Final = 0.5  # seconds of CPU
STUDIES: Final = 101
# As OHIF asks.
_REQUEST: Final = Request(
    "GET",
    "/studies",
    (
        ("limit", str(STUDIES)),
        ("offset", "0"),
        ("fuzzymatching", "true"),
        ("includefield", "00081030,00080060,00080090,00100030"),
    ),
    {"accept": "application/dicom+json"},
)


class _Table(TableReader):
    """The table, as it is known to be."""

    def describe(self) -> TableDescription:
        index = Index(("DatastoreId",), ("StudyMoment", "ImageSetId"))
        return TableDescription({WORK_LIST: index}, dict.fromkeys(("DatastoreId", "StudyMoment"), "S"))


def main() -> None:
    """Tell the CPU seconds of an answer."""
    collect_less_garbage()
    session = botocore.session.get_session()
    answers.register(session)
    client: Any = session.create_client("dynamodb")
    service = Service(
        _Table(client, os.environ["TABLE_NAME"]),
        toml_file.load(Path(os.environ["PROFILE"])),
        lambda: (DATASTORE_ID,),
        Options(retrieve_root="https://dicom.example"),
    )
    response = service.answer(_REQUEST)
    if response.status != 200 or len(json.loads(response.body)) != STUDIES:
        raise SystemExit(f"The work list has not {STUDIES} studies: the stub's page is another one.")
    count, begun = 0, time.process_time()
    while (taken := time.process_time() - begun) < _ENOUGH:
        service.answer(_REQUEST)
        count += 1
    tell(answer=taken / count)


if __name__ == "__main__":
    main()
