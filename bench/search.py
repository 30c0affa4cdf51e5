"""What a search costs in CPU: `python -m bench.search ours|botocore`.

The environment says where DynamoDB is (`bench.stub`). `ours` is the command's way, from a signed call to JSON text.
`botocore` is the call alone, by a client as botocore makes it, to the items that it answers.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, Final

import botocore.session
import msgspec
from boto3 import Session

from bench import DATASTORE_ID
from bench.fresh import tell
from imaging_index.entry.item import plain
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Index
from imaging_index.searching.grammar import parse
from imaging_index.searching.memory import collect_less_garbage
from imaging_index.searching.question import Level, Order, Question
from imaging_index.searching.search import Search
from imaging_index.table import answers
from imaging_index.table.reading import TableDescription, TableReader

_ENOUGH: Final = 0.2  # seconds of CPU
_CONDITIONS: Final = {
    "date": ["Modality=*", "StudyDate=19000101-", "Rows=1..100000"],
    "study": ["StudyInstanceUID=1.2.3"],
}
# As the command prints it.
_json: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic")

# Reads the index of this name, and returns how many entries it found.
Way = Callable[[str], int]


def main() -> None:
    """Tell the CPU seconds of an entry in a full page of so many `entries`, and of a call that finds few."""
    find = {"ours": ours, "botocore": by_botocore}[sys.argv[1]]()
    entries = find("date")
    find("study")
    tell(entries=entries, entry=_cpu(lambda: find("date")) / entries, call=_cpu(lambda: find("study")))


def _cpu(do: Callable[[], object]) -> float:
    count, begun = 0, time.process_time()
    while (taken := time.process_time() - begun) < _ENOUGH or not count:
        do()
        count += 1
    return taken / count


class _Table(TableReader):
    """The table, as it is known to be: whoever searches often describes it once."""

    def describe(self) -> TableDescription:
        indexes = {
            "date": Index(("DatastoreId",), ("FirstIndexedAt", "ImageSetId")),
            "study": Index(("StudyInstanceUID",), ("ImageSetId",)),
        }
        return TableDescription(indexes, dict.fromkeys(("DatastoreId", "StudyInstanceUID"), "S"))


def ours() -> Way:
    """The command's way: a search whose rows are made plain and encoded."""
    collect_less_garbage()
    core = botocore.session.get_session()
    answers.register(core)
    table = _Table(Session(botocore_session=core).client("dynamodb"), _table())
    profile = toml_file.load(Path(os.environ["PROFILE"]))
    conditions = {index: tuple(parse(texts, profile, date(2026, 1, 1))) for index, texts in _CONDITIONS.items()}
    executor = ThreadPoolExecutor(1)

    def lines(index: str) -> Iterator[bytes]:
        question = Question(
            datastores=(DATASTORE_ID,),
            conditions=conditions[index],
            level=Level.IMAGE_SET,
            order=Order.ARRIVED,
            limit=None,
            index=index,
        )
        for row in Search(table, question, executor=executor):
            yield _json.encode(plain(row.entries[0]))

    return lambda index: sum(1 for _ in lines(index))


def by_botocore() -> Way:
    """The call alone, as botocore makes it."""
    client: Any = botocore.session.get_session().create_client("dynamodb")

    def find(index: str) -> int:
        ((name, value),) = _partition(index).items()
        answer = client.query(
            TableName=_table(),
            IndexName=index,
            KeyConditionExpression="#0 = :0",
            ExpressionAttributeNames={"#0": name},
            ExpressionAttributeValues={":0": {"S": value}},
            ScanIndexForward=False,
        )
        return len(answer["Items"])

    return find


def _table() -> str:
    return os.environ["TABLE_NAME"]


def _partition(index: str) -> dict[str, str]:
    """One partition of an index: of `date` it is a whole page, of `study` a few entries."""
    return {"study": {"StudyInstanceUID": "1.2.3"}, "date": {"DatastoreId": DATASTORE_ID}}[index]


if __name__ == "__main__":
    main()
