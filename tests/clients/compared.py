"""Requests that this server and Orthanc answer over the same files, and how the answers differ.

docs/dicomweb-orthanc.md has the same differences, each with what decides it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydicom.datadict import keyword_for_tag

from tests.qido.golden import GOLDEN
from tests.qido.stored import STORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RESOURCE: Final = re.compile(r"/(studies|series|instances)/?(?:\?|$)")
_PRIVATE: Final = "0099"
_UIDS: Final = ("0020000D", "0020000E", "00080018")
_TAGS: Final = {"studies": 1, "series": 2, "instances": 3}


class Compared(NamedTuple):
    """A request.

    Attributes:
        name: the client that sends it, or itself.
        address: without the root.
        accept: its Accept.
    """

    name: str
    address: str
    accept: str = "application/dicom+json"

    @property
    def resource(self) -> str:
        """What it searches, such as `/studies/{study}/series`."""
        path = re.sub(r"/studies/[0-9.]+", "/studies/{study}", self.address.partition("?")[0].rstrip("/"))
        return re.sub(r"/series/[0-9.]+", "/series/{series}", path)

    @property
    def is_of_a_part(self) -> bool:
        """An answer has some of the results. Which of them come first is the server's to decide."""
        return "limit=" in self.address or "offset=" in self.address


class Answered(NamedTuple):
    """An answer: its status, and its objects by their UIDs."""

    status: int
    objects: Mapping[tuple[str, ...], dict[str, Any]]

    @property
    def outcome(self) -> str:
        """The number of results, or the status of a refusal."""
        return str(len(self.objects)) if self.status == 200 else f"status {self.status}"


def answered(request: Compared, status: int, objects: list[dict[str, Any]]) -> Answered:
    """An answer to a request."""
    level = _RESOURCE.search(request.address)
    tags = _UIDS[: _TAGS[level[1]]] if level else ()
    by_uids = {tuple(each[tag]["Value"][0] for tag in tags): each for each in objects}
    assert len(by_uids) == len(objects), "an object is there twice"
    return Answered(status, by_uids)


def are_alike(request: Compared, here: Answered, there: Answered) -> bool:
    """Whether two answers have the same results, or are the same refusal."""
    same = request.is_of_a_part or here.objects.keys() == there.objects.keys()
    return here.outcome == there.outcome and same


def differing(here: Answered, there: Answered) -> Iterator[tuple[str, str]]:
    """The keywords of attributes that differ in an object of both answers, and how."""
    for uids in here.objects.keys() & there.objects.keys():
        ours, theirs = here.objects[uids], there.objects[uids]
        for tag in ours.keys() | theirs.keys():
            if tag.startswith(_PRIVATE) or ours.get(tag) == theirs.get(tag):
                continue
            how = "only here" if tag not in theirs else "only Orthanc" if tag not in ours else "differs"
            yield keyword_for_tag(int(tag, 16)), how


