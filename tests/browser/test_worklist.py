"""The work list in a browser, with answers that are made up; test_worklist_of_a_stack.py has real ones."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from cli.web.files import page
from cli.web.server import WebServer
from imaging_index.qido.http import Request, Response
from infra.config import ROOT

PAGE = ROOT / "web" / "index.html"
STORE = "0123456789abcdef0123456789abcdef"
HOSTILE = '<img src=x onerror="document.title=\'taken\'"><script>document.title="taken"</script>'
Answers = dict[str, Any]


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": [*values]} if values else {"vr": vr}


def study(number: int, **more: Any) -> dict[str, Any]:
    """A study of QIDO-RS; what its keywords are is in the page's own tables."""
    values = {
        "00080020": element("DA", f"202401{number % 28 + 1:02}"),
        "00080030": element("TM", "081500"),
        "00080050": element("SH", f"ACC{number}"),
        "00080061": element("CS", "CT", "SR") if number % 3 else element("CS", "MR"),
        "00081030": element("LO", "CT of the chest" if number % 3 else "MR of the brain"),
        "00100010": element("PN", {"Alphabetic": f"Doe^Jane {number}"}),
        "00100020": element("LO", f"PID{number}"),
        "00100030": element("DA", "19700102"),
        "00100040": element("CS", "F"),
        "0020000D": element("UI", f"1.2.3.{number}"),
        "00201206": element("IS", 2),
        "00201208": element("IS", 60),
        "00990010": element("LO", "IMAGING INDEX"),
        "00991001": element("LO", STORE),
    }
    return values | more


SERIES = {
    "00080060": element("CS", "CT"),
    "0008103E": element("LO", "thin"),
    "00200011": element("IS", 4),
    "00201209": element("IS", 59),
    "00991001": element("LO", STORE),
    "00991002": element("LO", "a" * 32, "b" * 32),
    "00991003": element("IS", 3, 1),
    "00991004": element("CS", "YES", "NO"),
    "0099100A": element("DT", "20240201101112.5+0000", "20240202101112.5+0000"),
}


