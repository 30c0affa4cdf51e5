"""Reads the objects of an answer from an offset on, and says how the reading ended."""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from imaging_index.dicom.dictionary import Level as DicomLevel
from imaging_index.qido import answers
from imaging_index.qido.instance_matching import matches, unsure
from imaging_index.qido.positions import Position, Positions
from imaging_index.qido.refusal import Refusal, bad_request
from imaging_index.searching import cursor
from imaging_index.searching.errors import SearchError
from imaging_index.searching.names import OF_STUDY
from imaging_index.searching.question import Level, Question
from imaging_index.searching.report import Ended, Report
from imaging_index.searching.search import A_ROW, Search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imaging_index.profile.profile import Profile
    from imaging_index.qido.answers import Object, Wanted
    from imaging_index.qido.sizes import Sizes
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.rows import Row
    from imaging_index.table.reading import TableReader

# Budgets that may be spent on what comes before an offset, where no position is known.
_BUDGETS_TO_SKIP: Final = 5
# Series that are looked for at a time, and image sets whose instances are read for one answer.
_SERIES: Final = 8
MOST_IMAGE_SETS: Final = 500
_NO_INDEX: Final = (
    "The table has no index that answers this search. Give a whole StudyInstanceUID, PatientID or AccessionNumber."
)


class Source(msgspec.Struct, frozen=True):
    """What objects are read from.

    Attributes:
        table: as one request reads it.
        profile: what is selected.
        positions: of the searches of late.
        sizes: of rows.
    """

    table: TableReader
    profile: Profile
    positions: Positions
    sizes: Sizes


