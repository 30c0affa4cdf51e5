"""The function that announces, in a quiet world."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from proof.publishing.function import function, plugged
from proof.publishing.given import quiet
from proof.publishing.world import World


@pytest.fixture
def world() -> Iterator[World]:
    with plugged(made := quiet()):
        yield made


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The metrics by name, and the log's lines."""
    counts: Counter[str] = Counter()
    observability = function().observability

    class Metrics:
        @staticmethod
        def add_metric(name: str, unit: object, value: float) -> None:
            del unit
            counts[name] += round(value)

    class Logger:
        @staticmethod
        def warning(text: str, extra: Any) -> None:
            counts[f"{text}: {json.dumps(extra)}"] += 1

        error = warning

    monkeypatch.setattr(observability, "metrics", Metrics)
    monkeypatch.setattr(observability, "logger", Logger)
    return counts