class Index:
    """A server with the page and made-up answers.

    Attributes:
        asked: the paths and queries of the requests for studies or series, in their order.
        referrers: what requests said where they came from.
        studies: all that there are; a request gets those from its offset to its limit.
        series: the only one of each study.
        status, headers: of the answers about studies.
        message: of a refusal.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.referrers: set[str | None] = set()
        self.series: dict[str, Any] = dict(SERIES)
        self.studies = [study(number) for number in range(1, 6)]
        self.status = 200
        self.headers: dict[str, str] = {"X-Read-Units": "12.5"}
        self.message = ""
        self.address = ""

    def answer(self, request: Request) -> Response:
        query = dict(request.parameters)
        self.asked.append((request.path, query))
        self.referrers.add(request.headers.get("referer"))
        if request.path != "/studies":
            return Response(200, {"X-Read-Units": "12.5", "X-Total-Count": "1"}, json.dumps([self.series]).encode())
        if self.status != 200:
            found: Any = {"message": self.message}
        else:
            offset = int(query["offset"])
            found = self.studies[offset : offset + int(query["limit"])]
        return Response(self.status, self.headers, json.dumps(found).encode())

    @property
    def question(self) -> dict[str, str]:
        """What was last asked."""
        return self.asked[-1][1]


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index()
    with WebServer() as server:
        server.mounts[""] = page(PAGE.read_text("utf-8"))
        server.mounts["dicomweb"] = made.answer
        made.address = server.address
        yield made


def answered(tab: Page) -> Any:
    """A context that ends when the index has answered what is asked in it."""
    return tab.expect_response(lambda response: "/dicomweb/" in response.url)


def rows(tab: Page) -> Any:
    return tab.locator("tbody tr.opens")


def test_the_page_is_small_and_of_one_file() -> None:
    text = PAGE.read_text("utf-8")
    assert len(text.encode()) <= 12_000
    assert not [word for word in ("http:", "https:", "import ", "innerHTML", "src=") if word in text]


def test_the_newest_studies_are_there_with_totals_and_what_they_cost(tab: Page, index: Index) -> None:
    index.headers["X-Total-Count"] = "5"
    tab.goto(index.address)
    expect(rows(tab)).to_have_count(5)
    expect(rows(tab).first).to_contain_text("2024-01-02 08:15")
    expect(rows(tab).first).to_contain_text("Doe^Jane 1")
    expect(tab.get_by_role("status")).to_have_text(
        "5 studies · 10 series · 300 instances · 12.5 read units ($0.0000016)"
    )
    assert index.question == {"limit": "100", "offset": "0"}


def test_the_fields_ask_as_qido_has_it(tab: Page, index: Index) -> None:
    tab.goto(index.address)
    expect(rows(tab)).to_have_count(5)
    tab.get_by_label("Patient's name").fill(" jan doe ")
    tab.get_by_label("Patient ID").fill("PID1")
    tab.get_by_label("Accession number").fill("ACC1")
    tab.get_by_label("From").fill("2024-01-02")
    tab.get_by_label("To", exact=True).fill("2024-01-31")
    tab.get_by_label("Description").fill("chest")
    tab.get_by_label("Modality").fill("CT,MR")
    tab.get_by_label("Other attributes").fill("BodyPartExamined=CHEST&StationName=CT 1")
    tab.get_by_label("copies").check()
    tab.get_by_label("Order").select_option("newest arrival")
    with answered(tab):
        tab.get_by_role("button", name="Search", exact=True).click()
    assert index.question == {
        "PatientName": "jan doe",
        "fuzzymatching": "true",
        "PatientID": "PID1",
        "AccessionNumber": "ACC1",
        "StudyDate": "20240102-20240131",
        "StudyDescription": "*chest*",
        "ModalitiesInStudy": "CT,MR",
        "BodyPartExamined": "CHEST",
        "StationName": "CT 1",
        "allcopies": "true",
        "orderby": "-FirstIndexedAt",
        "limit": "100",
        "offset": "0",
    }
    tab.get_by_label("Description").fill("chest*")
    tab.get_by_label("From").fill("")
    with answered(tab):
        tab.get_by_label("Description").press("Enter")
    assert (index.question["StudyDescription"], index.question["StudyDate"]) == ("chest*", "-20240131")
    with answered(tab):
        tab.get_by_role("button", name="Clear").click()
    expect(tab).to_have_url(f"{index.address}#")
    assert index.question == {"limit": "100", "offset": "0"}


def test_the_question_is_in_the_fragment_of_an_address_that_can_be_copied(
    tab: Page, browser: Browser, index: Index
) -> None:
    sent: list[Any] = []
    tab.on("request", lambda request: sent.append(request))  # noqa: PLW0108  playwright marks the function
    tab.goto(index.address)
    expect(rows(tab)).to_have_count(5)
    tab.get_by_label("Patient's name").fill("müller & söhne #1")
    tab.get_by_label("From").fill("2024-01-02")
    tab.get_by_label("copies").check()
    with answered(tab):
        tab.get_by_label("Patient's name").press("Enter")
    asked = index.question
    with browser.new_context() as another:
        copied = another.new_page()
        copied.goto(tab.url)
        expect(rows(copied)).to_have_count(5)
        expect(copied.get_by_label("Patient's name")).to_have_value("müller & söhne #1")
        expect(copied.get_by_label("copies")).to_be_checked()
    assert index.question == asked
    # Another address typed into the same tab.
    tab.goto(f"{index.address}#PatientID=PID2")
    expect(tab.get_by_label("Patient ID")).to_have_value("PID2")
    expect(tab.get_by_label("Patient's name")).to_have_value("")
    assert not [each.url for each in sent if not each.url.startswith(index.address) and each.url[:5] != "data:"]
    assert index.referrers == {None}


def test_chips_count_the_modalities_and_ask_for_those_that_are_pressed(tab: Page, index: Index) -> None:
    tab.goto(index.address)
    chips = tab.get_by_role("group", name="Modalities").get_by_role("button")
    expect(chips).to_have_text(["CT 4", "MR 1", "SR 4"])
    index.studies = index.studies[:2]
    with answered(tab):
        chips.first.click()
    expect(chips).to_have_text(["CT 2", "SR 2"])
    expect(chips.first).to_have_attribute("aria-pressed", "true")
    expect(chips.first).to_be_focused()
    assert index.question["ModalitiesInStudy"] == "CT"
    with answered(tab):
        chips.last.press("Enter")
    expect(chips.last).to_have_attribute("aria-pressed", "true")
    expect(chips.last).to_be_focused()
    assert index.question["ModalitiesInStudy"] == "CT,SR"
    with answered(tab):
        chips.first.click()
    expect(chips.first).to_have_attribute("aria-pressed", "false")
    assert index.question["ModalitiesInStudy"] == "SR"


def test_a_study_opens_into_its_series_and_image_sets(tab: Page, index: Index) -> None:
    tab.goto(index.address)
    rows(tab).nth(1).click()
    below = tab.locator("tbody tr:not(.opens)")
    expect(below).to_contain_text("4 CT thin · 59 instances")
    expect(below).to_contain_text(f"{STORE}/{'a' * 32} · version 3 · arrived 2024-02-01 10:11 UTC")
    expect(below.locator("li").nth(0)).not_to_contain_text("not primary")
    expect(below.locator("li").nth(1)).to_contain_text("not primary")
    assert index.asked[-1] == (f"/datastore/{STORE}/studies/1.2.3.2/series", {"allcopies": "true"})
    expect(tab.get_by_role("status")).to_have_text(re.compile(r"^5 studies .* 25 read units"))
    rows(tab).nth(1).click()
    expect(below).to_have_count(0)
    before = len(index.asked)
    rows(tab).nth(1).click()
    expect(below).to_contain_text("thin")
    assert len(index.asked) == before


def test_marks_say_what_is_not_primary_in_conflict_or_not_certain(tab: Page, index: Index) -> None:
    index.studies = [
        study(1, **{"00991006": element("CS", "YES")}),
        study(2, **{"00991007": element("IS", 2), "00991008": element("LO", "PatientName", "PatientSex")}),
        study(3, **{"00991005": element("LO", "SliceThickness"), "00991007": element("IS", 0)}),
        study(4, **{"00991009": element("LO", "StudyDate")}),
        study(5),
    ]
    tab.goto(index.address)
    marks = ["not primary", "+2 not primary; conflict: PatientName, PatientSex", "possible: SliceThickness"]
    expect(rows(tab).locator("td:last-child")).to_have_text([*marks, "incomplete: StudyDate", ""])


def test_more_rows_come_behind_those_that_are_there(tab: Page, index: Index) -> None:
    index.studies = [study(number) for number in range(250)]
    index.headers["X-Total-Count"] = "250"
    tab.goto(index.address)
    more = tab.get_by_role("button", name="Show more")
    expect(tab.get_by_role("status")).to_contain_text("100 of 250 studies")
    more.click()
    expect(rows(tab)).to_have_count(200)
    more.click()
    expect(rows(tab)).to_have_count(250)
    expect(more).to_be_hidden()
    assert [query["offset"] for _, query in index.asked] == ["0", "100", "200"]
    patients = rows(tab).locator("td:nth-child(3)").all_text_contents()
    assert patients == [f"PID{number}" for number in range(250)]


def test_an_answer_that_its_budget_ended_says_how_far_it_read_and_goes_on_from_there(tab: Page, index: Index) -> None:
    warnings = '299 imaging-index "Only 20000 were read.", 299 imaging-index "2 are left out."'
    index.headers |= {"X-Read-Back-To": "20230704120000", "Warning": warnings}
    tab.goto(index.address)
    expect(tab.get_by_role("alert")).to_have_text("Only 20000 were read. 2 are left out.")
    expect(tab.get_by_role("status")).to_contain_text("read back to 2023-07-04")
    index.studies.append(study(6))
    index.headers = {"X-Total-Count": "6"}
    tab.get_by_role("button", name="Show more").click()
    expect(rows(tab)).to_have_count(6)
    expect(tab.get_by_role("alert")).to_be_empty()
    expect(tab.get_by_role("button", name="Show more")).to_be_hidden()
    assert index.question == {"limit": "100", "offset": "5"}


def test_a_budget_that_ended_without_a_row_does_not_look_like_no_studies(tab: Page, index: Index) -> None:
    index.status, index.message = 413, "Nothing was found in the newest 20,000 image sets. Give a range of dates."
    index.headers["X-Read-Back-To"] = "20230704120000"
    tab.goto(index.address)
    expect(tab.get_by_role("alert")).to_have_text(index.message)
    expect(tab.get_by_role("status")).to_contain_text("read back to 2023-07-04")
    expect(tab.get_by_role("table")).to_be_hidden()
    index.status = 200
    index.headers.pop("X-Read-Back-To")
    tab.get_by_role("button", name="Search further back").click()
    expect(rows(tab)).to_have_count(5)
    assert index.question["StudyDate"] == "-20230704"
    expect(tab.get_by_label("To", exact=True)).to_have_value("2023-07-04")
    expect(tab.get_by_role("alert")).to_be_empty()
    expect(tab.get_by_role("button", name="Search further back")).to_be_hidden()


@pytest.mark.parametrize("status", [400, 500, 502])
def test_a_refusal_is_shown_in_its_own_words(tab: Page, index: Index, status: int) -> None:
    index.status, index.message = status, f"The profile does not select {HOSTILE}."
    tab.goto(index.address)
    expect(tab.get_by_role("alert")).to_have_text(index.message)


def test_text_of_dicom_is_never_html(tab: Page, index: Index) -> None:
    hostile = {tag: element("LO", HOSTILE) for tag in ("00080050", "00080061", "00081030", "00100020", "00991008")}
    index.studies = [study(1, **hostile, **{"00100010": element("PN", {"Alphabetic": HOSTILE})})]
    index.headers["Warning"] = f'299 x "{HOSTILE}"'
    index.series["0008103E"] = element("LO", HOSTILE)
    tab.goto(f"{index.address}#PatientID={HOSTILE}")
    expect(rows(tab).locator("td:nth-child(2)")).to_have_text(HOSTILE)
    rows(tab).first.click()
    expect(tab.locator("section")).to_contain_text("onerror")
    expect(tab.locator("img, tbody script")).to_have_count(0)
    expect(tab.get_by_label("Patient ID")).to_have_value(HOSTILE)
    expect(tab).to_have_title("Work list")


def test_csv_has_what_is_seen_and_no_text_that_a_spreadsheet_takes_for_a_formula(
    tab: Page, index: Index, tmp_path: Path
) -> None:
    hostile = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", 'a "quote", and comma\r\nline']
    index.studies = [study(number, **{"00081030": element("LO", text)}) for number, text in enumerate(hostile)]
    tab.goto(index.address)
    expect(rows(tab)).to_have_count(5)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename == "studies.csv"
    download.value.save_as(tmp_path / "studies.csv")
    text = (tmp_path / "studies.csv").read_bytes().decode("utf-8-sig")
    head, *lines = csv.reader(io.StringIO(text, newline=""))
    assert head == tab.locator("th").all_text_contents()
    assert [line[6] for line in lines] == ["'=HYPERLINK(1)", "'+1", "'-1", "'@SUM(1)", hostile[4]]
    assert lines[0][:3] == ["2024-01-01 08:15", "Doe^Jane 0", "PID0"]


def test_everything_can_be_done_from_the_keyboard(tab: Page, index: Index) -> None:
    tab.goto(index.address)
    expect(rows(tab)).to_have_count(5)
    tab.keyboard.press("/")
    expect(tab.get_by_label("Patient's name")).to_be_focused()
    tab.keyboard.type("doe/")
    expect(tab.get_by_label("Patient's name")).to_have_value("doe/")
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(f"{index.address}#PatientName=doe%2F")
    expect(rows(tab)).to_have_count(5)
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.closest('td') !== null"):
            break
    openers = tab.locator("td button")
    expect(openers.first).to_be_focused()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowUp")
    expect(openers.nth(1)).to_be_focused()
    expect(openers.nth(1)).to_have_attribute("aria-expanded", "false")
    tab.keyboard.press("Enter")
    expect(openers.nth(1)).to_have_attribute("aria-expanded", "true")
    expect(tab.locator("section")).to_contain_text("thin")


def contrasts(tab: Page) -> list[float]:
    """The contrast of each element that has a text of its own with what is behind it (WCAG 2.2, 1.4.3)."""
    found: list[float] = tab.evaluate(
        """() => {
          const parts = color => color.match(/[\\d.]+/g).map(Number);
          const light = color => parts(color).slice(0, 3).map(each => each / 255)
            .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
            .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
          const behind = element => {
            for (let each = element; each; each = each.parentElement) {
              const color = getComputedStyle(each).backgroundColor;
              if (parts(color)[3] !== 0) return color;
            }
            return "rgb(255, 255, 255)";
          };
          return [...document.querySelectorAll("body *")]
            .filter(each => each.checkVisibility() && (each.matches("input") ||
              [...each.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())))
            .map(each => [light(getComputedStyle(each).color), light(behind(each))].sort((a, b) => b - a))
            .map(([high, low]) => (high + 0.05) / (low + 0.05));
        }"""
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colors_are_those_that_the_system_prefers_and_can_be_read(tab: Page, index: Index, scheme: Any) -> None:
    index.studies[1] |= {"00991007": element("IS", 2), "00991008": element("LO", "PatientName")}
    index.headers["Warning"] = '299 imaging-index "Not everything was read."'
    tab.emulate_media(color_scheme=scheme)
    tab.goto(f"{index.address}#ModalitiesInStudy=CT")
    rows(tab).nth(1).click()
    expect(tab.locator("section")).to_contain_text("thin")
    back = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 20, 25)"}[scheme]
    measured = contrasts(tab)
    assert len(measured) > 50
    assert min(measured) >= 4.5


def test_every_field_has_a_label_and_every_button_a_name(tab: Page, index: Index) -> None:
    tab.goto(index.address)
    expect(rows(tab)).to_have_count(5)
    for field in tab.locator("input, select").all():
        assert field.evaluate("each => each.labels.length") == 1
    assert all(each.strip() for each in tab.locator("button").all_text_contents())
    assert tab.locator("html").get_attribute("lang") == "en"
    for field in tab.locator("input, select, button:visible").all():
        field.focus()
        # Focus by a script is shown as focus by keys is, once a key was pressed.
        tab.keyboard.press("Shift")
        assert field.evaluate("each => getComputedStyle(each).outlineStyle") != "none"


def test_it_fits_the_width_of_a_phone(tab: Page, index: Index) -> None:
    tab.set_viewport_size({"width": 360, "height": 800})
    tab.goto(index.address)
    expect(rows(tab)).to_have_count(5)
    rows(tab).first.click()
    expect(tab.locator("section")).to_contain_text("thin")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    expect(tab.locator("thead")).to_be_hidden()
    assert rows(tab).first.locator("td").nth(2).evaluate("each => getComputedStyle(each, '::before').content") != "none"
    for field in tab.locator("input:not([type=checkbox]), form button").all():
        box = field.bounding_box()
        assert box is not None
        assert box["height"] >= 44


def test_an_answer_that_comes_late_does_not_replace_that_of_the_question_after_it(tab: Page, index: Index) -> None:
    tab.goto(index.address)
    expect(rows(tab)).to_have_count(5)

    held: list[Any] = []
    tab.route("**/*PatientID=*", lambda route: held.append(route))  # noqa: PLW0108  playwright marks the function
    for text in ("SLOW", "FAST"):
        tab.get_by_label("Patient ID").fill(text)
        tab.get_by_label("Patient ID").press("Enter")
    expect(rows(tab)).to_have_count(0)
    expect(tab.get_by_role("status")).to_have_text("Searching …")
    expect(tab.get_by_role("alert")).to_be_empty()
    slow, fast = held
    fast.continue_()
    expect(rows(tab)).to_have_count(5)
    slow.continue_()
    expect(tab).to_have_url(f"{index.address}#PatientID=FAST")
    expect(rows(tab)).to_have_count(5)
