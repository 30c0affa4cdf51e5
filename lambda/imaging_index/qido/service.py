"""Answers requests of QIDO-RS from a table."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from imaging_index.qido import negotiation, parameters, routes
from imaging_index.qido.answers import Wanted
from imaging_index.qido.conditions import Reader
from imaging_index.qido.http import Response
from imaging_index.qido.keys import Keys
from imaging_index.qido.positions import Positions
from imaging_index.qido.reading import Reading, Source
from imaging_index.qido.recent import Recent, RecentReader
from imaging_index.qido.refusal import Refusal, bad_request
from imaging_index.qido.sizes import Sizes
from imaging_index.searching.question import Level, Question
from imaging_index.searching.report import Ended
from imaging_index.table.reading import Damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imaging_index.profile.profile import Profile
    from imaging_index.qido.conditions import Asked
    from imaging_index.qido.http import Request
    from imaging_index.qido.parameters import Parameters
    from imaging_index.qido.routes import Route
    from imaging_index.table.reading import TableReader

BUDGET = 20_000

# Lambda answers with 6 MB at most (AWS Lambda Developer Guide, "Lambda quotas"), in which each quotation mark of a body
# takes two bytes: every third byte of these is one.
LARGEST: Final = 4_000_000
_UIDS: Final = ("StudyInstanceUID", "SeriesInstanceUID")
_INSTANCE: Final = "SOPInstanceUID"
_NARROW: Final = "by a range of StudyDate, or a whole PatientID, AccessionNumber or UID"
_json: Final = msgspec.json.Encoder(decimal_format="number")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a service answers.

    Attributes:
        retrieve_root: of HealthImaging's DICOMweb service, such as
            `https://dicom-medical-imaging.us-east-1.amazonaws.com`; RetrieveURLs begin with it.
        ignores_unknown_keys: a matching key that is unknown or not selected is ignored with a warning, unless it is
            one of identity; else it is refused.
        empty_status: of an answer without rows, 200 or 204.
        shows_read_units: a header has the read request units that an answer took.
        budget: how many entries a request may read.
        origins: that may read answers in a browser (CORS).
    """

    retrieve_root: str
    ignores_unknown_keys: bool = False
    empty_status: int = 200
    shows_read_units: bool = False
    budget: int = BUDGET
    origins: tuple[str, ...] = ()


class Service:
    """QIDO-RS on one table. It remembers where clients that page through an answer are. Any thread may use it."""

    def __init__(
        self,
        table: TableReader,
        profile: Profile,
        datastores: Callable[[], tuple[str, ...]],
        options: Options,
        token: Callable[[str], str] | None = None,
    ) -> None:
        """Answer from a table.

        Args:
            table: the stack's.
            profile: what is selected.
            datastores: returns the ids of all data stores to search, where a path names none.
            options: how to answer.
            token: makes the token of a value, where the profile hashes attributes.
        """
        self._table, self._profile, self._datastores, self._options = table, profile, datastores, options
        self._keys = Reader(profile, Keys(profile), token, ignores_unknown=options.ignores_unknown_keys)
        self._positions, self._recent, self._sizes = Positions(), Recent(), Sizes()

    def answer(self, request: Request) -> Response:
        """The answer to a request. Nothing is raised but what AWS answers to a call of the table."""
        try:
            response = self._answer(request)
        except Refusal as refusal:
            response = refusal.response
        except Damaged:
            sentence = "An image set is being indexed again. Repeat the request."
            response = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence, {"Retry-After": "5"}).response
        return negotiation.for_origin(request, response, self._options.origins)

    def _answer(self, request: Request) -> Response:
        _check_text(request)
        route = routes.find(request.path, tree=parameters.has_tree(request.parameters))
        if response := negotiation.preflight(request):
            return response
        said = parameters.parse(request.parameters, route.level)
        offered = (negotiation.DICOM_JSON, negotiation.JSON)
        media_type = negotiation.media_type(
            said.accept or request.headers.get("accept", ""),
            offered=offered[::-1] if route.counts or route.tree else offered,
        )
        below = [(name, uid) for name, uid in zip(_UIDS, (route.study, route.series), strict=True) if uid]
        asked = self._keys.read(below, said, route.level, datetime.now(UTC).date())
        _check_instance_is_below_something(route, asked)
        reading = self._reading(route, said, asked)
        if route.counts:
            status, headers, body = _count(reading)
        elif route.tree:
            status, headers, body = _trees(reading)
        else:
            status, headers, body = self._page(reading, route, said)
        if asked.ignored:
            headers["Warning"] = _joined(headers.get("Warning"), "Keys that cannot be searched by were ignored.")
        if self._options.shows_read_units:
            headers["X-Read-Units"] = f"{reading.units:g}"
        return Response(status, headers | ({"Content-Type": media_type} if body else {}), body)

    def _reading(self, route: Route, said: Parameters, asked: Asked) -> Reading:
        question = Question(
            datastores=(route.datastore,) if route.datastore else self._datastores(),
            conditions=asked.of_entries,
            # The image sets of a series are looked at together, since they may have the same instances.
            level=Level.SERIES if route.level is Level.IMAGE_SET else route.level,
            order=said.order,
            reverse=said.reverse,
            budget=self._options.budget,
            all_copies=said.all_copies,
        )
        wanted = Wanted(
            level=route.level,
            relational=route.relational,
            names=asked.names,
            everything=said.everything,
            all_copies=said.all_copies,
            retrieve_root=self._options.retrieve_root,
            conditions=asked.of_entries,
        )
        table = RecentReader(self._table, self._recent, reuses=said.offset > 0)
        return Reading(Source(table, self._profile, self._positions, self._sizes), question, asked.of_instances, wanted)

    def _page(self, reading: Reading, route: Route, said: Parameters) -> tuple[int, dict[str, str], bytes]:
        """The objects behind an offset, as many as are asked for and fit into an answer."""
        parts: list[bytes] = []
        size, fits = 0, True
        with closing(cast("Any", reading.objects(said.offset, said.limit))) as objects:
            for each in objects:
                encoded = _json.encode(each)
                size += len(encoded) + 1
                if size > LARGEST and parts:
                    fits = False
                    break
                parts.append(encoded)
        headers = {}
        if not parts:
            if reading.ended is not Ended.ALL:
                raise _ended_without(reading)
            if route.datastore and route.datastore not in self._datastores():
                raise Refusal(HTTPStatus.NOT_FOUND, "There is no such data store in this index.")
        if reading.total is not None:
            headers["X-Total-Count"] = str(reading.total)
        if reading.ended is Ended.BUDGET and reading.read_back_to:
            headers["X-Read-Back-To"] = reading.read_back_to
        if warnings := [*_warnings(reading, said, len(parts), fits=fits)]:
            headers["Warning"] = _joined(None, *warnings)
        empty = not parts and self._options.empty_status == HTTPStatus.NO_CONTENT
        return (HTTPStatus.NO_CONTENT, headers, b"") if empty else (HTTPStatus.OK, headers, _array(parts))


