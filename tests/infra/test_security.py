"""docs/security.md claims nothing without a test that exists, and leaves out no safeguard."""

import re

from infra.config import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")

# 45 CFR 164.312: each standard, and each implementation specification
SAFEGUARDS = {
    "(a)(1) Access control",
    "(a)(2)(i) Unique user identification",
    "(a)(2)(ii) Emergency access procedure",
    "(a)(2)(iii) Automatic logoff",
    "(a)(2)(iv) Encryption and decryption",
    "(b) Audit controls",
    "(c)(1) Integrity",
    "(c)(2) Mechanism to authenticate electronic protected health information",
    "(d) Person or entity authentication",
    "(e)(1) Transmission security",
    "(e)(2)(i) Integrity controls",
    "(e)(2)(ii) Encryption",
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables' rows below a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| (.*?) ?\|$", section, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in found if not row.startswith("---")]


def test_every_test_that_security_rests_on_exists() -> None:
    modules = [*(ROOT / "tests").rglob("*.py")]
    tests = {
        name for module in modules for name in re.findall(r"^def (test_\w+)\(", module.read_text("utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 40
    assert named <= tests, named - tests
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT))
    assert files <= {module.relative_to(ROOT).as_posix() for module in modules}


def test_every_safeguard_is_met_and_tested_or_left_to_the_operator() -> None:
    table = {row[0]: row[1:] for row in rows("Safeguards (45 CFR 164.312)")[1:]}
    assert table.keys() == SAFEGUARDS
    for safeguard, (met, shown) in table.items():
        assert "`test_" in shown or "left to the operator" in met, safeguard


def test_every_threat_is_stopped_by_what_is_tested_or_its_remainder_is_told() -> None:
    threats = [row for row in rows("Threat model") if row[1] != "what stops it" and row[1] != "what stops them"]
    assert len(threats) >= 15
    for threat, _, shown, remains in threats:
        assert "`test_" in shown or remains, threat
