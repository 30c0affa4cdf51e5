"""A hospital's image sets as documents say them, and the table that the index makes of them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imaging_index.qido.service import Options, Service
from proof.searching.archive import PROFILE
from tests.qido.stored import OTHER, ROOT, STORE, Stored, Values, image_set

if TYPE_CHECKING:
    from imaging_index.profile.profile import Profile

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
MR: Final = "1.2.840.10008.5.1.4.1.1.4"


class Made(NamedTuple):
    """An image set: where it is, and the values of its levels."""

    store: str
    primary: bool | None
    study: Values
    series: Values
    instances: tuple[Values, ...]

    @property
    def values(self) -> Values:
        """The values of patient, study and series."""
        return self.study | self.series


def _study(uid: str, day: str | None, name: str | None, patient: str | None, **more: Any) -> Values:
    made: Values = {"StudyInstanceUID": uid, "StudyDate": day, "StudyTime": "083015.5" if day else None}
    made |= {"PatientName": name, "PatientID": patient, "IssuerOfPatientID": None, "PatientBirthDate": "19700131"}
    made |= {"PatientSex": "F", "AccessionNumber": None, "StudyID": None, "StudyDescription": None}
    return made | {"ReferringPhysicianName": "Smith^Ann"} | more


def _series(
    study: Values, number: int, modality: str, count: int = 2, **more: Any
) -> tuple[Values, tuple[Values, ...]]:
    uid = f"{study['StudyInstanceUID']}.{number}"
    series: Values = {"SeriesInstanceUID": uid, "SeriesNumber": str(number), "Modality": modality}
    series |= {"SeriesDescription": f"Series {number}", "RequestAttributesSequence": None}
    of_class = MR if modality == "MR" else CT
    return series | more, tuple(
        {"SOPInstanceUID": f"{uid}.{at}", "InstanceNumber": str(at), "SOPClassUID": of_class}
        for at in range(1, count + 1)
    )


def _made() -> list[Made]:
    found: list[Made] = []

    def add(study: Values, *series: tuple[Values, tuple[Values, ...]], store: str = STORE, primary: Any = True) -> None:
        found.extend(Made(store, primary, study, values, instances) for values, instances in series)

    chest = _study("1.2.3.1", "20240115", "Doe^John", "PID1", AccessionNumber="ACC1", StudyDescription="CT CHEST")
    add(
        chest, _series(chest, 1, "CT", 3), _series(chest, 2, "CT", BodyPartExamined="CHEST"), _series(chest, 3, "SR", 1)
    )
    brain = _study("1.2.3.2", "20240120", "Doering^Ann", "PID2", AccessionNumber="428", StudyDescription="MR Brain")
    steps = [
        {"ScheduledProcedureStepID": "SPS1", "RequestedProcedureID": "RP1"},
        {"ScheduledProcedureStepID": "SPS2", "RequestedProcedureID": "RP2"},
    ]
    add(brain, _series(brain, 1, "MR", RequestAttributesSequence=steps), _series(brain, 2, "PR", 1))
    both = _study("1.2.3.3", "20040615", "Müller^Änne", "1CT1", StudyDescription="PET/CT, whole body", StudyTime="2230")
    add(both, _series(both, 1, "CT"), _series(both, 2, "PT"), _series(both, 3, "SEG", 1))
    undated = _study("1.2.3.4", None, "doe^John^Q", "PID1", IssuerOfPatientID="CLINIC")
    add(undated, _series(undated, 1, "US", 1))
    # The same study in two data stores.
    twice = _study("1.2.3.5", "20231231", "Roe^Richard=山田^太郎", "PID5", AccessionNumber="ACC5")
    for store in (STORE, OTHER):
        add(twice, _series(twice, 1, "CT"), _series(twice, 2, "MR"), store=store)
    # A copy of a series with another name, which HealthImaging keeps apart.
    apart = _study("1.2.3.6", "20240131", "Poe^Edgar", "PID6", StudyDescription="Chest, follow-up")
    add(apart, _series(apart, 1, "DX"))
    wrong = apart | {"PatientName": "Doe^Edgar", "StudyDescription": "CHEST wrong"}
    add(wrong, _series(wrong, 1, "DX"), _series(wrong, 2, "MG", 1), primary=False)
    # A study of which no image set is primary.
    alone = _study("1.2.3.7", "20231130", "Doe^Nobody", "PID7")
    add(alone, _series(alone, 1, "XA"), _series(alone, 1, "XA"), primary=False)
    # An index that HealthImaging did not say it of.
    slide = _study("1.2.3.8", "20260101", "Slim^Fast", "PID8", OtherPatientIDsSequence=[{"PatientID": "11235813"}])
    add(
        slide,
        *(_series(slide, at, each, 1) for at, each in enumerate(("SM", "SEG", "ANN", "PR", "OT"), 1)),
        primary=None,
    )
    bare = _study("1.2.3.9", "19700102", None, None)
    add(bare, _series(bare, 1, "CT", 1))
    for number in range(40):
        day = f"2024{1 + number % 12:02}{1 + number % 28:02}"
        study = _study(
            f"1.2.4.{number}", day, f"{('Doe', 'Weiß', 'Kim')[number % 3]}^{'ABCD'[number % 4]}", f"Q{number % 7}",
            AccessionNumber=f"N{number:03}", StudyTime=f"{number % 24:02}{number:02}00", StudyID=str(number),
            StudyDescription=("Head", "HEAD CT", "Knee", "chest x-ray")[number % 4],
        )  # fmt: skip
        kinds = ("CT", "MR", "US")[number % 3], ("SR", "PR")[number % 2]
        add(study, *(_series(study, at, each) for at, each in enumerate(kinds[: 1 + number % 2], 1)))
    return found


MADE: Final = _made()


@cache
def table() -> Stored:
    """The table of the hospital."""
    return table_of(PROFILE)


def table_of(profile: Profile) -> Stored:
    """The table under another profile."""
    of_patient = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", _OTHER_IDS)
    return Stored(
        *(
            image_set(
                number,
                *each.instances,
                datastore=each.store,
                primary=each.primary,
                profile=profile,
                patient={name: value for name, value in each.study.items() if name in of_patient},
                study={name: value for name, value in each.study.items() if name not in of_patient},
                series=each.series,
            )
            for number, each in enumerate(MADE)
        ),
        profile=profile,
    )


_OTHER_IDS: Final = "OtherPatientIDsSequence"


def service(stored: Any = None, *, profile: Profile = PROFILE, token: Any = None, **options: Any) -> Service:
    """A service on a table, that of the hospital if none is given."""
    stored = (table() if profile is PROFILE else table_of(profile)) if stored is None else stored
    return Service(stored, profile, lambda: (STORE, OTHER), Options(**({"retrieve_root": ROOT} | options)), token)
