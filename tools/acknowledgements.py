"""Writes the accepted findings into docs/security.md. Run it when one was added: `python -m tools.acknowledgements`.

They come from the reports of some synths, which say what was found and accepted, where and why.
"""

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.config import ROOT
from infra.synthesis import make_app

FILE: Final = ROOT / "docs" / "security.md"

_BEGIN: Final = "<!-- by python -m tools.acknowledgements -->\n"
_END: Final = "<!-- end -->\n"

_STORE: Final = "0123456789abcdef0123456789abcdef"
_HASHING: Final = """\
revision = 1
attributes = ["PatientID"]
[privacy]
PatientID = "hash"
[indexes.patient]
partition = ["PatientID"]
sort = ["ImageSetId"]
"""
_WITHOUT_PACKAGE: Final[Mapping[str, object]] = {"region": "eu-central-1", "aws:cdk:bundling-stacks": []}


def table() -> str:
    """The accepted findings, as Markdown: of the stack as shipped, and of others with what settings can add."""
    with tempfile.TemporaryDirectory() as folder:
        hashing = Path(folder) / "hashing.toml"
        hashing.write_text(_HASHING, "utf-8")
        shipped = _accepted(Path(folder) / "shipped", {})
        other = _accepted(Path(folder) / "other", {"profile": str(hashing), "dataStores": json.dumps([{"id": _STORE}])})
        dicomweb = _accepted(Path(folder) / "dicomweb", {"dicomweb": "iam"})
        settings = {"events": "on", "studyStableMinutes": 30, "importOutputBuckets": ["import-output"]}
        events = _accepted(Path(folder) / "events", settings)
        documents = _accepted(Path(folder) / "documents", {"documents": "s3"})
        exports = _accepted(Path(folder) / "exports", {"exportDays": 7})
    every = (shipped, other, dicomweb, events, documents, exports)
    rows = ["| found | on | and stays, since | rules |", "| --- | --- | --- | --- |"]
    for found in sorted({found for each in every for found in each}, key=lambda found: (found[1], found)):
        what, where, why = found
        when = "" if found in shipped else " (a setting's)"
        rules = ", ".join(f"`{rule}`" for rule in sorted(set().union(*(each.get(found, ()) for each in every))))
        rows.append(f"| {what} | `{where}`{when} | {why} | {rules} |")
    return "\n".join(rows) + "\n"


def _accepted(folder: Path, settings: Mapping[str, object]) -> dict[tuple[str, str, str], set[str]]:
    """The rules by what they found, on which construct, and why it was accepted."""
    app = make_app(_WITHOUT_PACKAGE, str(folder), settings)
    app.synth()
    found = defaultdict(set)
    for violation in accepted(folder):
        # Of NIST's rules the controls fill half a page.
        what = re.sub(r" - \(Control IDs?: .*\)", "", violation["description"]).rstrip(".")
        where = violation["acknowledgedAt"].partition("/")[2]
        rule = violation["ruleName"].replace(_STORE, "<data store>").replace("eu-central-1", "<AWS::Region>")
        found[what, where, violation["reason"]].add(rule)
    return found


def accepted(folder: Path) -> list[dict[str, Any]]:
    """The findings that were accepted in the assembly of a folder, as cdk-nag reports them."""
    report = json.loads((folder / "validation-report.json").read_text("utf-8"))
    return [violation for pack in report["pluginReports"] for violation in pack["suppressedViolations"]]


def main() -> None:
    """Write the table between its two marks."""
    before, _, rest = FILE.read_text("utf-8").partition(_BEGIN)
    FILE.write_text(before + _BEGIN + table() + _END + rest.partition(_END)[2], "utf-8")


if __name__ == "__main__":
    main()
