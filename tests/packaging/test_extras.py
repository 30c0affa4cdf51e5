"""The extras of the package: they declare what is imported, and the command says which one is missing."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import Any

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cli import extras
from infra.config import ROOT

PROJECT: Any = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCAL_COMMANDS = ("cli.costing", "cli.demo", "cli.local")


def declared(*names: str) -> set[str]:
    """The distributions that the package requires with some extras, and with those that these name."""
    requirements = [*PROJECT["dependencies"]]
    for name in names:
        requirements += PROJECT["optional-dependencies"][name]
    found = set()
    for requirement in map(Requirement, requirements):
        if requirement.name == PROJECT["name"]:
            found |= declared(*requirement.extras)
        else:
            found.add(canonicalize_name(requirement.name))
    return found


def imported(module: str) -> set[str]:
    """The import packages of others that a module imports, by itself or through modules of this project."""
    below = {module, *GRAPH.find_descendants(module), *GRAPH.find_upstream_modules(module, as_package=True)}
    return {each for each in below if GRAPH.is_module_squashed(each)} - sys.stdlib_module_names


GRAPH = grimp.build_graph(
    "cli", "infra", "local", "exporting", "imaging_index",
    include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None,
)  # fmt: skip


def distributions(packages: set[str]) -> set[str]:
    by_package, ours = packages_distributions(), declared("local")

    def distribution(package: str) -> str:
        # Several have modules in `aws_cdk`.
        names = [canonicalize_name(each) for each in by_package[package]]
        return next((each for each in names if each in ours), names[0])

    return {distribution(package) for package in packages}


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("imaging_index", ()),
        ("infra", ("deploy",)),
        ("local", ("local",)),
        ("cli", ("local", "research")),
        ("exporting", ("research",)),
        *(
            (command, ("cli",))
            for command in ("cli.dead_letters", "cli.doctor", "cli.inspecting", "cli.profiles", "cli.search")
        ),
    ],
)
def test_what_is_imported_is_declared(module: str, names: tuple[str, ...]) -> None:
    used = imported(module)
    assert "msgspec" in used
    assert distributions(used) <= declared(*names)


def test_nothing_is_declared_that_is_not_imported() -> None:
    used = distributions(imported("cli") | imported("infra") | imported("local") | imported("imaging_index"))
    assert declared("local") - used == set()


def test_an_extra_is_there_when_all_that_it_requires_can_be_imported() -> None:
    base = declared()
    assert distributions(set(extras.IMPORTS["cli"])) == declared("cli") - base
    assert distributions(set(extras.IMPORTS["local"])) == declared("local") - declared("cli")
    assert distributions(set(extras.IMPORTS["research"])) == declared("research") - declared("cli") | {"boto3"}


def run(without: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command where one package is not installed."""
    code = f"import sys; sys.modules[{without!r}] = None; from cli.__main__ import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("extra", "package"), [(extra, each) for extra in extras.IMPORTS for each in extras.IMPORTS[extra]]
)
def test_an_extra_is_missing_when_one_package_of_it_is(
    extra: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert extras.installed(extra)
    monkeypatch.setitem(sys.modules, package, None)
    assert not extras.installed(extra)


@pytest.mark.parametrize("arguments", [[], ["search", "PatientID=1"]])
def test_without_the_extra_cli_every_command_is_one_sentence(arguments: list[str]) -> None:
    ended = run("typer", *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "imaging-index needs packages that are not installed. Install them: pip install 'imaging-index[cli]'\n"
    )


@pytest.mark.parametrize("arguments", [["demo", "--dicom", "scans"], ["local", "up"], ["cost", "--help"]])
def test_without_the_extra_local_the_commands_that_need_it_are_one_sentence(arguments: list[str]) -> None:
    ended = run("pydicom", *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"imaging-index {arguments[0]} needs packages that are not installed. "
        "Install them: pip install 'imaging-index[local]'\n"
    )


def test_without_the_extra_local_the_list_of_commands_says_how_to_get_them_all() -> None:
    ended = run("pydicom", "--help")
    assert ended.returncode == 0
    assert ended.stdout.count("pip install 'imaging-index[local]'") == 3


@pytest.mark.parametrize("arguments", [["export", "--to", "a.parquet"], ["sql", "SELECT 1"]])
def test_without_the_extra_research_the_commands_that_need_it_are_one_sentence(arguments: list[str]) -> None:
    ended = run("pyarrow", *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith("Install them: pip install 'imaging-index[research]'\n")
