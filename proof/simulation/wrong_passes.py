"""Rules of a pass that look right and are wrong, each planted into the real code: `passes.py` has to expose them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from proof.simulation import passes
from proof.simulation.listed import TOKENS, Token
from proof.simulation.mutants import Mutant

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Rule:
    """A wrong rule: the changes of the code that make it, the settings that it needs, and where it shows.

    Some need a pass without the later stages, which find in another way what the first has missed.
    """

    name: str
    changes: tuple[Mutant, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    full: bool | None = None
    tokens: tuple[Token, ...] = TOKENS
    near: int = 0  # a seed not long before the one that exposes it, where that is a late one

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The code is wrong for this long."""
        with ExitStack() as stack:
            for change in self.changes:
                stack.enter_context(change.planted())
            yield

    def exposed(self, seeds: int, first: int = 0) -> str:
        """What a seed from `first` to `seeds` has exposed; empty for nothing."""
        with self.planted():
            for seed in range(first, seeds):
                for token in self.tokens:
                    if violation := passes.run(seed, token, self.settings, full=self.full):
                        return violation
        return ""


def _change(module: str, function: str, *changes: tuple[str, str]) -> Mutant:
    return Mutant(function, f"imaging_index.{module}", function, changes)


_BY_TOKEN: Final = _change("reconciling.lanes", "turned", ("if lowest < lane.cursor:", "if False:"))
_WATERMARK: Final = "max(checkpoint.watermark or one.began, one.began)"
_LOW: Final = "min(checkpoint.watermark or began, began) - settings.overlap"
_NEW_IF_NOT_INDEXED_SINCE: Final = (
    "None if known and listed.updated and not known.head.tombstone "
    'and (known.head.first_indexed_at or "") > f"{listed.updated:%Y-%m-%dT%H:%M:%S.%fZ}" else comparing.difference('
)

RULES: Final = (
    Rule("HealthImaging's token alone", (_BY_TOKEN,), full=False, tokens=("offset",), near=860),
    Rule(
        "oldest first",
        (_BY_TOKEN, _change("healthimaging", "HealthImaging.listing", ('"sortOrder": "DESC"', '"sortOrder": "ASC"'))),
        full=False,
        tokens=("offset",),
    ),
    Rule(
        "the end of a pass is the watermark",
        (_change("reconciling.run", "Run._finish", (_WATERMARK, "ended")),),
        full=False,
    ),
    Rule(
        "the greatest updatedAt is the watermark",
        (
            _change(
                "reconciling.listing",
                "compare",
                (
                    "mending.commit()",
                    "mending.commit(); one.after = max([one.after, "
                    "*(each.updated.isoformat() for each in page.image_sets if each.updated)])",
                ),
            ),
            _change(
                "reconciling.run",
                "Run._finish",
                (
                    _WATERMARK,
                    'datetime.fromisoformat(one.after) if "T" in one.after else checkpoint.watermark or one.began',
                ),
            ),
            _change("reconciling.run", "Run._begin", (_LOW, "(checkpoint.watermark or began)")),
        ),
        full=False,
    ),
    Rule(
        "no overlap",
        (_change("reconciling.run", "Run._begin", (_LOW, "(checkpoint.watermark or began)")),),
        full=False,
    ),
    Rule(
        "a grace beyond the overlap",
        (_change("reconciling.settings", "Settings.__post_init__", ("self.grace >= self.overlap", "False")),),
        {"grace": timedelta(seconds=passes.OVERLAP + 4)},
        full=False,
    ),
    Rule(
        "times are compared",
        (
            _change("table.reconciling", "ReconcilingTable.known", ("_OF_A_HEAD}", '_OF_A_HEAD + ", IndexedAt"}')),
            _change(
                "table.reconciling",
                "_known",
                ("head_of(item)", 'head_of({**item, "FirstIndexedAt": item["IndexedAt"]})'),
            ),
            _change("reconciling.mending", "Mending.compare", ("comparing.difference(", _NEW_IF_NOT_INDEXED_SINCE)),
        ),
        full=False,
    ),
    Rule(
        "absence is believed",
        (_change("reconciling.ghosts", "ask", ('elif state.state != "DELETED":', "elif False:")),),
        full=True,
    ),
    Rule(
        "the cursor and the digest are saved apart",
        (
            _change(
                "table.checkpoints",
                "Checkpoints.save",
                (
                    "attempt, pieces = stored.attempt, stored.pieces",
                    "stored = stored if digest is None else self.save(datastore_id, stored, digest=None); "
                    "attempt, pieces = stored.attempt, stored.pieces",
                ),
            ),
        ),
        full=True,
        near=940,
    ),
)
