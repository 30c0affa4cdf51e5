"""Gathers the entries that match into rows, with the whole study, series or patient that a row is of."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from imaging_index.profile.derived import STUDY_MOMENT
from imaging_index.searching.judging import WHOLE, Judge, fetch, holds
from imaging_index.searching.matching import Empty, Match, of_study
from imaging_index.searching.moments import AFTER_ALL
from imaging_index.searching.names import OF_STUDY
from imaging_index.searching.planner import NO_DATE, has_all
from imaging_index.searching.question import Level
from imaging_index.searching.rows import NEEDED, Row, digest_of, is_left_out, key_of, modalities_of
from imaging_index.table.layout import Between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from imaging_index.entry.item import Item
    from imaging_index.profile.profile import Index
    from imaging_index.searching.matching import Condition
    from imaging_index.searching.planner import Plan
    from imaging_index.searching.question import Question
    from imaging_index.searching.rows import RowKey
    from imaging_index.searching.stream import Chunk, Source
    from imaging_index.searching.wholes import Wholes

# HealthImaging keeps an image set apart, as not primary, if one of these contradicts the primary ones of its study
# (AWS HealthImaging Developer Guide, "Importing imaging data"). So all primary image sets of a study agree in them.
_AGREED: Final = {"DatastoreId", "PatientID", "AccessionNumber", "StudyInstanceUID", "StudyID"}
_OF_A_STUDY: Final = {"DatastoreId", "StudyInstanceUID"}
_NOTHING: Final = {"S": ""}
# Studies that are read side by side.
FEW: Final = 8
# Rows that are looked into at a time.
_AT_A_TIME: Final = 100


class Gathering:
    """Makes rows of entries that come in an index's order; of a row that was made, further entries are passed over.

    Attributes:
        leaves_out_undated: whether no image set without a usable study date can match.
    """

    def __init__(
        self,
        source: Source,
        plan: Plan,
        index: Index,
        wholes: Wholes,
        question: Question,
        shown: Sequence[str] | None,
        *,
        whole: bool,
        counts_copies: bool,
    ) -> None:
        self._source, self._plan, self._index, self._wholes = source, plan, index, wholes
        self._level, self._all_copies, self._whole = question.level, question.takes_all, whole
        self._counts_copies = counts_copies
        self._shown, self._datastores = shown, frozenset(question.datastores)
        self._of_studies = [each for each in question.conditions if each.attribute == OF_STUDY]
        self._conditions = [each for each in question.conditions if each.attribute != OF_STUDY]
        self._judge = Judge(source, self._conditions)
        self._of_whole = Judge(source, self._conditions)
        self._without_date = Judge(source, [each for each in self._conditions if not leaves_out_undated(each)])
        self.leaves_out_undated = any(map(leaves_out_undated, self._conditions))
        # An image set that is not primary is left out if another one of its series is not, or of its study or patient.
        self._among = Level.SERIES if self._level is Level.IMAGE_SET else self._level
        # A primary image set is a row by itself, if the index holds what is to be shown.
        self._alone = self._level is Level.IMAGE_SET and not self._of_studies
        self._alone &= index.holds is None or (shown is not None and holds(index, shown))
        self._before: frozenset[str] = frozenset()
        # The rows made, with their entries that did not come by yet; None where these are not known.
        self._made: dict[RowKey, set[str] | None] = {}
        # Those of which the whole was read and is no row.
        self._refused: set[RowKey] = set()

    def begin(self, shown: Iterable[str]) -> None:
        """Go on after a cursor: pass over the rows of some digests."""
        self._before = frozenset(shown)

    def shown(self) -> list[str]:
        """The digests of the rows made so far that could be made again from further entries."""
        again = {digest_of(key) for key, coming in self._made.items() if coming is None or coming}
        return sorted(self._before | again)

    def rows(self, chunk: Chunk, wanted: int | None) -> Iterator[tuple[Item, int, Row | None]]:
        """Each entry of a chunk, with the number of its query and the row that begins with it, if one does.

        Args:
            chunk: of entries.
            wanted: how many rows, if no more are used than these.
        """
        judged = self._judged(chunk.items)
        found: dict[RowKey, Row | None] = {}
        for place, (item, match) in enumerate(judged):
            row = None
            if self._alone and match is not Match.NO and (self._all_copies or not is_left_out(item)):
                row = Row(level=Level.IMAGE_SET, entries=(item,), whole=(item,), possible=match is Match.POSSIBLE)
            elif match is not Match.NO:
                key = key_of(item, self._level)
                if self._is_new(key):
                    if key not in found and key not in self._refused:
                        more = _AT_A_TIME if wanted is None else min(wanted, _AT_A_TIME)
                        found |= self._found(judged, place, more, whole=chunk.whole)
                    made = found.get(key)
                    if made is not None and any(_id(each) == _id(item) for each in made.entries):
                        row = made
                        wanted = None if wanted is None else wanted - 1
                        # Without an index by study, a study that matches here may only possibly match elsewhere.
                        known = row.whole is not None and not (self._of_studies and self._wholes.study_index is None)
                        self._made[key] = {*map(_id, row.entries)} if known else None
                    elif made is None and is_left_out(item):
                        self._source.report.non_primary += 1
                if coming := self._made.get(key):
                    coming.discard(_id(item))
            yield chunk.items[place], chunk.queries[place], row

    def _is_new(self, key: RowKey) -> bool:
        return key not in self._made and not (self._before and digest_of(key) in self._before)

    def _judged(self, items: Sequence[Item]) -> list[tuple[Item, Match]]:
        judged = [
            (item, match if _id(item).partition("/")[0] in self._datastores else Match.NO)
            for item, match in self._judge.judge(items, self._index)
        ]
        self._source.report.matched = dict(self._judge.matched)
        if self.leaves_out_undated and not self._plan.by_moment:
            self.count_undated([item for item, match in judged if match is Match.NO])
        return judged

    def count_undated(self, items: Sequence[Item]) -> None:
        """Count those of some entries in the report that have no usable date and match everything but the date."""
        undated = [item for item in items if _newest((item, Match.NO))[0].startswith(NO_DATE)]
        judged = self._without_date.judge(undated, self._index)
        self._source.report.undated += sum(match is not Match.NO for _, match in judged)

    def _found(
        self, judged: Sequence[tuple[Item, Match]], place: int, most: int, *, whole: bool
    ) -> dict[RowKey, Row | None]:
        """The rows of the next entries that match; None if their image sets are left out, or their study does not suit.

        Args:
            judged: all entries of a chunk.
            place: of the first entry whose row is asked for.
            most: how many rows to look into.
            whole: whether the chunk has all entries of its studies.
        """
        found: dict[RowKey, list[Item]] = {}
        for item, match in judged[place:]:
            key = key_of(item, self._level)
            new = match is not Match.NO and self._is_new(key) and key not in self._refused
            if new and (key in found or len(found) < most):
                found.setdefault(key, []).append(item)
        patients = self._wholes.patients(self._of_patients(found))
        studies = self._studies(found, patients, judged if whole else ())
        groups = {key: self._group(key, items[0], studies, patients) for key, items in found.items()}
        matches = {_id(item): (item, match) for item, match in judged}
        unjudged = {_id(item): item for group in groups.values() for item in group or () if _id(item) not in matches}
        read_from = self._wholes.patient_index if self._level is Level.PATIENT else self._wholes.study_index
        if unjudged and read_from:
            matches |= zip(unjudged, self._of_whole.judge([*unjudged.values()], read_from[1]), strict=True)
        rows = {key: self._row(key, items, groups[key], matches, studies) for key, items in found.items()}
        self._refused |= {key for key, row in rows.items() if row is None and groups[key] is not None}
        return self._completed(rows)

    def _studies(
        self,
        found: Mapping[RowKey, Sequence[Item]],
        patients: Mapping[RowKey, Sequence[Item]],
        judged: Sequence[tuple[Item, Match]],
    ) -> dict[RowKey, list[Item]]:
        """The whole studies that must be known of some rows, from the chunk if it has all of them."""
        of_patients = self._level is Level.PATIENT
        counted = self._whole and self._level in (Level.SERIES, Level.STUDY)
        of_study: dict[RowKey, list[Item]] = {}
        for item in chain(*found.values(), *patients.values()):
            shadow = is_left_out(item) and not self._all_copies and not of_patients
            if self._of_studies or counted or shadow:
                of_study.setdefault(key_of(item, Level.STUDY), []).append(item)
        alone = {key: items[:1] for key, items in of_study.items() if not key[1]}
        known = alone | self._from_chunk(of_study.keys() - alone.keys(), judged)
        return known | self._wholes.studies(of_study.keys() - known.keys())

    def _from_chunk(
        self, needed: AbstractSet[RowKey], judged: Sequence[tuple[Item, Match]]
    ) -> dict[RowKey, list[Item]]:
        if not judged or not self._keeps_studies_together():
            return {}
        by_study: dict[RowKey, list[Item]] = {}
        for item, _ in judged:
            by_study.setdefault(key_of(item, Level.STUDY), []).append(item)
        if "StudyInstanceUID" in self._index.partition and _OF_A_STUDY.issuperset(self._index.partition):
            # The query had those that are not primary as well.
            return {key: by_study[key] for key in needed & by_study.keys()}
        # The few studies of a patient are asked for their own in one go, which reads less than all that is not primary.
        few = self._plan.bounded and len(needed) <= FEW and self._wholes.study_index is not None
        if self._all_copies or few:
            return {}
        known = {}
        for key in needed:
            items = by_study.get(key, [])
            apart = self._wholes.non_primary(key[0]) if self._counts_copies else [*filter(is_left_out, items)]
            primary = [item for item in items if not is_left_out(item)]
            if apart is None or not primary or not all("IsPrimary" in item for item in items):
                continue
            known[key] = primary + [item for item in apart if key_of(item, Level.STUDY) == key]
        return known

    def _keeps_studies_together(self) -> bool:
        """Whether a whole chunk has all primary image sets of the studies that it has one of."""
        index, query = self._index, self._plan.queries[0]
        if not (has_all(index, index.partition) and holds(index, NEEDED) and _AGREED.issuperset(index.partition)):
            return False
        asked = [query[name] for name in index.sort if name in query]
        return not asked or (self._plan.by_moment and _of_whole_days(asked[0]))

    def _of_patients(self, found: Mapping[RowKey, Sequence[Item]]) -> list[RowKey]:
        if self._level is not Level.PATIENT:
            return []
        shadows = {key for key, items in found.items() if any(map(is_left_out, items)) and not self._all_copies}
        return [key for key in found if key[1] and (self._whole or key in shadows)]

    def _group(
        self,
        key: RowKey,
        item: Item,
        studies: Mapping[RowKey, list[Item]],
        patients: Mapping[RowKey, list[Item]],
    ) -> list[Item] | None:
        """All image sets among which those that are not primary are looked for; None where they were not read."""
        if not key[1]:
            return [item]
        if self._level is Level.PATIENT:
            return patients.get(key)
        study = studies.get(key_of(item, Level.STUDY))
        among = key_of(item, self._among)
        return None if study is None else [each for each in study if key_of(each, self._among) == among]

    def _row(
        self,
        key: RowKey,
        items: Sequence[Item],
        group: Sequence[Item] | None,
        matches: Mapping[str, tuple[Item, Match]],
        studies: Mapping[RowKey, Sequence[Item]],
    ) -> Row | None:
        kept = self._kept(items if group is None else group)
        only_non_primary = not kept
        if group is None and not kept:
            return None
        members = kept or [*(group or ())]
        if self._level is Level.IMAGE_SET:
            members = [each for each in members if key_of(each, Level.IMAGE_SET) == key]
        # Of an entry that does not match, the chunk may hold less than is needed here.
        judged = [matches.get(_id(each), (each, Match.NO)) for each in members]
        judged = [
            (each if match is Match.NO else known, match) for each, (known, match) in zip(members, judged, strict=True)
        ]
        suited = [(item, min(match, self._suits(item, studies))) for item, match in judged if match is not Match.NO]
        matching = sorted((each for each in suited if each[1] is not Match.NO), key=_newest, reverse=True)
        if not matching:
            return None
        whole = tuple(item for item, _ in judged) if group is not None or self._level is Level.IMAGE_SET else None
        return Row(
            level=self._level,
            entries=tuple(item for item, _ in matching),
            whole=whole,
            possible=max(match for _, match in matching) is Match.POSSIBLE,
            only_non_primary=only_non_primary,
            non_primary=None if group is None or self._level is Level.IMAGE_SET else len(group) - len(kept or group),
            study=self._study(items[0], studies) if self._level is Level.SERIES else None,
        )

    def _study(self, item: Item, studies: Mapping[RowKey, Sequence[Item]]) -> tuple[Item, ...] | None:
        study = studies.get(key_of(item, Level.STUDY))
        return None if study is None else tuple(self._kept(study) or study)

    def _kept(self, items: Sequence[Item]) -> list[Item]:
        return [item for item in items if self._all_copies or not is_left_out(item)]

    def _suits(self, item: Item, studies: Mapping[RowKey, Sequence[Item]]) -> Match:
        """How surely the study of an entry matches the conditions on its modalities."""
        if not self._of_studies:
            return Match.YES
        study = studies.get(key_of(item, Level.STUDY))
        if study is None:
            return Match.POSSIBLE
        modalities = modalities_of(self._kept(study) or study)
        return Match.YES if all(of_study(each, modalities) for each in self._of_studies) else Match.NO

    def _completed(self, rows: dict[RowKey, Row | None]) -> dict[RowKey, Row | None]:
        """The rows with all attributes of their entries that are to be shown."""
        used = [self._index, *(each[1] for each in (self._wholes.study_index, self._wholes.patient_index) if each)]
        if self._shown is not None and all(holds(index, self._shown) for index in used):
            return rows
        lacking = [item for row in rows.values() if row for item in row.entries if not item.keys() >= WHOLE]
        fetched = fetch(self._source, lacking)
        return {
            key: row
            and msgspec.structs.replace(row, entries=tuple(fetched.get(_id(item), item) for item in row.entries))
            for key, row in rows.items()
        }


def _id(item: Item) -> str:
    return str(item["ImageSet"]["S"])


def _newest(judged: tuple[Item, Match]) -> tuple[str, str]:
    item, _ = judged
    return item.get(STUDY_MOMENT.name, _NOTHING)["S"], _id(item)


def leaves_out_undated(condition: Condition) -> bool:
    """Whether no image set without a usable study date matches a condition."""
    return condition.attribute == "StudyDate" and not condition.negated and not isinstance(condition.test, Empty)


def _of_whole_days(asked: str | Between) -> bool:
    """Whether a condition on the study's moment leaves no day in part."""
    return isinstance(asked, Between) and len(asked.low) <= 8 and len(asked.high.rstrip(AFTER_ALL)) <= 8
