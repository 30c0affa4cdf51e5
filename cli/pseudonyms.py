"""`imaging-index pseudonym`: what a stack stores in the place of a patient's identifiers, UIDs and days."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import typer

from cli import deployed, keys
from cli.output import Misuse, print_json, screen, shown
from imaging_index.dicom import vrs
from imaging_index.profile.privacy import Policy, moved

_DATASTORE: Final = re.compile(r"[0-9a-z]{32}")


def pseudonym(
    patient: Annotated[str | None, typer.Option(help="A PatientID.")] = None,
    issuer: Annotated[str | None, typer.Option(help="The patient's IssuerOfPatientID, if there is one.")] = None,
    datastore: Annotated[
        str | None, typer.Option(help="The data store of the patient, for the shift.", envvar="IMAGING_INDEX_DATASTORE")
    ] = None,
    uid: Annotated[list[str] | None, typer.Option(help="A UID. Repeat it for more than one.")] = None,
    day: Annotated[list[str] | None, typer.Option(help="A true day of the patient, like 20240131.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    stack: deployed.StackName = deployed.DEFAULT_STACK,
) -> None:
    """Show what a stack stores for a patient, UIDs and days. It needs the key."""
    stored = _days(patient, datastore, day or [])
    if patient is None and not uid:
        raise Misuse("Give a patient with --patient, or a UID with --uid.")
    privacy = keys.privacy(deployed.find(stack))
    made: dict[str, Any] = {}
    if patient is not None:
        name = vrs.text_both_ends(patient)
        made["PatientID"] = privacy.apply(Policy.HASH, name)
        if name and datastore:
            made["Days"] = days = privacy.days_of_patient(datastore, name, vrs.text_both_ends(issuer or "") or "")
            made |= {each: moved(each, days) for each in stored}
    made |= {each: privacy.apply(Policy.UID, each.strip()) for each in uid or ()}
    if json:
        print_json(made)
        return
    for name, value in made.items():
        screen.print(shown(f"{name}  {value}"), soft_wrap=True)


def _days(patient: str | None, datastore: str | None, days: list[str]) -> list[str]:
    """The days that are to be shifted.

    Raises:
        Misuse: one is not a day, or nothing says whose it is.
    """
    if datastore is not None and not _DATASTORE.fullmatch(datastore):
        raise Misuse("A data store's id is 32 lower-case letters and digits.")
    if days and not (patient and datastore):
        raise Misuse("Days are shifted by patient and data store: add --patient and --datastore.")
    try:
        return [day for each in days if (day := vrs.date(each.replace("-", "")))]
    except vrs.Unusable:
        raise Misuse("Write --day like 20240131.") from None
