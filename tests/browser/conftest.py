"""A browser without a screen, for tests of pages: Debian's chromium, driven by playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from infra.config import ROOT

# With this variable, docs/pictures/ gets the pictures that tests make. Without it they are not kept.
PICTURES: Final = "IMAGING_INDEX_PICTURES"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS: Final = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    # WebGL without a graphics processor, as viewers need it.
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running chromium; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("there is no chromium on the PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(executable_path=found, args=[*_OPTIONS])
        except Error as error:
            pytest.skip(f"chromium does not start: {error.message.splitlines()[0]}")
        yield running
        running.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """An empty tab with a profile of its own. The test fails if a script fails in it or the page's policy is broken."""
    complaints: list[str] = []
    with browser.new_context(accept_downloads=True) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
        yield page
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[Page, str], None]:
    """Makes a picture of a tab, by its name."""
    folder = ROOT / "docs" / "pictures" if PICTURES in os.environ else tmp_path

    def make(page: Page, name: str) -> None:
        page.screenshot(path=folder / f"{name}.png", animations="disabled")

    return make
