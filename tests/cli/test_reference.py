"""The pages document every command, option and setting, and none that does not exist."""

import json
import re
from collections.abc import Iterator
from inspect import get_annotations
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.examples import EXAMPLES
from cli.main import application
from infra.config import ROOT, Settings

COMMANDS = (ROOT / "docs" / "commands.md").read_text("utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])

_CODE = re.compile(r"^ *```\w*\n(.*?)^ *```|`([^`]+)`", re.MULTILINE | re.DOTALL)


def commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Each command that is not a group of commands, by the words after `imaging-index`."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, each in command.commands.items():
        yield from commands(each, *path, name)


def options(command: Any) -> dict[str, Any]:
    """The options of a command by their names."""
    return {name: each for each in command.params if each.param_type_name == "option" for name in each.opts}


ROOT_COMMAND = typer.main.get_command(application)
ALL = dict(commands(ROOT_COMMAND))


def section(heading: str) -> str:
    return COMMANDS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[tuple[str, str]]:
    """Name and default of each row of the tables that list options or settings."""
    return re.findall(r"^\| `(--[\w-]+|\w+)` \| ([^|]+?) \| [^|]+ \|$", text, re.MULTILINE)


def code(text: str) -> Iterator[str]:
    """The commands in a page, each without its comment."""
    for block, span in _CODE.findall(text.replace("\\\n", " ")):
        for line in block.splitlines() or [span]:
            yield line.partition(" #")[0]


def unknown(line: str) -> Iterator[str]:
    """The words of a line's `imaging-index` commands that are neither a command nor one of its options."""
    for words in re.findall(r"(?<![\w-])imaging-index((?: +[^\s|;&)]+)*)", line):
        command: Any = ROOT_COMMAND
        for word in words.split():
            if hasattr(command, "commands") and not word.startswith("-"):
                if word not in command.commands:
                    yield word
                    break
                command = command.commands[word]
            elif word.startswith("--") and word.partition("=")[0] not in {*options(command), "--help"}:
                yield word


def default(option: Any) -> str | None:
    """The default that the page must state for an option; None when any text will do."""
    if option.required:
        return "required"
    if option.is_flag:
        return "off"
    if option.default is None:
        return None
    return f"`{option.default}`" if isinstance(option.default, str) else str(option.default)


def test_every_command_has_a_section_and_every_section_is_of_a_command() -> None:
    assert {*re.findall(r"^## (.*)$", COMMANDS, re.MULTILINE)} == ALL.keys()
    for name in ALL:
        assert f"`imaging-index {name}" in section(name)
    for name in options(ROOT_COMMAND):
        assert f"`imaging-index {name}`" in COMMANDS


@pytest.mark.parametrize("name", ALL)
def test_the_section_of_a_command_has_each_of_its_options_with_the_default_and_no_other(name: str) -> None:
    documented = dict(rows(section(name)))
    there = options(ALL[name])
    assert documented.keys() == there.keys()
    for option, said in documented.items():
        assert default(there[option]) in (None, said), option


def groups(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Each group of commands, by the words after `imaging-index`."""
    if hasattr(command, "commands"):
        yield " ".join(path), command
        for name, each in command.commands.items():
            yield from groups(each, *path, name)


def test_every_help_ends_with_examples_of_commands_and_options_that_exist() -> None:
    everything = ALL | dict(groups(ROOT_COMMAND))
    assert everything.keys() == EXAMPLES.keys()
    for name, command in everything.items():
        heading, *lines = command.epilog.split("\n\n")
        assert (heading, lines) == ("Examples:", list(EXAMPLES[name]))
        for line in lines:
            assert f"imaging-index {name}".strip() in line
            assert not [*unknown(line)], line
            assert len(line) <= 76, f"{line} is folded on 80 columns"


@pytest.mark.parametrize("name", ["", *ALL])
def test_help_has_a_short_option(name: str) -> None:
    ended = CliRunner().invoke(application, [*name.split(), "-h"], env={"COLUMNS": "80"})
    assert ended.exit_code == 0
    assert EXAMPLES[name][-1] in ended.stdout


def test_every_setting_has_a_row_and_every_row_is_a_setting() -> None:
    def camel(name: str) -> str:
        first, *others = name.split("_")
        return first + "".join(map(str.title, others))

    assert {name for name, _ in rows(SETTINGS)} == {camel(name) for name in get_annotations(Settings)}


def test_the_default_of_a_setting_is_that_of_cdk_json() -> None:
    documented = dict(rows(SETTINGS))
    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    for name in documented.keys() & context.keys():
        value = context[name]
        if value not in ("", {}):
            assert documented[name] == (f"`{value}`" if isinstance(value, str) else str(value))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_no_command_option_or_setting_that_does_not_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    known = {"--help", *(option for command in ALL.values() for option in options(command))}
    settings = {name for name, _ in rows(SETTINGS)}
    for line in code(text):
        assert not [*unknown(line)], line
        # An option without a command before it is one of imaging-index.
        if line.startswith("--"):
            assert line.split()[0].partition("=")[0] in known, line
        assert {*re.findall(r"(?<![\w-])-c (\w+)=", line)} <= settings | {"name"}, line
