"""What a question finds in a table, by looking at every entry."""

from collections.abc import Sequence
from typing import Any

from imaging_index.entry.item import Item
from imaging_index.searching.matching import Match, match_all, of_study
from imaging_index.searching.names import OF_STUDY
from imaging_index.searching.question import Level, Question
from imaging_index.searching.rows import Row, is_left_out, key_of, modalities_of


def rows(items: Sequence[Item], question: Question) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """What a question finds, by looking at every entry: each row's key with what it says of its whole.

    That is counts, modalities, whether it is possible only, whether it has only image sets that are not primary, and
    how many of these it leaves out.
    """
    of_sets = [each for each in question.conditions if each.attribute != OF_STUDY]
    of_studies = [each for each in question.conditions if each.attribute == OF_STUDY]
    stored = [item for item in items if item["DatastoreId"]["S"] in question.datastores]
    among = Level.SERIES if question.level is Level.IMAGE_SET else question.level

    def kept(group: Sequence[Item]) -> list[Item]:
        primary = [item for item in group if question.takes_all or not is_left_out(item)]
        return primary or [*group]

    def by_key(items: Sequence[Item], level: Level) -> dict[tuple[str, ...], list[Item]]:
        grouped: dict[tuple[str, ...], list[Item]] = {}
        for item in items:
            grouped.setdefault(key_of(item, level), []).append(item)
        return grouped

    studies, groups = by_key(stored, Level.STUDY), by_key(stored, among)

    def suits(item: Item) -> bool:
        modalities = modalities_of(kept(studies[key_of(item, Level.STUDY)]))
        return all(of_study(condition, modalities) for condition in of_studies)

    found: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for key, own in by_key(stored, question.level).items():
        group = groups[key_of(own[0], among)]
        members = [item for item in kept(group) if key_of(item, question.level) == key]
        matching = [(item, match_all(of_sets, item)) for item in members]
        matching = [(item, match) for item, match in matching if match is not Match.NO and suits(item)]
        if matching:
            found[key] = (
                len(members),
                sum(int(item["InstanceCount"]["N"]) for item in members),
                modalities_of(members),
                max(match for _, match in matching) is Match.POSSIBLE,
                all(is_left_out(item) for item in group) and not question.takes_all,
                None if question.level is Level.IMAGE_SET else len(group) - len(kept(group)),
            )
    return found


def study(items: Sequence[Item], question: Question, row: Row) -> set[str]:
    """The image sets of a row's study, by looking at every entry."""
    key = key_of(row.entries[0], Level.STUDY)
    group = [item for item in items if key_of(item, Level.STUDY) == key]
    kept = [item for item in group if question.takes_all or not is_left_out(item)]
    return {item["ImageSet"]["S"] for item in kept or group}


def said(row: Row) -> tuple[Any, ...] | None:
    """What a row says of its whole, as `rows` has it; None if it leaves the counts out."""
    counts = row.counts
    if counts is None:
        return None
    return (
        counts.image_sets,
        counts.instances,
        row.modalities,
        row.possible,
        row.only_non_primary,
        row.non_primary,
    )
