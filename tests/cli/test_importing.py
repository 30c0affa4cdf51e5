"""What is shown while files are imported."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cli import importing
from local import stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

SAID = ["120 files read", "120 files read", "8 of 16 image sets written"]


class HealthImaging:
    """Its import job says three times how far it is."""

    def __init__(self) -> None:
        self._left = [*SAID]
        self._output = ""

    def start_dicom_import_job(self, *, outputS3Uri: str, **_: str) -> dict[str, str]:  # noqa: N803  AWS's
        self._output = outputS3Uri.removeprefix("file://")
        return {"jobId": "1"}

    def get_dicom_import_job(self, **_: str) -> dict[str, Any]:
        if self._left:
            return {"jobProperties": {"jobStatus": "IN_PROGRESS", "message": self._left.pop(0)}}
        summary = {"numberOfGeneratedImageSets": 16, "numberOfImportedFiles": 120}
        Path(self._output, "job-output-manifest.json").write_text(json.dumps({"jobSummary": summary}))
        return {"jobProperties": {"jobStatus": "COMPLETED"}}


class Terminal:
    """What is shown on it for a time, line after line."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    @contextlib.contextmanager
    def status(self, text: str) -> Iterator[Terminal]:
        self.update(text)
        yield self

    def update(self, text: str) -> None:
        self.shown.append(text)


def test_a_count_is_shown_while_files_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, client = Terminal(), HealthImaging()
    monkeypatch.setattr(importing, "errors", terminal)
    monkeypatch.setattr(stack, "_POLL", 0.0)
    with importing.importing(tmp_path) as progress:
        stack.import_folder(cast("Any", client), "a" * 32, tmp_path, progress)
    said = f"HealthImaging imports {tmp_path}"
    assert terminal.shown == [said, f"{said}: 120 files read", f"{said}: 8 of 16 image sets written"]
