"""Random searches, page by page, against what looking at every document finds."""

from collections import Counter
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.qido import oracle
from tests.qido.asking import get, message, objects, values
from tests.qido.hospital import service
from tests.qido.stored import OTHER, STORE

SHARDS = 8
CASES = 40
PATHS = (
    *("/studies", "/studies", "/series", "/instances", "/studies/1.2.3.1/series", "/studies/1.2.3.1/instances"),
    *("/studies/1.2.3.6/series", "/studies/1.2.3.7/instances", "/studies/1.2.3.2/series/1.2.3.2.1/instances"),
    *("/studies/1.2.3.6/series/1.2.3.6.1/instances", "/studies/9.9/series", "/studies/1.2.3.5/series"),
    *(f"/datastore/{STORE}/studies", f"/datastore/{OTHER}/studies", f"/datastore/{OTHER}/series"),
)
# Some searches for each of some attributes; of one attribute, one is taken.
KEYS = (
    (
        *("PatientName=*doe*", "PatientName=Doe^*", "PatientName=doe^john", "PatientName=müller^anne"),
        *("00100010=*%5EA", "PatientName=山田^太郎", "PatientName=*ß*", "PersonName=weiss*", "PatientName=D?e*"),
    ),
    ("PatientID=PID1", "00100020=pid1", "00100020=Q?", "PatientID=*1*", "PatientID=*", "PatientID=%20PID2%20"),
    ("StudyDate=20240101-20240131", "StudyDate=20240115", "StudyDate=-20231231", "00080020=20240601-", "StudyDate="),
    ("StudyTime=0800-0900", "StudyTime=2230", "StudyTime=-0159", "00080030=083015.5", "StudyTime=10-"),
    ("ModalitiesInStudy=CT", "00080061=CT,MR", "ModalitiesInStudy=ct", "ModalitiesInStudy=S*", "ModalitiesInStudy=PR"),
    ("Modality=CT", "00080060=CT&Modality=SR", "Modality=PR\\SR", "Modality=?R", "Modality=XA,DX"),
    ("StudyDescription=HEAD*", "StudyDescription=Head", "StudyDescription=*[*", "00081030=*, *", "StudyDescription=CT"),
    ("AccessionNumber=N0*", "AccessionNumber=N001", "AccessionNumber=*28", "00080050=n001"),
    ("StudyInstanceUID=1.2.3.1,1.2.3.5", "0020000D=1.2.3.6&0020000D=1.2.3.7", "StudyInstanceUID=1.2.4.1\\1.2.4.2"),
    ("SeriesInstanceUID=1.2.3.1.2", "SeriesNumber=1", "00200011=02", "SeriesDescription=Series%201", "SeriesNumber="),
    (
        *("RequestAttributesSequence.00400009=SPS1&00400275.RequestedProcedureID=RP1", "00400275.00400009=SPS2"),
        *("00400275.00400009=SPS1&00400275.RequestedProcedureID=RP2", "OtherPatientIDsSequence.00100020=1123*"),
    ),
    ("IssuerOfPatientID=CLINIC", 'IssuerOfPatientID=""&emptyvaluematching=true', "StudyID=1?", "PatientSex=F,M"),
    ("SOPClassUID=1.2.840.10008.5.1.4.1.1.4", "Rows=512", "00280010=256", "SliceThickness=2.5", "BodyPartExamined=*ST"),
)  # fmt: skip
OPTIONS = ("fuzzymatching=true", "includefield=all", "includefield=00081030,RetrieveURL,what", "allcopies=true", "")
ORDERS = ("", "orderby=StudyDate", "orderby=-StudyDate", "orderby=PatientName", "orderby=-00100010", "")


def search(chance: Random) -> str:
    keys = [chance.choice(each) for each in chance.sample(KEYS, k=chance.choice((0, 1, 1, 2, 3)))]
    keys += [each for each in (chance.choice(OPTIONS), chance.choice(ORDERS)) if each or chance.random() < 0.2]
    chance.shuffle(keys)
    return f"{chance.choice(PATHS)}?{'&'.join(keys)}"


def paged(address: str, limit: int, **options: Any) -> list[Any] | None:
    """The objects of all pages of an answer; None if its budget ends before the first one."""
    answering = service(**options)
    found: list[Any] = []
    for _ in range(2_000):
        response = get(answering, f"{address}&limit={limit}&offset={len(found)}")
        assert response.status in (200, 413), (address, message(response))
        if response.status == 413:
            if not found:
                return None
            continue  # it goes on where it ended
        if not (rows := objects(response)):
            return found
        assert len(rows) <= limit
        found += rows
    raise AssertionError("the pages do not end")


def in_order(rows: list[Any], address: str) -> bool:
    """Whether studies come the newest first, or as they are asked for, and those without a value last."""
    order = dict(parse_qsl(address.partition("?")[2])).get("orderby", "-StudyDate")
    if not address.partition("?")[0].endswith("/studies"):
        return True
    if order in ("PatientName", "-00100010"):
        names = [oracle.words(each["Alphabetic"]) for (each,) in values(rows, "00100010") if each]
        return names == sorted(names, reverse=order[0] == "-")
    moments = [(day, time.split(".")[0]) for day, time in values(rows, "00080020", "00080030") if day]
    dated = [bool(day) for (day,) in values(rows, "00080020")]
    return moments == sorted(moments, reverse=order[0] == "-") and dated == sorted(dated, reverse=True)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_any_search_finds_what_looking_at_every_document_finds(shard: int) -> None:
    for case in range(shard * CASES, (shard + 1) * CASES):
        chance = Random(case)
        address = search(chance)
        limit, budget = chance.choice((1, 3, 10, 1_000)), chance.choice((20_000, 20_000, 30, 5))
        rows = paged(address, limit, budget=budget)
        if rows is None:
            continue
        found = Counter(oracle.ids(rows, address.partition("?")[0].rsplit("/", 1)[1]))
        assert found == oracle.expected(address), (case, address)
        # What a budget reads is sorted by itself.
        assert budget < 100 or in_order(rows, address), (case, address)
        head, _, query = address.partition("?")
        counted = get(service(), f"{head}/count?{query}", accept="application/json")
        assert counted.body == b'{"count":%d}' % found.total(), (case, address)


@pytest.mark.parametrize("address", ["/instances?allcopies=true&orderby=StudyDate", "/instances?orderby=PatientName"])
def test_instances_of_series_with_several_image_sets_are_all_found_in_parts_too(address: str) -> None:
    for budget in (5, 30):
        for limit in (3, 1_000):
            rows = paged(address, limit, budget=budget)
            assert rows
            assert Counter(oracle.ids(rows, "instances")) == oracle.expected(address), (budget, limit)
