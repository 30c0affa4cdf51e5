"""The index from Python: a deployed stack, found by its name, that is searched and read."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import botocore.session
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from imaging_index.entry.item import plain
from imaging_index.profile import toml_file
from imaging_index.profile.profile import ProfileError
from imaging_index.searching.errors import SearchError, UnavailableError
from imaging_index.searching.grammar import parse, since
from imaging_index.searching.question import BUDGET, Level, Order, Question
from imaging_index.searching.refusals import ON_TABLE, code, why
from imaging_index.searching.report import Ended
from imaging_index.searching.search import Search
from imaging_index.table import answers
from imaging_index.table.layout import Key
from imaging_index.table.reading import Damaged, TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    import boto3

    from imaging_index.profile.profile import Profile
    from imaging_index.searching.report import Estimate, Report
    from imaging_index.searching.rows import Row

    LevelName = Literal["image-set", "series", "study", "patient"]
    OrderName = Literal["date", "arrived", "name"]

# AWS HealthImaging API Reference, "GetDatastore" and "GetImageSet".
_ID: Final = re.compile(r"[0-9a-z]{32}")


class ImageSet(msgspec.Struct, frozen=True):
    """An image set as the table has it: its entry and its instances, one mapping each, as plain values."""

    entry: dict[str, Any]
    instances: list[dict[str, Any]]


class Found:
    """An answer. Its rows are read while you iterate over it; when you do so again, the same rows come."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._rows: list[Row] = []
        self._running = iter(search)

    def __iter__(self) -> Iterator[Row]:
        number = 0
        while number < len(self._rows) or self._read():
            yield self._rows[number]
            number += 1

    def _read(self) -> bool:
        with _refusals("DynamoDB", ON_TABLE):
            row = next(self._running, None)
        if row is not None:
            self._rows.append(row)
        return row is not None

    @property
    def report(self) -> Report:
        """What the search says of itself: what it read, how it ended, its cursor. Complete behind the last row."""
        return self._search.report

    def estimate(self) -> Estimate:
        """How many entries, read request units and seconds it takes to read everything that could match."""
        with _refusals("DynamoDB", ON_TABLE):
            return self._search.estimate()


