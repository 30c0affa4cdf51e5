"""DT in the order of time, whatever the offsets; and the date and time of an acquisition that has only a DT."""

import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_index.dicom import vrs
from imaging_index.profile.profile import ProfileError
from imaging_index.profile.toml_file import parse
from proof.harness.built import build

DT = 'attributes = ["AcquisitionDateTime"]'
BOTH = 'attributes = ["AcquisitionDate", "AcquisitionTime"]'
OFFSETS = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.one_of(st.none(), OFFSETS))  # noqa: DTZ001


def written(moment: datetime) -> str:
    """A moment as a DT: an offset where it has one."""
    zone = moment.utcoffset()
    digits = f"{moment.year:04}{moment:%m%d%H%M%S.%f}".rstrip("0").rstrip(".").ljust(14, "0")
    return digits if zone is None else digits + moment.strftime("%z")


def instances(*moments: str, **more: str) -> list[dict[str, Any]]:
    return [{"AcquisitionDateTime": moment} | more for moment in moments]


@given(st.lists(MOMENTS, min_size=1, max_size=6), OFFSETS)
def test_moments_are_ordered_as_the_instants_that_they_mean(moments: list[datetime], zone: timezone) -> None:
    offset = datetime(2000, 1, 1, tzinfo=zone).strftime("%z")
    found = build(DT, *instances(*map(written, moments), TimezoneOffsetFromUTC=offset))["AcquisitionDateTime"]
    instant = {written(moment): moment if moment.tzinfo else moment.replace(tzinfo=zone) for moment in moments}
    ordered = sorted(instant, key=lambda text: (instant[text], text))
    assert (found["Min"], found["Max"]) == (ordered[0], ordered[-1])
    assert found.get("Values") == (ordered if len(ordered) > 1 else None)


@given(MOMENTS.map(lambda moment: moment.replace(tzinfo=moment.tzinfo or UTC)))
def test_an_instant_counts_microseconds(moment: datetime) -> None:
    passed = vrs.instant(written(moment), None) - vrs.instant("1970", None)
    assert passed == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_a_moment_of_less_precision_counts_as_its_beginning() -> None:
    texts = ["2023123123", "2024", "20240101000001", "202402", "20240201000000.000001", "20240202"]
    for earlier, later in pairwise(texts):
        assert vrs.instant(earlier, None) < vrs.instant(later, None)
    assert vrs.instant("2024", None) == vrs.instant("202401", None) == vrs.instant("20240101000000", "+0000")
    assert build(DT, *instances(*texts[::-1]))["AcquisitionDateTime"] == {
        "Min": texts[0],
        "Max": texts[-1],
        "Values": texts,
    }


@pytest.mark.parametrize("offset", [None, "", "1", "+1500", "-1230", "+0060", 100, ["+0100", "+0200"]])
def test_without_a_usable_offset_a_moment_is_taken_as_it_stands(offset: object) -> None:
    found = build(
        DT,
        {"AcquisitionDateTime": "20240101003000", "TimezoneOffsetFromUTC": offset},
        *instances("20240101000000+0000"),
    )
    assert found["AcquisitionDateTime"]["Min"] == "20240101000000+0000"


def test_a_moment_without_an_offset_has_that_of_its_instance() -> None:
    east = {"AcquisitionDateTime": "20240101003000", "TimezoneOffsetFromUTC": "+0100 "}
    found = build(DT, east, *instances("20240101000000+0000"))
    assert found["AcquisitionDateTime"]["Min"] == "20240101003000"
    assert "TimezoneOffsetFromUTC" not in found


def test_one_text_of_two_instants_is_listed_once() -> None:
    moment = "20240101003000"
    zones = [{"AcquisitionDateTime": moment, "TimezoneOffsetFromUTC": zone} for zone in ("+0100", "+0200")]
    assert build(DT, *zones)["AcquisitionDateTime"] == {"Min": moment, "Max": moment}
    found = build(DT, *zones, *instances("20240101000000+0000"))["AcquisitionDateTime"]
    assert found["Values"] == [moment, "20240101000000+0000"]


@pytest.mark.parametrize("word", ["drop", "hash"])
def test_an_offset_that_is_private_orders_nothing(word: str) -> None:
    east = {"AcquisitionDateTime": "20240101003000", "TimezoneOffsetFromUTC": "+0100"}
    found = build(f'{DT}\n[privacy]\nTimezoneOffsetFromUTC = "{word}"', east, *instances("20240101000000+0000"))
    assert found["AcquisitionDateTime"]["Min"] == "20240101000000+0000"


def test_very_many_moments_keep_their_bounds() -> None:
    texts = [
        f"202401{day:02}{hour:02}{minute:02}-0500" for day in range(1, 6) for hour in range(24) for minute in range(60)
    ]
    found = build(DT, *instances(*texts, "20240101050001+0100", "20240106000000-0400"))["AcquisitionDateTime"]
    assert found == {"Min": "20240101050001+0100", "Max": texts[-1]}


