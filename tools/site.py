"""`make docs`: builds the pages of docs/ as a site into build/site/. Neither building nor reading it needs a network.

A link from a page to something outside docs/ works on GitHub. For the site its target is copied too, into repository/:
Markdown as a page, a folder as its README or as a list of its files.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs"
PAGES: Final = ROOT / "build" / "pages"
SITE: Final = ROOT / "build" / "site"
# What draws the diagrams in the browser: the Makefile takes it out of its npm package. Without it, pages would load it
# from elsewhere.
MERMAID: Final = ROOT / "build" / "mermaid.min.js"
_MERMAID_SHA256: Final = "336df803d87a38b70a01e736e666c8f7601d2ce42f5e47c8fafe5d721074b9a3"

# A fenced block, code within a line, or the target of a link, which is not looked for in the other two.
_LINK: Final = re.compile(r"^ *```.*?^ *```|`[^`\n]+`|(?<=\]\()[^()\s]+(?=\))", re.MULTILINE | re.DOTALL)


class SiteError(RuntimeError):
    """The site has broken links, or loads something from elsewhere. The message says where."""


def collect(folder: Path) -> None:
    """Copy docs/ and everything that its pages link to into a folder, and adapt the links.

    Raises:
        SiteError: a link leads to a file that is not in the repository.
    """
    shutil.rmtree(folder, ignore_errors=True)
    waiting = sorted(file for file in DOCS.rglob("*") if file.is_file())
    seen = set(waiting)
    while waiting:
        file = waiting.pop()
        target = folder / _place(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            text, linked = _listing(file)
        elif file.suffix == ".md":
            text, linked = _led(file)
        else:
            shutil.copy(file, target)
            continue
        target.write_text(text, "utf-8")
        waiting += linked - seen
        seen |= linked


def _place(file: Path) -> Path:
    """The place of a file of the repository among the site's pages."""
    if file.is_relative_to(DOCS) and file.is_file():
        return file.relative_to(DOCS)
    place = Path("repository") / file.relative_to(ROOT)
    if file.is_dir():
        return place / "index.md"
    return place.with_name("index.md") if file.name == "README.md" else place


def _led(page: Path) -> tuple[str, set[Path]]:
    """A page's text with its links adapted to the site, and the files that they link to."""
    linked: set[Path] = set()

    def lead(match: re.Match[str]) -> str:
        link = match[0]
        if link.startswith(("`", " ", "#")) or urlsplit(link).scheme:
            return link
        path, mark, anchor = link.partition("#")
        file = (page.parent / unquote(path)).resolve()
        if not file.is_relative_to(ROOT) or not file.exists():
            raise SiteError(f"{page.relative_to(ROOT)} links to {link}, which does not exist")
        if (file / "README.md").is_file():
            file /= "README.md"
        linked.add(file)
        return f"{_relative(file, page)}{mark}{anchor}"

    return _LINK.sub(lead, page.read_text("utf-8")), linked


def _listing(folder: Path) -> tuple[str, set[Path]]:
    """A page with a link to each file of a folder, and the files."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    lines = [f"- [{file.name}]({_relative(file, folder)})" for file in files]
    return "\n".join((f"# {folder.relative_to(ROOT)}/", "", *lines, "")), set(files)


def _relative(file: Path, page: Path) -> str:
    """The relative path from a page of the site to a file in it."""
    return os.path.relpath(_place(file), _place(page).parent)


def _add_mermaid(folder: Path) -> None:
    if hashlib.sha256(MERMAID.read_bytes()).hexdigest() != _MERMAID_SHA256:
        raise SiteError(
            f"{MERMAID} does not match the hash in tools/site.py. Remove it, and `make docs` downloads it again."
        )
    shutil.copy(MERMAID, folder)


def check(site: Path) -> None:
    """Check each page of a site as a browser sees it.

    Raises:
        SiteError: a link leads to a missing file or a missing place in a page, or something is loaded from elsewhere.
    """
    pages = {file: _Page(file) for file in site.rglob("*.html")}
    wrong = []
    for file, page in pages.items():
        where = file.relative_to(site)
        wrong += [f"{where} loads {each}" for each in page.loads if urlsplit(each).netloc]
        for link in page.links | page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            # A path from the root, as the page for "not found" has them, since it is shown anywhere.
            base = site if parts.path.startswith("/") else file.parent
            target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                wrong.append(f"{where} links to {link}, which does not exist")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                wrong.append(f"{where} links to {link}, where there is no such place")
    if wrong:
        raise SiteError("\n".join(sorted(wrong)))


class _Page(HTMLParser):
    """The links of a page, what it loads, and the places in it that a link can name."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.places: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser for each element."""
        values = {name: value for name, value in attrs if value}
        self.places |= {values[name] for name in ("id", "name") if name in values}
        if "src" in values:
            self.loads.add(values["src"])
        if "href" in values:
            (self.links if tag == "a" else self.loads).add(values["href"])


def main() -> int:
    """Build and check the site."""
    try:
        collect(PAGES)
        _add_mermaid(PAGES)
        shutil.rmtree(SITE, ignore_errors=True)
        subprocess.run([Path(sys.executable).with_name("zensical"), "build", "--strict"], cwd=ROOT, check=True)
        check(SITE)
    except (SiteError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
