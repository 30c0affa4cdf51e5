"""Writes into CONTRIBUTING.md who imports whom, and what each module is. Run it when an import or a module was added,
moved or described anew: `python -m tools.floors`.

pyproject.toml's contracts say what may import what, and `make lint` checks them. The pictures are made from the imports
themselves. An arrow that follows from others is left out: if A imports B and B imports C, there is none from A to C.
"""

import ast
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import grimp

ROOT: Final = Path(__file__).parent.parent
FILE: Final = ROOT / "CONTRIBUTING.md"

_BEGIN: Final = "<!-- by python -m tools.floors -->\n"
_END: Final = "<!-- end -->\n"


def modules() -> str:
    """The modules of the functions' package as a Markdown table, each with the first line of its docstring."""
    package = ROOT / "lambda" / "imaging_index"
    files = [file for file in package.rglob("*.py") if file.name != "__init__.py"]
    rows = [
        f"| {file.relative_to(package).as_posix()} | {_first_line(file)} |"
        for file in sorted(files, key=lambda file: (file.parent != package, file))
    ]
    return "\n".join(("| module | |", "| --- | --- |", *rows, ""))


def rooms() -> str:
    """The other programs' modules as a Markdown table, by folder."""
    programs = [ROOT / name for name in ("infra", "deploy", "local", "cli", "bench", "proof", "tools")]
    inside = [folder for program in programs for folder in (program, *sorted(program.rglob("*/")))]
    names = {folder: sorted(file.stem for file in folder.glob("[!_]*.py")) for folder in inside}
    rows = [f"| {folder.relative_to(ROOT).as_posix()}/ | {', '.join(held)} |" for folder, held in names.items() if held]
    return "\n".join(("| folder | modules |", "| --- | --- |", *rows, ""))


def contents() -> str:
    """All that CONTRIBUTING.md shows between the two marks."""
    return f"{modules()}\n{rooms()}\n{picture()}"


def _first_line(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").partition("\n")[0]


def picture() -> str:
    """Two Mermaid charts as Markdown: the programs, and the modules of the functions' package."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    graph = grimp.build_graph(*settings["root_packages"], cache_dir=None)
    return f"{_chart(settings['root_packages'], graph)}\n{_chart(graph.find_children('imaging_index'), graph)}"


def _chart(packages: Iterable[str], graph: grimp.ImportGraph) -> str:
    """A box for each module or package, with all that is inside it, above what it imports."""
    inside = {package: {package, *graph.find_descendants(package)} for package in sorted(packages)}
    imports: dict[str, set[str]] = {}
    for package, modules in inside.items():
        imported: set[str] = set().union(*map(graph.find_modules_directly_imported_by, modules))
        imports[package] = {other for other in inside if other != package and imported & inside[other]}
    lines = [
        f"    {_box(package)} --> {' & '.join(map(_box, sorted(below)))}"
        for package, below in _without_shortcuts(imports).items()
        if below
    ]
    return "\n".join(("```mermaid", "flowchart TD", *lines, "```", ""))


def _without_shortcuts(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The imports from which all others follow."""

    def below(package: str) -> set[str]:
        return imports[package].union(*map(below, imports[package]))

    return {package: direct - set().union(*map(below, direct)) for package, direct in imports.items()}


def _box(package: str) -> str:
    return package.rpartition(".")[2]


def main() -> None:
    """Write the table and the pictures between their two marks."""
    before, _, rest = FILE.read_text("utf-8").partition(_BEGIN)
    FILE.write_text(f"{before}{_BEGIN}{contents()}{_END}{rest.partition(_END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
