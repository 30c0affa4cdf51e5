"""What a deployment would change, as far as a person decides on it: a page, and not each property of each graph."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from deploy import grants
from deploy.template import Template

_WIDTH: Final = 80


def of_new(wanted: Template) -> str:
    """What a first deployment makes."""
    names = _paths(wanted.resources)
    allowed = {each for each in grants.grants(wanted.resources, names) if each.effect == "Allow"}
    counts = Counter(each["Type"].removeprefix("AWS::") for each in wanted.resources.values())
    kinds = [f"{count} {kind}" for kind, count in counts.most_common()]
    return _page(
        ("Settings", [f"{name}: {value}" for name, value in wanted.settings.items()]),
        (f"New: {len(wanted.resources)} resources", [", ".join(kinds)]),
        ("Permissions", grants.in_words(allowed)),
        ("Kept when the stack is deleted", _kept(wanted.resources, names)),
    )


def of_update(deployed: Template, wanted: Template) -> str:
    """What an update changes; empty if nothing of the resources and settings."""
    old, new = deployed.resources, wanted.resources
    # One deployed by another program has no paths.
    names = _paths({**old, **new})
    before, after = grants.grants(old, names), grants.grants(new, names)
    removed = {name: each for name, each in old.items() if name not in new}
    kept = {name: each for name, each in removed.items() if _is_kept(each)}
    kept_before = _kept({name: each for name, each in old.items() if name in new}, names)
    kept_after = _kept(new, names)
    return _page(
        ("Settings", _settings(deployed.settings, wanted.settings)),
        ("New", [_line(names[name], each) for name, each in new.items() if name not in old]),
        ("Changed", _changed(old, new, names)),
        ("Removed", [_line(names[name], each) for name, each in removed.items() if name not in kept]),
        ("Not of the stack any more, but kept", [_line(names[name], each) for name, each in kept.items()]),
        ("Permissions that are added", grants.in_words(after - before)),
        ("Permissions that are taken away", grants.in_words(before - after)),
        ("Kept when the stack is deleted, as of now", [each for each in kept_after if each not in kept_before]),
        ("Deleted with the stack, as of now", [each for each in kept_before if each not in kept_after]),
    )


def _settings(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name, "none"), new.get(name, "none")
        # A template of an older version has no settings.
        if old and before != after:
            yield f"{name}: {before} -> {after}"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    for name in (name for name in new if name in old):
        before, after = old[name], new[name]
        properties = [each.get("Properties", {}) for each in (before, after)]
        parts = [each for each in dict.fromkeys((*properties[0], *properties[1])) if _differ(each, *properties)]
        parts += [each for each in ("DeletionPolicy", "UpdateReplacePolicy") if _differ(each, before, after)]
        if parts:
            yield f"{_line(names[name], after)}: {', '.join(parts)}"


def _differ(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one.get(name) != other.get(name))


def _kept(resources: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    return [_line(names[name], each) for name, each in resources.items() if _is_kept(each)]


def _is_kept(resource: Mapping[str, Any]) -> bool:
    return str(resource.get("DeletionPolicy", "")).startswith("Retain")


def _line(name: str, resource: Mapping[str, Any]) -> str:
    return f"{resource['Type'].removeprefix('AWS::')} {name}"


def _paths(resources: Mapping[str, Any]) -> dict[str, str]:
    """The paths of the resources' constructs in the app; where there is none, the name in the template."""
    paths = {name: each.get("Metadata", {}).get("aws:cdk:path", name) for name, each in resources.items()}
    return {name: whole.partition("/")[2].removesuffix("/Resource") or name for name, whole in paths.items()}


def _page(*parts: tuple[str, Iterable[str]]) -> str:
    """The parts that have lines, each with its heading."""
    lines: list[str] = []
    for heading, content in parts:
        for number, text in enumerate(content):
            lines += [f"\n{heading}:"] if number == 0 else []
            lines += textwrap.wrap(
                text,
                _WIDTH,
                initial_indent="  ",
                subsequent_indent="      ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines)
