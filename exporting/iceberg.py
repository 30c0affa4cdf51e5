"""The entries as an Iceberg table, in S3 Tables or in a folder, brought up to date by what has changed alone."""

from __future__ import annotations

import tempfile
import warnings
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from botocore.exceptions import NoCredentialsError
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchNamespaceError, NoSuchTableError, RESTError
from pyiceberg.expressions import And, EqualTo, In

from exporting.about import KEY, About
from exporting.items import moment, outdated, pieces
from exporting.spill import Spill

if TYPE_CHECKING:
    from collections.abc import Iterable

    from boto3 import Session
    from pyiceberg.table import Table, Transaction

    from exporting.rows import RowsReader
    from imaging_index.profile.profile import Profile

    Hashes = np.ndarray[tuple[int], np.dtype[np.int64]]

TABLE: Final = "image_sets"
# Another export came first, or the catalog refused.
CATALOG_ERRORS: Final = (CommitFailedException, RESTError)
# An entry is not written again in the generation that it has, but for its IsPrimary, which reconcile corrects.
_IDENTITY: Final = ("DatastoreId", "ImageSetId", "Generation", "IsPrimary")
_NONE: Final[Hashes] = np.array([], np.int64)


class Gap(ValueError):  # noqa: N818
    """Changes do not go on where the table ends. The text says what to do."""


class Warehouse(NamedTuple):
    """A namespace of a catalog, which has the table `image_sets`."""

    catalog: Catalog
    namespace: str


def in_s3_tables(session: Session, bucket: str, namespace: str) -> Warehouse:
    """A namespace of a table bucket by its ARN, with the session's credentials.

    (Amazon S3 User Guide, "Accessing tables using the Amazon S3 Tables Iceberg REST endpoint")
    """
    region = bucket.split(":")[3]
    found = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    credentials = found.get_frozen_credentials()
    properties = {
        "type": "rest",
        "uri": f"{session.client('s3tables', region_name=region).meta.endpoint_url}/iceberg",
        "warehouse": bucket,
        "rest.sigv4-enabled": "true",
        "rest.signing-name": "s3tables",
        "rest.signing-region": region,
        "s3.endpoint": session.client("s3", region_name=region).meta.endpoint_url,
        "client.region": region,
        "client.access-key-id": credentials.access_key,
        "client.secret-access-key": credentials.secret_key,
        "client.session-token": credentials.token,
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
    }
    catalog = load_catalog("s3tables", **{name: value for name, value in properties.items() if value})
    return Warehouse(catalog, namespace)


def in_folder(folder: Path, namespace: str) -> Warehouse:
    """A namespace of a catalog in a file of a folder, which has the tables' files as well."""
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{folder.absolute() / 'catalog.db'}"
    return Warehouse(load_catalog("folder", type="sql", uri=uri, warehouse=folder.absolute().as_uri()), namespace)


def bring_up_to_date(
    warehouse: Warehouse,
    items: Iterable[bytes],
    reader: RowsReader,
    profile: Profile,
    *,
    as_of: str | None = None,
    since: str | None = None,
) -> About:
    """Write what has changed into the table, in one commit, and remove what is gone.

    Args:
        warehouse: the table is made if it is not there.
        items: of the whole table; or with `since` the changes from that moment on.
        reader: makes rows of the items.
        profile: the one that the entries are written under.
        as_of: the moment that the items are of; None if they were not read at one moment.
        since: what is not in the items did not change since then.

    Raises:
        Gap: the table lacks changes from before `since`.
    """
    began = moment()
    table = _table(warehouse, reader.schema)
    if since:
        _check_no_gap(table, since)
    empty = table.current_snapshot() is None
    known = None if since else _Known(table)
    count = 0
    with tempfile.TemporaryDirectory() as folder, Spill(Path(folder), reader.schema) as spill:
        gone: dict[str, set[str]] = defaultdict(set)
        for lines in pieces(items):
            changes = reader.changes(lines)
            count += outdated(changes.rows, profile)
            rows = known.changed(changes.rows) if known else changes.rows
            spill.add(rows)
            if not empty:
                stores, ids = rows["DatastoreId"].to_pylist(), rows["ImageSetId"].to_pylist()
                for store, image_set in (*zip(stores, ids, strict=True), *map(_key, changes.removed)):
                    gone[store].add(image_set)
        for store, image_set in known.removed(table) if known else ():
            gone[store].add(image_set)
        with table.transaction() as transaction:
            _delete(transaction, gone)
            for piece in spill.pieces():
                transaction.append(piece.rows)
            about = About.of(
                profile,
                as_of=as_of or began,
                until=as_of or moment(),
                consistent=as_of is not None,
                image_sets=_records(transaction),
                outdated=count,
                left_out=reader.left_out,
            )
            transaction.set_properties(about.metadata)
    return about


