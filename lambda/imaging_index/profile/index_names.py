"""The names of indexes in DynamoDB, made from the names in the profile, and back.

What an index holds cannot be changed, so another index must be made beside it before it is deleted (AWS CloudFormation
Template Reference, "AWS::DynamoDB::GlobalTable Projection"). Its name says what it is: the same profile makes the same
names in every stack, and an index that stays as it is keeps its name.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final

from imaging_index.profile.profile import Index

# DynamoDB API Reference, "GlobalSecondaryIndex".
LONGEST: Final = 255
_SUFFIX: Final = re.compile(r"\.[0-9a-f]{4}$")
LONGEST_DECLARED: Final = LONGEST - len(".0000")


def in_table(name: str, index: Index) -> str:
    """The name in DynamoDB of an index that is declared as `name`, such as `study.7c1e`.

    That of an index that holds whole entries is the declared one.
    """
    if index.holds is None:
        return name
    content = json.dumps([index.partition, index.sort, sorted(index.holds)])
    return f"{name}.{hashlib.sha256(content.encode()).hexdigest()[:4]}"


def of_all(indexes: Mapping[str, Index]) -> dict[str, str]:
    """The names in DynamoDB of declared indexes, by their declared names."""
    return {name: in_table(name, index) for name, index in indexes.items()}


def declared(name: str) -> str:
    """The declared name of an index, from its name in DynamoDB."""
    return _SUFFIX.sub("", name)
