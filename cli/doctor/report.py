"""The report of `imaging-index doctor --live`, to attach to an issue: neither patient data nor ids are in it.

Findings contain no DICOM value. Ids, accounts and the stack's name are numbered or left out, so that nobody can tell
which hospital it is of, and one finding can still be compared with another.
"""

from __future__ import annotations

import json
import platform
import re
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import botocore
from botocore.exceptions import BotoCoreError, ClientError

import imaging_index
from infra import indexes as typed_indexes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cli.deployed import Stack
    from cli.doctor.finding import Finding

# Ids of data stores, image sets and jobs; of keys and mappings; of accounts.
_IDS: Final = re.compile(r"\b(?:[0-9a-z]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{12})\b")

# CloudFormation leaves at least so much of a stack's name in the names that it makes.
_LEAST: Final = 8


def of(stack: Stack, findings: Iterable[tuple[str, Finding]], seconds: Mapping[str, float]) -> str:
    """The report as JSON.

    Args:
        stack: the stack that was examined.
        findings: what was found, each with its part.
        seconds: how long each step of the self-test took.
    """
    told = {
        "imagingIndex": imaging_index.__version__,
        "python": platform.python_version(),
        "botocore": botocore.__version__,
        "region": stack.session.region_name,
        "partition": stack.description["StackId"].split(":")[1],
        **_made(stack),
        "seconds": {step: round(took, 1) for step, took in seconds.items()},
        "findings": [{"part": part} | asdict(finding) for part, finding in findings],
    }
    words = _names(stack) | dict.fromkeys((stack.name, stack.name.lower()), "<stack>")
    return _without_ids(json.dumps(told, indent=2), words) + "\n"


def _made(stack: Stack) -> dict[str, Any]:
    """How many resources of which types there are, and the table's indexes; nothing where AWS does not answer."""
    try:
        kinds = Counter(each["ResourceType"] for each in stack.resources.values())
        table: Any = stack.session.client("dynamodb").describe_table(TableName=stack.outputs["TableName"])["Table"]
    except (ClientError, BotoCoreError):
        return {}
    indexes = {
        name: {"partition": [key for key, _ in index.partition], "sort": [key for key, _ in index.sort]}
        for name, index in typed_indexes.of_table(table).items()
    }
    return {"resources": dict(sorted(kinds.items())), "indexes": indexes}


def _names(stack: Stack) -> dict[str, str]:
    """The names that CloudFormation has made of the stack's own, each with a word for it.

    They have the stack's name cut, or in lower case, as the service demands.
    """
    try:
        found = {name: re.split("[/:]", each["PhysicalResourceId"])[-1] for name, each in stack.resources.items()}
    except (ClientError, BotoCoreError):
        return {}
    beginning = stack.name[:_LEAST].lower()
    return {made: f"<{name}>" for name, made in found.items() if made.lower().startswith(beginning)}


def _without_ids(text: str, words: Mapping[str, str]) -> str:
    """The text with each id replaced by a number of its own, and each of some names by a word."""
    numbers: dict[str, int] = {}
    for name in sorted(words, key=len, reverse=True):
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", words[name], text)
    return _IDS.sub(lambda found: f"<id {numbers.setdefault(found[0], len(numbers) + 1)}>", text)
