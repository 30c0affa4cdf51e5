"""Questions in SQL over an export, by DuckDB: they read it, and can do nothing else."""

from __future__ import annotations

import contextlib
import glob
import tempfile
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

import duckdb
import pyarrow.parquet as pq

from exporting import about
from exporting.about import NotOurs
from exporting.instances import place_of
from exporting.series import series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from exporting.about import About

# DuckDB must not fetch programs of its own from the network.
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_FETCHED: Final = 1_000
_POLL: Final = 0.1  # seconds
_PATIENCE: Final = 50  # polls
# Named as in idc-index, also in answers.
_INDEX: Final = 'CREATE VIEW "index" AS SELECT * RENAME ("InstanceCount" AS "instanceCount") FROM series'
# Errors about the question, whose texts have only what is in it. All others may quote a value of the export.
_OF_QUESTION: Final = (
    *(duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException, duckdb.PermissionException),
    *(duckdb.SyntaxException,),
)

_Answered = TypeVar("_Answered")


class Refused(ValueError):  # noqa: N818
    """A question that cannot be asked. The text says why."""


class Answer:
    """What a question found.

    Attributes:
        names: those of the columns.
    """

    def __init__(self, found: duckdb.DuckDBPyConnection) -> None:
        self.names: list[str] = [column[0] for column in found.description or ()]
        self._found = found

    def rows(self) -> Iterator[Sequence[Any]]:
        """The rows, as they come.

        Raises:
            Refused: a value does not allow what the question does with it.
        """
        try:
            while rows := _interruptibly(self._found, lambda: self._found.fetchmany(_FETCHED)):
                yield from rows
        except duckdb.Error as error:
            raise Refused(_why(error)) from None


class Database:
    """An export as the tables `image_sets` and `series`, which is also `index`, and `instances` if it has any.

    Attributes:
        about: what the export says of itself.
        instances_are_of_another: there is a file of instances beside it, from an export of another moment.
    """

    def __init__(self, place: Path) -> None:
        """Open a file or folder.

        Raises:
            NotOurs: it is no export.
        """
        folder = place.is_dir()
        files = [*place.glob("*/*.parquet")] if folder else [place]
        if not files:
            raise NotOurs(f"{place} has no export. Make one with `imaging-index export --to {place}`.")
        self.about: About = about.read(files[0])
        schema = pq.read_schema(files[0])
        pattern = f"{_literal(place)}/*/*.parquet" if folder else _literal(place)
        # What does not fit into memory waits there, where nobody else can look. DuckDB's own choice is a folder in the
        # current one, which questions may then read, whatever is in it.
        self._overflow = tempfile.TemporaryDirectory(prefix="imaging-index-sql-")
        self._connection = duckdb.connect(config=_CONFIG | {"temp_directory": self._overflow.name})
        # The months of folders' names are no column, since an attribute may be called like that.
        files_read = f"read_parquet({_text(pattern)}, hive_partitioning = false)"
        self._connection.execute(f"CREATE VIEW image_sets AS FROM {files_read}")
        self._connection.execute(f"CREATE VIEW series AS {series(schema)}")
        self._connection.execute(_INDEX)
        files_allowed = [] if folder else [str(place), _literal(place)]
        instances = place_of(place)
        self.instances_are_of_another = instances.exists() and not _is_of(instances, self.about)
        if instances.exists() and not self.instances_are_of_another:
            read = f"read_parquet({_text(_literal(instances))})"
            self._connection.execute(f"CREATE VIEW instances AS FROM {read}")
            files_allowed += [str(instances), _literal(instances)]
        if folder:
            self._connection.execute(f"SET allowed_directories = {_texts(str(place), _literal(place))}")
        self._connection.execute(f"SET allowed_paths = {_texts(*files_allowed)}")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def close(self) -> None:
        """Remove what did not fit into memory."""
        # DuckDB waits for the threads of a question that was ended, perhaps for minutes, and is not waited for so long.
        closing = Thread(target=self._connection.close, daemon=True)
        closing.start()
        for _ in range(_PATIENCE):
            closing.join(_POLL)
            if not closing.is_alive():
                break
            with contextlib.suppress(duckdb.Error):
                self._connection.interrupt()
        self._overflow.cleanup()

    def ask(self, question: str) -> Answer:
        """The answer to one SELECT.

        Raises:
            Refused: it is something else, or has a mistake; DuckDB says which.
        """
        try:
            statements = self._connection.extract_statements(question)
            if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
                raise Refused("Ask one question, which begins with SELECT, WITH or FROM: nothing else is allowed.")
            return Answer(_interruptibly(self._connection, lambda: self._connection.execute(statements[0])))
        except duckdb.Error as error:
            raise Refused(_why(error)) from None


def _interruptibly(connection: duckdb.DuckDBPyConnection, call: Callable[[], _Answered]) -> _Answered:
    """What a call of DuckDB answers, which Ctrl-C ends.

    It is made in a thread of its own: while DuckDB works, Python handles no signal in the thread of the call.
    """
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(call)
        try:
            return answer.result()
        except KeyboardInterrupt:
            # Again, since the call may not have begun.
            while wait([answer], _POLL).not_done:
                connection.interrupt()
            raise


def _why(error: duckdb.Error) -> str:
    """Why there is no answer, without any value of the export."""
    if isinstance(error, _OF_QUESTION):
        return str(error).strip()
    if isinstance(error, duckdb.IOException) or type(error) is duckdb.Error:
        return (
            "A file of the export cannot be read: it was replaced meanwhile, or is damaged. Ask again, or export again."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return "The question takes more memory than there is. Select fewer columns, or ask about fewer rows."
    _, line, where = str(error).partition("\nLINE ")
    return (
        f"DuckDB raised {type(error).__name__}: some value does not allow what the question does with it. TRY_CAST "
        f"instead of CAST is null for such a value, and so is TRY(...) around an expression.{line}{where}"
    )


def _is_of(instances: Path, export: About) -> bool:
    """Whether a file has the instances of an export."""
    try:
        return about.read(instances) == export
    except NotOurs:
        return False


def _literal(place: Path) -> str:
    """A place as DuckDB reads it, which takes names for patterns."""
    return glob.escape(str(place))


def _texts(*texts: str) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _text(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