def _check_text(request: Request) -> None:
    """Refuse text that is not valid UTF-8, from an address whose percent signs encode something else."""
    try:
        for text in (request.path, *(part for pair in request.parameters for part in pair)):
            text.encode()
    except UnicodeEncodeError:
        raise bad_request("The address is not percent-encoded UTF-8.") from None


def _check_instance_is_below_something(route: Route, asked: Asked) -> None:
    """Refuse to look for an instance in all image sets: no index has instances."""
    below = {route.study, route.series} != {None} or any(
        each.attribute in _UIDS and each.asked for each in asked.of_entries
    )
    if not below and any(each.attribute == _INSTANCE for each in asked.of_instances):
        raise bad_request(f"{_INSTANCE} is in no index: search for it below its study, or with StudyInstanceUID.")


def _count(reading: Reading) -> tuple[int, dict[str, str], bytes]:
    count = reading.count()
    if reading.ended is Ended.BUDGET:
        raise _ended_without(reading)
    headers = {}
    if reading.non_primary:
        headers["Warning"] = _joined(None, _of_non_primary(reading))
    return HTTPStatus.OK, headers, _json.encode({"count": count})


def _trees(reading: Reading) -> tuple[int, dict[str, str], bytes]:
    parts = [_json.encode(tree) for tree in reading.trees()]
    if not parts:
        raise Refusal(HTTPStatus.NOT_FOUND, "The index has no such study.")
    if sum(map(len, parts)) > LARGEST:
        sentence = "The study has too many instances for one answer. Ask for its series, and for the instances of each."
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)
    return HTTPStatus.OK, {}, _array(parts)


def _ended_without(reading: Reading) -> Refusal:
    """The refusal of a search that read as much as it may: an empty answer would say that there is nothing."""
    headers = {"X-Read-Back-To": reading.read_back_to} if reading.read_back_to else {}
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The search read {reading.entries:,} image sets, which is as much as it may. Narrow it {_NARROW}.",
        headers,
    )


def _warnings(reading: Reading, said: Parameters, shown: int, *, fits: bool) -> Iterator[str]:
    if reading.ended is Ended.BUDGET:
        yield (
            f"Only {reading.entries} image sets were read, and there are more. Narrow the search {_NARROW}, or go on "
            f"with offset={said.offset + shown}."
        )
    elif not fits or (said.capped and reading.ended is Ended.LIMIT):
        yield f"There may be more results. Go on with offset={said.offset + shown}."
    if reading.non_primary:
        yield _of_non_primary(reading)


def _of_non_primary(reading: Reading) -> str:
    return (
        f"{reading.non_primary} image sets that are not primary are left out. The parameter allcopies=true shows them."
    )


def _joined(before: str | None, *sentences: str) -> str:
    """Warnings as one header (RFC 7234, section 5.5)."""
    return ", ".join([*([before] if before else []), *(f'299 imaging-index "{each}"' for each in sentences)])


def _array(parts: list[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"