class Reading:
    """The objects of one request.

    Attributes:
        ended: why the reading ended, when it has.
        total: how many objects there are; None where that is not known.
    """

    def __init__(self, source: Source, question: Question, of_instances: Sequence[Condition], wanted: Wanted) -> None:
        """Read nothing yet.

        Args:
            source: the table, and what is known of it.
            question: what entries must match; for instances, its rows are series.
            of_instances: what each instance must match as well.
            wanted: what objects must have.
        """
        self._source, self._question, self._of_instances, self._wanted = source, question, of_instances, wanted
        self._digest = cursor.digest_of(
            msgspec.structs.replace(question, conditions=(*question.conditions, *of_instances), level=wanted.level)
        )
        # What is compared with entries, where nothing is known of single instances.
        apart = {OF_STUDY, *(each.attribute for each in of_instances)}
        self._of_entries = [each for each in question.conditions if each.attribute not in apart]
        self._of_study = [each for each in question.conditions if each.attribute == OF_STUDY]
        self._reports: list[Report] = []
        # Those whose instances were read.
        self._image_sets = 0
        self.ended = Ended.LIMIT
        self.total: int | None = None

    @property
    def units(self) -> float:
        """The read request units that the searches took."""
        return sum(report.units for report in self._reports)

    @property
    def entries(self) -> int:
        """How many entries were read."""
        return sum(report.entries for report in self._reports)

    @property
    def non_primary(self) -> int:
        """How many image sets match but were left out as not primary."""
        return sum(report.non_primary for report in self._reports)

    @property
    def read_back_to(self) -> str | None:
        """The study moment until which everything was read, where the reading ended early."""
        return self._reports[-1].read_back_to if self._reports else None

    def objects(self, offset: int, limit: int) -> Iterator[Object]:
        """The objects behind an offset."""
        if not self._question.datastores:
            self.ended, self.total = Ended.ALL, 0
        elif self._wanted.level is Level.IMAGE_SET:
            yield from self._instances(offset, limit)
        else:
            yield from self._rows(offset, limit)

    def count(self) -> int:
        """How many objects there are, as far as the budget lets them be read."""
        if not self._question.datastores:
            self.ended = Ended.ALL
            return 0
        search = self._search("", None, self._question.budget, counts=True)
        count = 0
        with closing(cast("Any", iter(search))) as rows:
            for row in rows:
                if self._image_sets >= MOST_IMAGE_SETS:
                    self.ended = Ended.BUDGET
                    return count
                count += self._instances_of(row) if self._wanted.level is Level.IMAGE_SET else 1
        self.ended = search.report.ended
        return count

    def trees(self) -> Iterator[dict[str, Any]]:
        """Everything of a study, for each data store that has it."""
        for row in self._search("", None, None):
            yield answers.tree(row, self._wanted, self._source.profile, self._source.table)

    def _rows(self, offset: int, limit: int) -> Iterator[Object]:
        position = self._reached(offset)
        if position is None or position.cursor is None:
            return
        search = self._search(position.cursor, limit, self._question.budget)
        made = answers.Objects(self._wanted, self._source.profile)
        shown = entries = 0
        for row in search:
            shown += 1
            entries += len(row.whole or row.entries) + (row.non_primary or 0)
            yield made.of_row(row)
        self._note(search.report, offset + shown)
        if not self._question.conditions:
            self._source.sizes.note(self._question.level, entries, shown)

    def _reached(self, offset: int) -> Position | None:
        """The position of an offset; None if everything ends before it, or as much as may be read.

        Each search has the same budget, however far it is to go: what is sorted is as much as a budget reads.
        """
        position, budget = self._source.positions.nearest(self._digest, offset), self._question.budget
        while position.cursor is not None and position.objects < offset:
            if budget is not None and self.entries >= budget * _BUDGETS_TO_SKIP:
                self.ended = Ended.BUDGET
                return None
            search = self._search(position.cursor, offset - position.objects, budget)
            position = self._note(search.report, position.objects + sum(1 for _ in search))
        if position.cursor is None:
            self.ended, self.total = Ended.ALL, position.objects
        return position if position.objects == offset else None

    def _note(self, report: Report, objects: int) -> Position:
        """Remember where a search ended, behind so many objects."""
        self.ended = report.ended
        self.total = objects if report.cursor is None else None
        position = Position(objects, report.cursor)
        self._source.positions.keep(self._digest, objects, position)
        return position

    def _instances(self, offset: int, limit: int) -> Iterator[Object]:
        position = self._source.positions.nearest(self._digest, offset)
        seen, budget = position.objects, self._question.budget
        while position.cursor is not None:
            spent = budget is not None and self.entries >= budget
            if spent or self._image_sets >= MOST_IMAGE_SETS:
                self.ended = Ended.BUDGET
                return
            search = self._search(position.cursor, _SERIES, budget)
            with closing(cast("Any", iter(search))) as rows:
                for row in rows:
                    for each in self._of_series(row):
                        if seen == offset + limit:
                            # The series at hand are read again, since a cursor is behind whole ones.
                            self._source.positions.keep(self._digest, seen, position)
                            self.ended = Ended.LIMIT
                            return
                        seen += 1
                        if seen > offset:
                            yield each
            position = self._note(search.report, seen)
        self.ended, self.total = Ended.ALL, seen

    def _of_series(self, row: Row) -> Iterator[Object]:
        """The objects of a series' instances that match, each SOPInstanceUID once unless all copies count."""
        seen: set[str] = set()
        for item in row.entries:
            self._image_sets += 1
            doubts = (*unsure(item, self._of_entries, self._source.profile), *(self._of_study if row.possible else ()))
            wanted = msgspec.structs.replace(self._wanted, conditions=doubts)
            image_set = msgspec.structs.replace(row, level=Level.IMAGE_SET, entries=(item,), possible=bool(doubts))
            for columns, found in answers.of_instances(image_set, wanted, self._source.profile, self._source.table):
                uid = columns.get("SOPInstanceUID")
                if uid in seen or not matches(columns, self._of_instances):
                    continue
                if uid is not None and not self._wanted.all_copies:
                    seen.add(uid)
                yield found

    def _instances_of(self, row: Row) -> int:
        """How many instances of a series match."""
        alike = row.only_non_primary and len(row.entries) > 1 and not self._wanted.all_copies
        if self._of_instances or alike:
            return sum(1 for _ in self._of_series(row))
        return sum(int(item["InstanceCount"]["N"]) for item in row.entries)

    def _search(self, from_cursor: str, limit: int | None, budget: int | None, *, counts: bool = False) -> Search:
        # A series is read as a whole for its instances, also for their number; other rows count by themselves.
        whole = not counts or self._wanted.level is Level.IMAGE_SET
        shown = () if counts and not self._of_instances else self._shown()
        question = msgspec.structs.replace(self._question, cursor=from_cursor or None, limit=limit, budget=budget)
        try:
            search = Search(
                *(self._source.table, question, shown),
                whole=whole,
                counts_undated=False,
                counts_copies=False,
                a_row=self._a_row(),
            )
        except SearchError:
            if not from_cursor:
                raise bad_request(_NO_INDEX) from None
            self._source.positions.forget(self._digest)
            sentence = "An index was replaced since the page before this one was read. Repeat the request."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence, {"Retry-After": "1"}) from None
        self._reports.append(search.report)
        return search

    def _a_row(self) -> float:
        """The entries to read for a row: of all that an index has in a range of dates, each is of one."""
        of_dates = all(each.attribute == "StudyDate" for each in self._question.conditions)
        return self._source.sizes.of(self._question.level) if of_dates else A_ROW

    def _shown(self) -> Sequence[str] | None:
        needed = answers.needed(self._wanted, self._source.profile)
        if needed is None or self._wanted.level is not Level.IMAGE_SET:
            return needed
        of_instances = {each.name for each in self._source.profile.at(DicomLevel.INSTANCE)}
        compared = [each.attribute for each in self._of_entries if each.attribute in of_instances]
        return (*needed, *compared, *(["MissingIn"] if compared else []))
