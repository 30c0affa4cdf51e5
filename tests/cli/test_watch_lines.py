"""The lines of `imaging-index watch`: what each kind of event says in a terminal."""

from typing import Any

import pytest

from cli.events.watching import line

STUDY = {"study": "5" * 32, "imageSetCount": 3, "instanceCount": 90, "nonPrimaryCount": 0, "conflictCount": 0}
IMAGE_SET = {"imageSetId": "1" * 32, "imageSetVersion": 2, "instanceCount": 60, "isPrimary": True, "cause": "event"}


@pytest.mark.parametrize(
    ("kind", "detail", "expected"),
    [
        ("Image Set Indexed", IMAGE_SET | {"attributes": {"Modality": "CT", "SliceThickness": {"Min": 1, "Max": 5}}},
         f"{'1' * 32} v2  Modality=CT  SliceThickness=1..5  60 images"),
        ("Image Set Reindexed",
         IMAGE_SET | {"isPrimary": False, "changed": ["PatientID", "PatientName"], "cause": "reindex"},
         f"{'1' * 32} v2  60 images  not primary  changed: PatientID, PatientName  by reindex"),
        ("Study Stable", STUDY | {"patientChanged": False}, f"{'5' * 32}  90 images  3 image sets"),
        ("Study Stable", STUDY | {"patientChanged": True, "conflictCount": 1},
         f"{'5' * 32}  90 images  3 image sets  0 not primary, 1 conflicts  another patient than before"),
        ("Import Job Indexed", {"jobId": "j" * 32, "imageSetCount": 3, "instanceCount": 1, "refusedFileCount": 2},
         f"{'j' * 32}  1 image  3 image sets  2 refused"),
    ],
)  # fmt: skip
def test_a_line_says_what_an_event_is_about_and_what_differs_from_the_usual(
    kind: str, detail: dict[str, Any], expected: str
) -> None:
    event = {"time": "2026-11-27T08:09:10Z", "detail-type": kind, "detail": detail}
    assert line(event).split(maxsplit=1)[0] == "08:09:10"
    assert line(event).partition(kind)[2].strip() == expected
