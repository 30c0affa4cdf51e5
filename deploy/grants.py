"""Who may do what under a template: every statement of every policy, one action at a time."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True, slots=True)
class Grant:
    """What one statement says of one action.

    Attributes:
        holder: the path of the construct whose policy it is.
        effect: Allow or Deny.
        who: the principals of the policy of a resource; empty in a policy of a role.
        resource: on what.
        condition: under which condition, if any.
        action: the action.
    """

    holder: str
    effect: str
    who: str
    resource: str
    condition: str
    action: str


def grants(resources: Mapping[str, Any], names: Mapping[str, str]) -> set[Grant]:
    """All that the resources of a template grant or deny.

    Args:
        resources: the resources by their names in the template.
        names: what to call them, by the same names.
    """
    found = set()
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        for statement in _statements(properties):
            found |= set(_of_statement(names[name], statement, names))
        if resource["Type"] == "AWS::Lambda::Permission":
            on, who = (_text(properties.get(each), names) for each in ("FunctionName", "Principal"))
            where = _text(properties.get("SourceArn", ""), names)
            found.add(Grant(names[name], "Allow", who, on, where, properties["Action"]))
        for policy in properties.get("ManagedPolicyArns", []) if resource["Type"] == "AWS::IAM::Role" else []:
            # Those of the stack appear with their statements.
            if "Ref" not in policy:
                found.add(Grant(names[name], "Allow", "", "all", "", f"all of {_text(policy, names)}"))
    return found


def in_words(changed: Iterable[Grant]) -> Iterator[str]:
    """A line for all actions of one holder on the same resources."""
    actions = defaultdict(list)
    for each in sorted(changed):
        actions[each.holder, each.effect, each.who, each.condition, each.resource].append(each.action)
    resources = defaultdict(list)
    for (*rest, resource), some in actions.items():
        resources[*rest, ", ".join(some)].append(resource)
    for (holder, effect, who, condition, together), on in resources.items():
        denied = "denies " if effect == "Deny" else ""
        to, under = f" to {who}" if who else "", f" if {condition}" if condition else ""
        yield f"{holder}: {denied}{together}{to} on {' and '.join(on)}{under}"


def _statements(value: Any) -> Iterator[Any]:
    """The statements of all policies that are anywhere in a resource's properties."""
    if isinstance(value, dict):
        if isinstance(statements := value.get("Statement"), (list, dict)):
            yield from statements if isinstance(statements, list) else [statements]
        else:
            for each in value.values():
                yield from _statements(each)
    elif isinstance(value, list):
        for each in value:
            yield from _statements(each)


def _of_statement(holder: str, statement: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Grant]:
    principals = statement.get("Principal", {})
    named = principals.values() if isinstance(principals, dict) else [principals]
    who = ", ".join(_text(each, names) for some in named for each in _all(some))
    condition = _text(statement["Condition"], names) if "Condition" in statement else ""
    for action in _all(statement.get("Action", statement.get("NotAction", []))):
        for resource in _all(statement.get("Resource", ["itself"])):
            what = f"all but {action}" if "NotAction" in statement else action
            yield Grant(holder, statement["Effect"], who, _text(resource, names), condition, what)


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any, names: Mapping[str, str]) -> str:
    """A value of a template as text; a reference is the path of what it refers to."""
    match value:
        case str():
            return value
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return names.get(name, "*" if name.startswith("AWS::") else name)
        case {"Fn::Join": [str(between), list(parts)]}:
            return between.join(_text(part, names) for part in parts)
        case dict():
            return ", ".join(f"{name} {_text(each, names)}" for name, each in value.items())
        case list():
            return " or ".join(_text(each, names) for each in value)
    return json.dumps(value)
