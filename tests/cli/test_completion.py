"""What the shells complete, each asked as it asks."""

import pytest
from typer.testing import CliRunner

from cli.main import application


def completed(words: str, shell: str) -> list[str]:
    """What a shell offers for the last word of a command line."""
    asked = {
        "bash": {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": words},
        "fish": {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    variables = {"_IMAGING_INDEX_COMPLETE": f"complete_{shell}"} | asked
    ended = CliRunner().invoke(application, [], prog_name="imaging-index", env=variables)
    assert ended.exit_code == 0
    return ended.stdout.split()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to ask over the network, for whom a shell would wait."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("socket.socket.connect", fail)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_completes_an_attribute_up_to_its_operator(shell: str) -> None:
    found = " ".join(completed("imaging-index search BodyP", shell))
    assert "BodyPartExamined=" in found
    assert "BodyPartExamined!=" in found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("search --index acc", ["accession"]),
        ("search --level s", ["series", "study"]),
        ("search --show Rows,Modali", ["Rows,Modality", "Rows,ModalitiesInStudy"]),
        ("search --count --by Y", ["Year"]),
        ("search ModalitiesI", ["ModalitiesInStudy=", "ModalitiesInStudy!="]),
        ("search FirstI", ["FirstIndexedAt=", "FirstIndexedAt!="]),
        ("search WindowWidt", ["WindowWidth=", "WindowWidth!="]),
        ("search Modality = C", []),
        ("search Modality=C", []),
        ("sear", ["search"]),
    ],
)
def test_bash_completes_what_the_option_takes(words: str, found: list[str]) -> None:
    assert completed(f"imaging-index {words}", "bash")[: len(found) or None] == found
