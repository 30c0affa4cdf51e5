"""From the options to the question: conditions, days, the values of a file, and what the answer's rows must have."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from cli.output import Misuse
from cli.search import days
from cli.search.values_of_a_file import Values
from imaging_index.searching.grammar import listed, parse
from imaging_index.searching.names import find
from imaging_index.searching.question import BUDGET, Order, Question

if TYPE_CHECKING:
    from datetime import date

    from cli.search.options import Options
    from imaging_index.profile.privacy import Privacy
    from imaging_index.profile.profile import Profile
    from imaging_index.searching.matching import Condition


class Asked(NamedTuple):
    """The conditions of a question, the values of a file that one of them is on, and the day that `today` meant."""

    conditions: tuple[Condition, ...]
    values: Values | None
    today: date | None

    def question(self, options: Options, datastores: tuple[str, ...]) -> Question:
        """The whole question, to some data stores."""
        everything = options.count or self.values is not None
        return Question(
            datastores=datastores,
            conditions=self.conditions,
            level=options.level,
            order=options.order,
            reverse=options.reverse,
            limit=None if everything else options.limit,
            cursor=options.cursor,
            budget=None if options.scan else BUDGET,
            all_copies=options.all_copies,
            index=options.index,
        )


def ask(options: Options, profile: Profile, privacy: Privacy | None = None) -> Asked:
    """What the options ask; with `privacy`, of hashed and mapped attributes in the clear.

    Raises:
        Misuse: an option or a file cannot be read.
        SearchError: a condition is invalid.
    """
    now = datetime.now().astimezone()
    today = now.date()
    texts = [text for text in options.conditions if not listed(text)]
    files = [found for text in options.conditions if (found := listed(text))]
    if len(files) > 1:
        raise Misuse("Give the values of one file at a time, in one condition with @.")
    conditions = parse(texts, profile, today, exact=options.exact, privacy=privacy)
    if options.arrived is not None or options.order is Order.ARRIVED:
        find("FirstIndexedAt", profile)
    if options.first_day is not None or options.last_day is not None:
        parse(["StudyDate=*"], profile, today, privacy=privacy)
    conditions += days.of_studies(options.first_day, options.last_day, profile, today)
    conditions += days.of_arrival(options.arrived, now)
    values = Values.of(*files[0], profile, today, exact=options.exact, privacy=privacy) if files else None
    if values:
        conditions.append(values.condition)
    _check_each_once(conditions, options, values)
    of_options = (options.first_day, options.last_day, options.arrived)
    named = days.names_today(texts, of_options, profile)
    return Asked(tuple(conditions), values, today if named else None)


def _check_each_once(conditions: list[Condition], options: Options, values: Values | None) -> None:
    """Check that no option or file is on an attribute that a condition is on as well."""
    names = [each.attribute for each in conditions if not each.negated]
    dated = options.first_day is not None or options.last_day is not None
    for name, option, given in (
        ("StudyDate", "--from and --to", dated),
        ("FirstIndexedAt", "--arrived", options.arrived is not None),
        (values.condition.attribute if values else "", "a file", values is not None),
    ):
        if given and names.count(name) > 1:
            raise Misuse(f"There is a condition on {name} besides {option}; write one of the two.")