def about_of(warehouse: Warehouse) -> About | None:
    """What the table `image_sets` says of itself; None if it was not written yet."""
    try:
        return _about(warehouse.catalog.load_table((warehouse.namespace, TABLE)))
    except (NoSuchTableError, NoSuchNamespaceError):
        return None


def _about(table: Table) -> About | None:
    text = table.properties.get(KEY)
    return msgspec.json.decode(text, type=About) if text else None


def _table(warehouse: Warehouse, schema: pa.Schema) -> Table:
    catalog, namespace = warehouse
    catalog.create_namespace_if_not_exists(namespace)
    try:
        table = catalog.load_table((namespace, TABLE))
    except NoSuchTableError:
        return catalog.create_table((namespace, TABLE), schema=schema)
    with table.update_schema() as update:
        update.union_by_name(schema)
    return table


def _check_no_gap(table: Table, since: str) -> None:
    about = _about(table)
    if about is None or datetime.fromisoformat(about.as_of) < datetime.fromisoformat(since):
        held = f"is of {about.as_of}" if about else "is empty"
        raise Gap(
            f"These are the changes since {since}, and the Iceberg table {held}: what changed between is missing. "
            "Export the changes from an earlier moment on, or the whole table."
        )


def _records(transaction: Transaction) -> int:
    """How many rows the table has with what the transaction has done."""
    snapshot = transaction.table_metadata.current_snapshot()
    total = snapshot.summary["total-records"] if snapshot and snapshot.summary else None
    return int(total or 0)


def _delete(transaction: Transaction, gone: dict[str, set[str]]) -> None:
    for store, image_sets in gone.items():
        with warnings.catch_warnings():
            # New ones have no row yet.
            warnings.filterwarnings("ignore", "Delete operation did not match any records")
            theirs: Any = EqualTo("DatastoreId", store)  # type: ignore[call-arg, arg-type]  # pydantic hides __init__
            listed: Any = In("ImageSetId", image_sets)  # type: ignore[call-arg, arg-type]
            transaction.delete(And(theirs, listed))


def _key(text: str) -> tuple[str, str]:
    store, _, image_set = text.partition("/")
    return store, image_set


class _Known:
    """Which image sets a table has, and each in which state, in 16 bytes for each of them."""

    def __init__(self, table: Table) -> None:
        ids, states = [_NONE], [_NONE]
        for batch in table.scan(selected_fields=_IDENTITY).to_arrow_batch_reader():
            rows = pa.Table.from_batches([batch])
            ids.append(_hashes(rows, _IDENTITY[:2]))
            states.append(_hashes(rows, _IDENTITY))
        self._ids, self._states = np.concatenate(ids), np.concatenate(states)
        self._seen: list[Hashes] = [_NONE]

    def changed(self, rows: pa.Table) -> pa.Table:
        """Those of some rows that the table does not have as they are."""
        self._seen.append(_hashes(rows, _IDENTITY[:2]))
        return rows.filter(pa.array(~np.isin(_hashes(rows, _IDENTITY), self._states)))

    def removed(self, table: Table) -> list[tuple[str, str]]:
        """The image sets that the table has and that were not among the rows."""
        gone = {*np.setdiff1d(self._ids, np.concatenate(self._seen)).tolist()}
        if not gone:
            return []
        rows = table.scan(selected_fields=_IDENTITY[:2]).to_arrow()
        every = zip(*(rows[name].to_pylist() for name in _IDENTITY[:2]), strict=True)
        return [each for each in every if hash(each) in gone]


def _hashes(rows: pa.Table, names: tuple[str, ...]) -> Hashes:
    every = zip(*(rows[name].to_pylist() for name in names), strict=True)
    return np.fromiter(map(hash, every), np.int64, len(rows))