class Index:
    """A deployed stack, in AWS or in a local cloud.

    Attributes:
        profile: what the stack selects and indexes.
    """

    def __init__(
        self,
        stack: str = "ImagingIndex",
        *,
        session: boto3.Session | None = None,
        datastores: Sequence[str] | None = None,
    ) -> None:
        """Find the stack.

        Args:
            stack: its name.
            session: of boto3, whose credentials, region and profile to use; None for those of the environment.
            datastores: the ids of the data stores to search; None for all of the account in this region.

        Raises:
            SearchError: an id is invalid.
            UnavailableError: there is no such stack, or AWS does not let the caller read it.
        """
        if not all(map(_ID.fullmatch, datastores or ())):
            raise SearchError("A data store's id is 32 lower-case letters and digits.")
        self._session = _session(session)
        self._datastores = None if datastores is None else tuple(datastores)
        with _refusals("CloudFormation", "on the stack", f"There is no stack {stack} in this account and region."):
            client = self._client("cloudformation")
            described = client.describe_stacks(StackName=stack)["Stacks"][0]
            template = client.get_template(StackName=stack)["TemplateBody"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}
        if "TableName" not in outputs:
            raise UnavailableError(f"The stack {stack} is not one of Imaging Index. Give the name of another.")
        try:
            self.profile: Profile = toml_file.parse(template["Metadata"]["Profile"])
        except (KeyError, ProfileError):
            raise UnavailableError(
                f"This version of imaging-index cannot read the profile of the stack {stack}. Install the version that "
                "deployed it, or deploy again."
            ) from None
        self._table = TableReader(self._client("dynamodb"), outputs["TableName"])

    @property
    def datastores(self) -> tuple[str, ...]:
        """The data stores that are searched.

        Raises:
            UnavailableError: they were not given, and HealthImaging does not list them.
        """
        if self._datastores is None:
            with _refusals("HealthImaging", "or give Index the ids of the data stores"):
                pages = self._client("medical-imaging").get_paginator("list_datastores").paginate()
                self._datastores = tuple(each["datastoreId"] for page in pages for each in page["datastoreSummaries"])
        return self._datastores

    def search(
        self,
        *conditions: str,
        level: Level | LevelName = Level.STUDY,
        since: date | str | None = None,
        until: date | str | None = None,
        arrived: str | None = None,
        order: Order | OrderName = Order.DATE,
        reverse: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        exact: bool = False,
        all_copies: bool = False,
        index: str | None = None,
        budget: int | None = BUDGET,
        shown: Sequence[str] | None = None,
    ) -> Found:
        """The rows that match: image sets, or the series, studies or patients that have matching ones.

        Args:
            conditions: written as for the command, such as `Modality=CT`. All must hold in one image set.
            level: what a row is.
            since: the first day of the studies, a date or as text; so `until` is the last one.
            arrived: how long ago an image set was first indexed at most, like `12h`, or since which day or moment.
            order: of the rows: `date` and `arrived` newest first.
            reverse: the order backwards.
            limit: how many rows at most.
            cursor: of the report of the same search, which goes on from there.
            exact: compare text with its case.
            all_copies: count image sets that are not primary like the others.
            index: the name of the index to read, instead of the one that reads the least.
            budget: how many entries to read at most; None for any number.
            shown: the attributes that rows must have. Fewer are often faster; None is for whole entries.

        Raises:
            SearchError: the search cannot be made; the text says why.
            UnavailableError: AWS does not let the caller read the table.
        """
        now = datetime.now().astimezone()
        question = Question(
            datastores=self.datastores,
            conditions=tuple(
                parse([*conditions, *_times(since, until, arrived, now)], self.profile, now.date(), exact=exact)
            ),
            level=_one_of(Level, level, "level"),
            order=_one_of(Order, order, "order"),
            reverse=reverse,
            limit=limit,
            cursor=cursor,
            budget=budget,
            all_copies=all_copies,
            index=index,
        )
        with _refusals("DynamoDB", ON_TABLE):
            return Found(Search(self._table, question, shown))

    def count(self, *conditions: str, budget: int | None = BUDGET, **options: Any) -> int:
        """How many rows match. The options are those of `search`.

        Raises:
            SearchError: as for `search`, or the budget does not suffice.
            UnavailableError: as for `search`.
        """
        found = self.search(*conditions, budget=budget, shown=(), **options)
        count = sum(1 for _ in found)
        if found.report.ended is Ended.BUDGET:
            raise SearchError(
                f"There are more than {budget:,} entries to count. Add a condition, like days with since and until, or "
                "read all of them with budget=None."
            )
        return count

    def study(self, uid: str) -> list[Row]:
        """A study with all of its image sets: a row for each data store that has it."""
        return [*self.search(f"StudyInstanceUID={uid}", budget=None, all_copies=True)]

    def show(self, datastore: str, image_set: str) -> ImageSet | None:
        """An image set with its instances, by its ids; None if the table does not have it.

        Raises:
            SearchError: an id is invalid.
            UnavailableError: AWS does not let the caller read the table, or the image set's pages are not complete.
        """
        if not (_ID.fullmatch(datastore) and _ID.fullmatch(image_set)):
            raise SearchError("The ids of a data store and of an image set are 32 lower-case letters and digits.")
        try:
            with _refusals("DynamoDB", ON_TABLE):
                whole = self._table.read(Key(datastore, image_set))
        except Damaged:
            raise UnavailableError(
                "The pages of this image set are not complete. Have it indexed again with a hint of the cause repair."
            ) from None
        return None if whole is None else ImageSet(plain(whole.entry), whole.instances)

    def _client(self, service: str) -> Any:
        return self._session.create_client(service)


def _times(first: date | str | None, last: date | str | None, arrived: str | None, now: datetime) -> Iterator[str]:
    if first is not None:
        yield f"StudyDate>={first}"
    if last is not None:
        yield f"StudyDate<={last}"
    if arrived is not None:
        yield f"FirstIndexedAt>={since(arrived, now)}"


def _one_of(kind: Any, given: str, name: str) -> Any:
    try:
        return kind(given)
    except ValueError:
        raise SearchError(f"The {name} is one of {', '.join(kind)}.") from None


class _Credentials:
    """Gives a botocore session the credentials of another one, which may renew them."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Any:
        return self._credentials


def _session(given: boto3.Session | None) -> Any:
    """A session that parses answers fast, as the caller of another one."""
    session = botocore.session.get_session()
    answers.register(session)
    if given is not None:
        session.set_config_variable("region", given.region_name)
        # boto3's word for no profile
        if given.profile_name != "default":
            session.set_config_variable("profile", given.profile_name)
        session.register_component("credential_provider", _Credentials(given.get_credentials()))
    return session


@contextlib.contextmanager
def _refusals(service: str, on: str, missing: str = "") -> Iterator[None]:
    """Makes errors of AWS sentences; `missing` is the one for what is not there."""
    try:
        yield
    except ClientError as error:
        if missing and code(error) == "ValidationError":
            raise UnavailableError(f"{missing} Check AWS_PROFILE and AWS_REGION, or deploy it.") from None
        raise UnavailableError(why(service, error, on)) from None
    except BotoCoreError as error:
        raise UnavailableError(why(service, error)) from None
    except ValueError as error:
        if isinstance(error, SearchError) or "ndpoint" not in str(error):
            raise
        # botocore's own, for an endpoint that is no address
        raise UnavailableError("AWS_ENDPOINT_URL is not a valid address. Correct it, or unset it.") from None
