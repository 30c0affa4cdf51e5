"""Faults planted into the real code, each the change of an expression: a simulation that misses one proves nothing."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from proof.simulation.environments import environments


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong variant of a function of the package: every `old` text in its source is `new` instead."""

    name: str
    module: str
    function: str
    changes: tuple[tuple[str, str], ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The function is wrong for this long, wherever it is called from.

        Raises:
            LookupError: the source has no such text any more, or more than one.
        """
        functions = [_function(module, self.function) for module in _modules(self.module)]
        right, wrong = functions[0].__code__, self._wrong(functions[0])
        for function in functions:
            function.__code__ = wrong
        try:
            yield
        finally:
            for function in functions:
                function.__code__ = right

    def _wrong(self, function: FunctionType) -> CodeType:
        path = Path(inspect.getfile(function))
        source = path.read_text("utf-8")
        whole = part = inspect.getsource(function)
        for old, new in self.changes:
            if part.count(old) != 1:
                raise LookupError(
                    f"{self.name}: {self.function} has {part.count(old)} times {old!r}, change the mutant"
                )
            part = part.replace(old, new)
        return _find(compile(source.replace(whole, part), str(path), "exec"), self.function)


def _modules(name: str) -> list[ModuleType]:
    if name == "imaging_index.handlers.index":
        return [each.module for some in environments().values() for each in some]
    return [import_module(name)]


def _function(module: ModuleType, name: str) -> FunctionType:
    found: Any = reduce(getattr, name.split("."), module)
    found = found.fget if isinstance(found, property) else found
    assert isinstance(found, FunctionType)
    return found


def _find(code: CodeType, name: str) -> CodeType:
    waiting = [code]
    while waiting:
        code = waiting.pop()
        if code.co_qualname == name:
            return code
        waiting += [each for each in code.co_consts if isinstance(each, CodeType)]
    raise LookupError(name)


def _of(module: str, function: str, name: str, *changes: tuple[str, str]) -> Mutant:
    return Mutant(name, f"imaging_index.{module}", function, changes)


MUTANTS: Final = (
    _of(
        "indexing",
        "Indexer._index",
        "a duplicate or stale hint is acknowledged without a sweep",
        ("                self._sweep(key, head)\n                return", "                return"),
    ),
    _of(
        "indexing",
        "Indexer._index",
        "a writer who lost does not sweep",
        ("else self._table.head(key)\n", "else None\n"),
    ),
    _of("indexing", "Indexer.converge", "not ready or parked without a sweep", ("self.tidy(hint)", "pass")),
    _of(
        "indexing",
        "Indexer.converge",
        "poison is parked without a sweep",
        ("(NotReady, Poison)", "NotReady"),
    ),
    _of(
        "indexing",
        "Indexer._bury",
        "a tombstone without a sweep",
        ("self._sweep(key, self._table.put_tombstone(key, _now()))", "self._table.put_tombstone(key, _now())"),
    ),
    _of("indexing", "Indexer._sweep", "documents are not swept", ("if self._documents:", "if False:")),
    _of("indexing", "Indexer._sweep", "a tombstone keeps its documents", ("None if head", "1 if head")),
    _of(
        "indexing",
        "Indexer._read",
        "an entry names a document that could not be kept",
        ("None if not_kept else documents.name", "documents.name"),
    ),
    _of("kept_documents", "KeptDocuments.read", "a document of another is used", ("!= key", "is None")),
    _of(
        "kept_documents",
        "KeptDocuments.older",
        "a sweep takes the document of its entry",
        ("each.version < below)", "each.version <= below)"),
        ("if below == 1:", "if below == 0:"),
    ),
    _of(
        "table.writing",
        "TableWriter.sweep",
        "a sweep deletes newer pages too",
        ('f"{PAGES}{head.generation}/~"', 'f"{PAGES}~~"'),
    ),
    _of(
        "table.writing",
        "TableWriter.sweep",
        "other attempts of the same generation are not swept",
        ("/{head.attempt}/", "/"),
    ),
    _of(
        "table.writing",
        "TableWriter.sweep",
        "a sweep takes the pages of its own attempt",
        ("if not part.startswith(current)", "if part < current"),
        ('f"{PAGES}{head.generation}/{head.attempt}/"', 'f"{PAGES}{head.generation}/{head.attempt}/0001"'),
    ),
    _of("table.writing", "TableWriter._put", "no condition on the entry", ('{"S": of}', '{"S": "~~"}')),
    _of(
        "table.writing",
        "TableWriter._put",
        "an entry of the same generation is overwritten",
        ("ConditionExpression=_NEWER", 'ConditionExpression=_NEWER.replace("<", "<=")'),
    ),
    _of(
        "indexing",
        "Indexer._index",
        "the entry before its pages",
        ("        self._table.put_pages(key, wanted, attempt, read.content.pages)\n", ""),
        (
            "written = self._table.put_entry(key, item)\n",
            "written = self._table.put_entry(key, item)\n"
            "        self._table.put_pages(key, wanted, attempt, read.content.pages)\n",
        ),
    ),
    _of("indexing", "Indexer._index", "pages without an attempt", ("secrets.token_hex(8)", '"0"')),
    _of("indexing", "Indexer._index", "a repair at the same generation", ("generation.repaired(wanted)", "wanted")),
    _of(
        "table.generation",
        "same_but_for_repair",
        "the repair number is compared like the rest",
        ('one.rpartition(".")[0] == other.rpartition(".")[0]', "one == other"),
    ),
    _of("indexing", "Indexer._index", "the version alone is the generation", ("self._profile.revision", "1")),
    _of(
        "indexing",
        "Indexer._index",
        "FirstIndexedAt is not carried over",
        ("if head and head.first_indexed_at", "if False"),
    ),
    _of(
        "healthimaging",
        "HealthImaging.metadata",
        "the latest document, labelled with the version of the event",
        (", versionId=str(version)", ""),
    ),
    _of(
        "indexing",
        "Indexer._ask",
        "a Deleted event is believed without asking",
        (
            "        now = self._healthimaging",
            "        if deleted:\n            return self._bury(key)\n        now = self._healthimaging",
        ),
    ),
    _of(
        "indexing",
        "Indexer._ask",
        "404 on a Deleted hint means deleted, at once",
        ("deleted and age > _FOR_SURE", "deleted"),
    ),
    _of(
        "indexing",
        "Indexer._ask",
        "404 means deleted",
        ("deleted and age > _FOR_SURE", "True"),
    ),
    _of(
        "indexing",
        "Indexer._ask",
        "GetImageSet's first answer is believed, though the hint names a newer version",
        ("now.version < hint.version", "False"),
    ),
    _of(
        "indexing",
        "Indexer._index",
        "a version that never comes is waited for until it is parked",
        ("age > _FOR_SURE", "False"),
    ),
    _of(
        "queue.hint",
        "Hint.is_told_by_healthimaging",
        "isPrimary of a replay by hand is believed",
        ("self.kind is Kind.CREATED and not self.replayed", "(self.kind is Kind.CREATED or self.replayed)"),
    ),
    _of(
        "indexing",
        "Indexer._item",
        "IsPrimary: false is dropped",
        ("target.is_primary is not None", "target.is_primary"),
    ),
    _of("indexing", "Indexer._item", "EventTime is lost", ("hint.time is not None", "False")),
    _of(
        "queue.hint",
        "Hint.is_told_by_healthimaging",
        "Copied's version is believed",
        ("self.kind is Kind.CREATED", "self.kind in (Kind.CREATED, Kind.COPIED, Kind.UPDATED)"),
    ),
    _of(
        "indexing",
        "Indexer._index",
        "404 on the metadata means deleted",
        ('now and now.state == "DELETED"', "True"),
    ),
    _of(
        "table.writing",
        "TableWriter.put_tombstone",
        "the entry is deleted instead of buried",
        (
            "self._put(item_key(key, ENTRY) | item, generation.TOMBSTONE)",
            'self._write([{"DeleteRequest": {"Key": item_key(key, ENTRY)}}])',
        ),
    ),
    _of(
        "table.writing",
        "TableWriter.put_tombstone",
        "a tombstone as old as version 1",
        ('{"S": generation.TOMBSTONE}', '{"S": "0000000001.~"}'),
        ("| item, generation.TOMBSTONE)", '| item, "0000000001.~")'),
    ),
    _of(
        "table.writing",
        "TableWriter._write",
        "what came back unprocessed is forgotten",
        ("if not unprocessed:", "if True:"),
    ),
    _of(
        "table.reading",
        "TableReader.head",
        "the entry is read from a replica that lags",
        ("ConsistentRead=True", "ConsistentRead=False"),
    ),
    _of(
        "table.writing",
        "TableWriter._parts",
        "a sweep looks at a replica that lags",
        ("ConsistentRead=True", "ConsistentRead=False"),
    ),
    _of(
        "table.reading",
        "TableReader.read",
        "a reader does not count the pages",
        ('len(packed) == int(item["Pages"]["N"])', "True"),
        ('checksum == item["PagesChecksum"]["S"]', "True"),
    ),
    _of(
        "table.reading",
        "TableReader.read",
        "a reader takes the pages of every attempt",
        ("{head.generation}/{head.attempt}/", "{head.generation}/"),
    ),
    _of(
        "indexing",
        "Indexer._content",
        "a document of another image set is taken",
        ("(content.datastore_id, content.image_set_id) != (key.datastore_id, key.image_set_id)", "False"),
    ),
    _of(
        "handlers.index",
        "_Batch.handle",
        "a message that failed is acknowledged",
        ("raise fault from None", "return"),
    ),
    _of(
        "queue.delivery",
        "to_be_parked",
        "a throttled message is parked",
        ("_MOST_TRIES.get(type(fault))", "_MOST_TRIES.get(type(fault), 2)"),
    ),
    _of(
        "handlers.index",
        "_Batch.handle",
        "what is handed back is acknowledged",
        ("raise fault from None", "if not isinstance(fault, HandedBack):\n                    raise fault from None"),
    ),
    _of(
        "queue.delivery",
        "Queue.park",
        "a dead letter holds more than the message",
        ("MessageBody=delivery.body", 'MessageBody=delivery.body + " "'),
    ),
)
