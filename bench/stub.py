"""HealthImaging and DynamoDB as far as the function asks them, on the loopback and at a fixed latency.

    python -m bench.stub LATENCY PROFILE DOCUMENT...

It keeps nothing. Version n of every image set is the nth document; every write is taken and charged for. A query of an
index finds a page of entries of these documents, one of the index `study` five, and one of the table nothing. A GET of
any path tells the totals since the last one.
"""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from bench import entries
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Index, Profile
from local.capacity import READ_UNIT, index_units, item_size, units

# The entries of one study.
FEW: Final = 5


@dataclass(frozen=True, slots=True)
class Stub:
    """A running stub, at `endpoint`."""

    endpoint: str

    def variables(self, selected: Path) -> dict[str, str]:
        """The environment of a function whose AWS this is, indexing under the profile in the file `selected`."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "DATASTORES": "all",
            "PROFILE": str(selected.resolve()),
            "TABLE_NAME": "index",
            "QUEUE_URL": f"{self.endpoint}/hints",
            "DEAD_LETTER_QUEUE_URL": f"{self.endpoint}/dead-letters",
            "POWERTOOLS_SERVICE_NAME": "index",
            "POWERTOOLS_METRICS_NAMESPACE": "ImagingIndex",
        }


@contextmanager
def running(latency: float, selected: Path, documents: Iterable[Path]) -> Iterator[Stub]:
    """A stub in a process of its own that answers after `latency` seconds."""
    command = [sys.executable, "-m", "bench.stub", str(latency), str(selected), *map(str, documents)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Stub(process.stdout.readline().strip() if process.stdout else "")
        finally:
            process.terminate()


def write_units(item: Mapping[str, Any], indexes: Iterable[Index]) -> int:
    """The write units of a new item as it is sent, with what each index holds of it."""
    # Bytes are sent in base64, and counted without.
    item = {name: {"B": base64.b64decode(value["B"])} if "B" in value else value for name, value in item.items()}
    return units(item_size(item)) + sum(index_units(index, None, item) for index in indexes)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, latency: float, profile: Profile, documents: Iterable[Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency = latency
        self.indexes = list(profile.indexes.values())
        self.documents = [document.read_bytes() for document in documents]
        self._profile = profile
        self.calls = self.write_units = 0

    def handle_error(self, *_: object) -> None:
        """Nothing: who has read enough of a document breaks its connection off."""

    @cached_property
    def _entries(self) -> dict[str, bytes]:
        """What an index answers, by its name."""
        page = entries.page(self.documents, self._profile)
        pages = {name: page[:FEW] if name == "study" else page for name in self._profile.indexes}
        pages[entries.WORK_LIST] = entries.work_list(page)
        return {
            name: msgspec.json.encode(
                {
                    "Items": items,
                    "Count": len(items),
                    "ScannedCount": len(items),
                    "ConsumedCapacity": {"CapacityUnits": units(sum(map(item_size, items)), READ_UNIT) / 2},
                }
            )
            for name, items in pages.items()
        }

    def answer(self, operation: str, body: bytes) -> bytes:
        """What DynamoDB answers; to what it does not know, as little as possible."""
        if operation == "Query" and (index := msgspec.json.decode(body).get("IndexName")):
            return self._entries[index]
        return json.dumps(self._answer(operation, body)).encode()

    def _answer(self, operation: str, body: bytes) -> dict[str, Any]:
        match operation:
            case "PutItem":
                charged = self._charge([msgspec.json.decode(body)["Item"]])
                return {"ConsumedCapacity": {"CapacityUnits": charged}}
            case "BatchWriteItem":
                ((table, requests),) = msgspec.json.decode(body)["RequestItems"].items()
                charged = self._charge(request["PutRequest"]["Item"] for request in requests)
                return {"UnprocessedItems": {}, "ConsumedCapacity": [{"TableName": table, "CapacityUnits": charged}]}
            case "Query":
                return {"Items": [], "Count": 0, "ScannedCount": 0}
        return {}

    def _charge(self, items: Iterable[Mapping[str, Any]]) -> int:
        charged = sum(write_units(item, self.indexes) for item in items)
        self.write_units += charged
        return charged


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # An answer in one segment, at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """One call of AWS's."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.calls += 1
        time.sleep(self.server.latency)
        path = urlsplit(self.path)
        if path.path.endswith("/getImageSetMetadata"):
            version = int(parse_qs(path.query)["version"][0])
            self._send("application/json", self.server.documents[version - 1])
        else:
            operation = self.headers.get("X-Amz-Target", "").partition(".")[2]
            self._send("application/x-amz-json-1.0", self.server.answer(operation, body))

    def do_GET(self) -> None:
        """The totals, which begin anew."""
        totals = {"calls": self.server.calls, "write_units": self.server.write_units}
        self.server.calls = self.server.write_units = 0
        self._send("application/json", json.dumps(totals).encode())

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: what was asked is counted."""


def main() -> None:
    """Print the endpoint, and serve until this process is ended."""
    latency, selected, *documents = sys.argv[1:]
    server = _Server(float(latency), toml_file.load(Path(selected)), map(Path, documents))
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