@pytest.mark.parametrize(
    ("moment", "date", "time"),
    [
        ("20240229113005.25+0100", "20240229", "113005.25"),
        ("20240229233005-1200", "20240229", "233005"),
        ("202402291130", "20240229", "113000"),
        ("2024022911", "20240229", "110000"),
        ("20240229", "20240229", None),
        ("202402", None, None),
        ("2024+0100", None, None),
        ("", None, None),
    ],
)
def test_an_acquisition_with_only_a_moment_has_its_date_and_time_as_far_as_they_are_told(
    moment: str, date: str | None, time: str | None
) -> None:
    found = build(f'{BOTH}\n[instances]\nkeep = ["AcquisitionDate", "AcquisitionTime"]', *instances(moment))
    bounds = [{"Min": value, "Max": value} if value else None for value in (date, time)]
    assert [found.get("AcquisitionDate"), found.get("AcquisitionTime")] == bounds
    (row,) = found["instances"]
    assert (row.get("AcquisitionDate"), row.get("AcquisitionTime")) == (date, time)
    assert not {"AcquisitionDateTime", "InvalidAttributes"} & found.keys()


@pytest.mark.parametrize(
    ("own", "date", "time"),
    [
        ({"AcquisitionDate": "20230101"}, "20230101", None),
        ({"AcquisitionTime": "10"}, None, "100000"),
        ({"AcquisitionTime": "noon"}, None, None),
        ({"AcquisitionDate": " ", "AcquisitionTime": [""]}, "20240229", "113000"),
    ],
)
def test_a_date_or_time_of_its_own_goes_before_the_moment(
    own: dict[str, Any], date: str | None, time: str | None
) -> None:
    found = build(BOTH, {"AcquisitionDateTime": "202402291130"} | own)
    assert found.get("AcquisitionDate", {}).get("Min") == date
    assert found.get("AcquisitionTime", {}).get("Min") == time


def test_each_instance_is_asked_for_itself() -> None:
    found = build(
        BOTH,
        *instances("20240229113005"),
        {"AcquisitionDate": "20240301", "AcquisitionDateTime": "20240401"},
        {"AcquisitionTime": "09", "AcquisitionDateTime": "20240401"},
    )
    assert found["AcquisitionDate"] == {
        "Min": "20240229",
        "Max": "20240301",
        "Values": ["20240229", "20240301"],
        "Missing": 1,
    }
    assert found["AcquisitionTime"] == {"Min": "090000", "Max": "113005", "Values": ["090000", "113005"], "Missing": 1}


def test_one_of_the_two_is_derived_without_the_other_selected() -> None:
    found = build(
        'attributes = ["AcquisitionTime"]',
        *instances("2024022911"),
        {"AcquisitionDate": "20240101", "AcquisitionDateTime": "2024010112"},
    )
    assert found["AcquisitionTime"] == {"Min": "110000", "Max": "110000", "Missing": 1}


def test_a_frame_has_no_date_of_its_own_to_tell() -> None:
    group = {"FrameContentSequence": [{"FrameAcquisitionDateTime": "20240229"}]}
    assert "AcquisitionDate" not in build(BOTH, {"PerFrameFunctionalGroupsSequence": [group]})


@pytest.mark.parametrize("word", ["drop", "hash"])
def test_a_private_moment_tells_no_date_and_no_time(word: str) -> None:
    text = f'{BOTH[:-1]}, "AcquisitionDateTime"]\n[privacy]\nAcquisitionDateTime = "{word}"'
    found = build(f'{text}\n[instances]\nkeep = ["AcquisitionDate"]', *instances("20240229113005"))
    assert not {"AcquisitionDate", "AcquisitionTime"} & found.keys()
    assert "20240229" not in json.dumps(found, default=str)
    assert build(text, {"AcquisitionDate": "20240301"})["AcquisitionDate"]["Min"] == "20240301"


def test_a_hashed_date_is_the_token_of_the_date_wherever_it_stands() -> None:
    text = f'{BOTH}\n[privacy]\nAcquisitionDate = "hash"'
    assert (
        build(text, *instances("20240229113005"))["AcquisitionDate"]
        == build(text, {"AcquisitionDate": "20240229"})["AcquisitionDate"]
    )


def test_a_named_attribute_that_reads_a_date_gets_it_from_the_moment_too() -> None:
    text = 'attributes = ["Modality"]\n[named.When]\nfrom = ["AcquisitionDate", "ContentDate"]\n'
    assert build(text, *instances("20240229"))["When"]["Min"] == "20240229"
    with pytest.raises(ProfileError, match="When"):
        parse(f'revision = 1\n{text}[privacy]\nAcquisitionDate = "drop"')
    found = build(
        f'{text}[privacy]\nAcquisitionDateTime = "drop"', {"AcquisitionDateTime": "20240229", "ContentDate": "20240301"}
    )
    assert found["When"]["Min"] == "20240301"