_ADDRESSES: Final = (
    # Names: PS3.4, section C.2.2.2.1, leaves much of them to the server.
    "/studies?PatientName=Doe^John",
    "/studies?PatientName=doe^john",
    "/studies?PatientName=Doe",
    "/studies?PatientName=DOE*",
    "/studies?PatientName=*oe*",
    "/studies?PatientName=Doe^J?hn",
    "/studies?PatientName=M*ller^*nne",
    "/studies?PatientName=muller^anne",
    "/studies?PatientName=Roe^Richard",
    "/studies?ReferringPhysicianName=smith*",
    # Single values, and wild cards.
    "/studies?PatientID=PID1",
    "/studies?PatientID=pid1",
    "/studies?PatientID=PID",
    "/studies?PatientID=PID?",
    "/studies?PatientID=P%49D1",
    "/studies?PatientID=PID1,PID2",
    "/studies?AccessionNumber=acc1",
    "/studies?StudyDescription=CT*",
    "/studies?StudyDescription=HEAD*",
    "/studies?StudyDescription=CT%20CHEST",
    "/studies?StudyID=7",
    "/studies?IssuerOfPatientID=CLINIC",
    "/studies?PatientID=PID1&PatientName=Doe*",
    "/studies?PatientSex=F",
    "/studies?PatientSex=M",
    # What matches everything.
    "/studies?PatientName=*",
    "/studies?PatientName=",
    # Dates and times.
    "/studies?StudyDate=20240115",
    "/studies?StudyDate=20240115-",
    "/studies?StudyDate=-20240115",
    "/studies?StudyDate=20240101-20240131",
    "/studies?StudyDate=20240131-20240101",
    "/studies?StudyDate=2024",
    "/studies?PatientBirthDate=19700101-19701231",
    "/studies?StudyTime=083015.5",
    "/studies?StudyTime=083015.500000",
    "/studies?StudyTime=223000",
    "/studies?StudyTime=0831-0900",
    "/studies?StudyTime=22-23",
    "/studies?StudyTime=-0830",
    "/studies?StudyDate=20240101-20240120&StudyTime=1000-1200",
    # Numbers.
    "/studies?SliceThickness=2.50",
    "/studies?SliceThickness=2.5",
    "/studies?Rows=512",
    "/series?SeriesNumber=2",
    "/series?SeriesNumber=02",
    # Lists.
    "/studies?StudyInstanceUID=1.2.3.1,1.2.3.2",
    "/studies?StudyInstanceUID=1.2.3.*",
    "/studies?ModalitiesInStudy=CT",
    "/studies?ModalitiesInStudy=ct",
    "/studies?ModalitiesInStudy=C*",
    "/studies?ModalitiesInStudy=CT\\MR",
    "/studies?ModalitiesInStudy=PT&PatientName=M*",
    # No values.
    '/studies?PatientName=""&emptyvaluematching=true',
    # Keys of other levels, and such as are unknown.
    "/studies?Modality=CT",
    "/studies?SeriesInstanceUID=1.2.3.1.1",
    "/studies?NoSuchKeyword=1",
    "/studies?00990001=1",
    # What is shown.
    "/studies?limit=3",
    "/studies?limit=0",
    "/studies?limit=-1",
    "/studies?limit=x",
    "/studies?offset=47",
    "/studies?offset=48",
    "/studies?includefield=all",
    "/studies?includefield=NoSuchKeyword",
    "/studies?fuzzymatching=maybe",
    "/instances",
    # Levels.
    "/series",
    "/series?Modality=CT,MR",
    "/series?SeriesDescription=Series*",
    "/series?PatientID=PID1",
    "/series?BodyPartExamined=CHEST",
    "/series?StudyInstanceUID=1.2.3.1",
    "/studies/1.2.3.1/series?Modality=SR",
    "/studies/1.2.3.1/series?SeriesNumber=2",
    "/studies/1.2.3.99/series",
    "/studies/1.2.3.1/instances",
    "/studies/1.2.3.1/instances?InstanceNumber=1",
    "/studies/1.2.3.1/instances?NumberOfFrames=2",
    "/studies/1.2.3.1/instances?SOPClassUID=1.2.840.10008.5.1.4.1.1.2",
    "/studies/1.2.3.1/series/1.2.3.1.1/instances?InstanceNumber=2",
    "/studies/1.2.3.1/series/1.2.3.1.1/instances?SOPInstanceUID=1.2.3.1.1.3",
    "/studies/1.2.3.1/series/1.2.3.99/instances",
    "/studies/1.2.3.2/series/1.2.3.1.1/instances",
    "/instances?StudyInstanceUID=1.2.3.1&SOPInstanceUID=1.2.3.1.1.1",
    "/instances?PatientID=PID1",
    "/instances?Modality=SEG",
    # Paths of which there are none.
    "/patients",
    "/studies/",
)

REQUESTS: Final = (
    *(Compared(each.client, each.address.replace(f"/datastore/{STORE}", ""), each.accept) for each in GOLDEN),
    *(Compared(f"`{address}`", address) for address in _ADDRESSES),
)
