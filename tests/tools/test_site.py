"""The site that `make docs` builds: its pages, its links and its navigation. The building itself is CI's job `docs`."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.config import ROOT
from tools import site

NAVIGATION: Any = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one page in docs/."""
    monkeypatch.setattr(site, "ROOT", tmp_path)
    monkeypatch.setattr(site, "DOCS", tmp_path / "docs")
    for name, text in {
        "docs/index.md": "# Pages\n",
        "profiles/one.toml": "revision = 1\n",
        "code.py": "pass\n",
        "NOTES.md": "See [the pages](docs/index.md) and [code](code.py).\n",
        "examples/README.md": "# Examples\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def test_every_link_of_every_page_leads_somewhere(tmp_path: Path) -> None:
    site.collect(tmp_path / "pages")


def test_every_page_is_in_the_navigation_and_only_pages_are(tmp_path: Path) -> None:
    site.collect(tmp_path)
    listed = list(_pages(NAVIGATION))
    assert len(listed) == len(set(listed))
    assert [page for page in listed if not (tmp_path / page).is_file()] == []
    assert {page.relative_to(site.DOCS).as_posix() for page in site.DOCS.rglob("*.md")} <= set(listed)


def test_what_a_page_links_to_outside_of_docs_comes_with_it(repository: Path) -> None:
    page = (
        "[notes](../NOTES.md#a) [profiles](../profiles/) [examples](../examples/) [web](https://example.org) [here](#b)"
    )
    (repository / "docs" / "index.md").write_text(page, "utf-8")

    site.collect(repository / "pages")

    assert _read(repository, "index.md") == (
        "[notes](repository/NOTES.md#a) [profiles](repository/profiles/index.md) "
        "[examples](repository/examples/index.md) [web](https://example.org) [here](#b)"
    )
    assert _read(repository, "repository/NOTES.md") == "See [the pages](../index.md) and [code](code.py).\n"
    assert _read(repository, "repository/code.py") == "pass\n"
    assert _read(repository, "repository/profiles/index.md") == "# profiles/\n\n- [one.toml](one.toml)\n"
    assert _read(repository, "repository/profiles/one.toml") == "revision = 1\n"
    assert _read(repository, "repository/examples/index.md") == "# Examples\n"


def test_what_looks_like_a_link_in_code_is_left_alone(repository: Path) -> None:
    page = "`a[0](b)`\n\n```sh\nx=[y](gone.md)\n```\n"
    (repository / "docs" / "index.md").write_text(page, "utf-8")
    site.collect(repository / "pages")
    assert _read(repository, "index.md") == page


@pytest.mark.parametrize("link", ["gone.md", "../gone.md", "gone.md#a", "../../elsewhere.md"])
def test_a_link_to_what_is_not_in_the_repository_is_an_error(repository: Path, link: str) -> None:
    (repository / "docs" / "index.md").write_text(f"See [this]({link}).\n", "utf-8")
    with pytest.raises(site.SiteError, match=r"docs/index\.md links to"):
        site.collect(repository / "pages")


@pytest.mark.parametrize(
    ("element", "complaint"),
    [
        ('<a href="gone.html">', "links to gone.html, which does not exist"),
        ('<a href="other.html#gone">', "links to other.html#gone, where there is no such place"),
        ('<a href="#gone">', "links to #gone, where there is no such place"),
        ('<img src="gone.svg">', "links to gone.svg, which does not exist"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "loads //example.org/x.css"),
    ],
)
def test_a_built_page_that_a_browser_could_not_show_whole_is_an_error(
    element: str, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "other.html").write_text('<h2 id="place">There</h2>', "utf-8")
    index = tmp_path / "index.html"
    index.write_text('<a href="other.html#place"><a href="/other.html"><a href="https://example.org/">', "utf-8")
    site.check(tmp_path)
    index.write_text(element, "utf-8")
    with pytest.raises(site.SiteError, match=complaint):
        site.check(tmp_path)


def _read(repository: Path, page: str) -> str:
    return (repository / "pages" / page).read_text("utf-8")


def _pages(entries: list[Any]) -> Iterator[str]:
    """The pages of a navigation, whose entries are pages, or lists of entries under a name."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
            continue
        for under in entry.values():
            yield from _pages(under if isinstance(under, list) else [under])
