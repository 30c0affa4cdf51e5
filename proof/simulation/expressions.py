"""DynamoDB's condition and update expressions, as far as the package writes any."""

import re
from collections.abc import Mapping
from typing import Any, Final

_TERM: Final = re.compile(r"(attribute_not_exists)\((\w+)\)|(\w+) (<=|<|=) (:\w+)")
_CLAUSE: Final = re.compile(r"(SET|ADD|REMOVE) (.*?)(?= (?:SET|ADD|REMOVE) |$)")


def holds(condition: str, item: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a condition holds of an item, which is empty if there is none. Terms are joined by OR."""
    return any(_term(term, item, values) for term in condition.split(" OR "))


def _term(term: str, item: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    match = _TERM.fullmatch(term)
    assert match, term
    if match[1]:
        return match[2] not in item
    if match[3] not in item:
        return False
    ((kind, stands),), ((wanted_kind, wanted),) = item[match[3]].items(), values[match[5]].items()
    assert kind == wanted_kind, term
    if kind == "N":
        stands, wanted = int(stands), int(wanted)
    return bool(stands == wanted if match[4] == "=" else stands < wanted or (match[4] == "<=" and stands == wanted))


def updated(expression: str, item: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The item after an update."""
    result = dict(item)
    clauses = _CLAUSE.findall(expression)
    assert " ".join(f"{verb} {rest}" for verb, rest in clauses) == expression, expression
    for verb, rest in clauses:
        for each in rest.split(", "):
            if verb == "SET":
                name, value = each.split(" = ")
                result[name] = values[value]
            elif verb == "ADD":
                name, value = each.split(" ")
                result[name] = {"N": str(int(result.get(name, {"N": "0"})["N"]) + int(values[value]["N"]))}
            else:
                result.pop(each, None)
    return result
