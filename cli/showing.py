"""`imaging-index show`: one image set as the table has it, with its instances; or all image sets of a study."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cli import deployed
from cli.deployed import Stack
from cli.output import Failure, Misuse, attributes_table, counted, print_json, screen, shown
from cli.search.columns import of_level, within_a_study
from cli.search.records import attributes_of, record
from cli.search.text import print_rows
from imaging_index.entry.conversion import Flaws
from imaging_index.entry.deriving import geometry as of_slices
from imaging_index.entry.item import Item, plain
from imaging_index.entry.slices import of_rows
from imaging_index.profile.profile import Profile
from imaging_index.searching.grammar import parse
from imaging_index.searching.question import Level, Question
from imaging_index.searching.rows import Row, RowKey, key_of
from imaging_index.searching.search import Search
from imaging_index.table.layout import Key
from imaging_index.table.reading import Damaged

# AWS HealthImaging API Reference, "GetImageSet".
_IMAGE_SET: Final = re.compile(r"([0-9a-z]{32})/([0-9a-z]{32})")
_PLACE: Final = frozenset({"ImagePositionPatient", "ImageOrientationPatient"})
_COLUMNS: Final = ("InstanceNumber", "SOPInstanceUID", "SOPClassUID", "Rows", "Columns", "NumberOfFrames")


def show(
    image_set: Annotated[str | None, typer.Argument(help="The image set: DATASTORE/IMAGESET, the two ids.")] = None,
    study: Annotated[str | None, typer.Option(help="Show all image sets of the study with this UID instead.")] = None,
    instances: Annotated[
        bool, typer.Option("--instances", help="List the instances of the image set as well.")
    ] = False,
    geometry: Annotated[
        bool, typer.Option("--geometry", help="Say whether the slices are a volume, from the positions in the pages.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, with the instances.")] = False,
    stack: deployed.StackName = deployed.DEFAULT_STACK,
) -> None:
    """Show one image set as the table has it, or all image sets of a study."""
    if (image_set is None) == (study is None):
        raise Misuse("Give either an image set, DATASTORE/IMAGESET, or --study with a StudyInstanceUID.")
    if instances and study:
        raise Misuse("--instances is for one image set; --study --json prints the entries of a study.")
    if geometry and study:
        raise Misuse("--geometry is for one image set: give DATASTORE/IMAGESET.")
    found = deployed.find(stack)
    with deployed.reading():
        if study is not None:
            _show_study(found, study, json=json)
        else:
            _show_image_set(found, image_set or "", instances=instances, geometry=geometry, json=json)


def _show_study(stack: Stack, uid: str, *, json: bool) -> None:
    profile = stack.profile
    question = Question(
        datastores=tuple(deployed.datastores(stack.session)),
        conditions=tuple(parse([f"StudyInstanceUID={uid}"], profile, datetime.now(UTC).date())),
        limit=None,
        budget=None,
        all_copies=True,
    )
    studies = [*Search(stack.table, question)]
    if json:
        print_json([_record(study, profile) for study in studies])
        return
    if not studies:
        raise Failure("The table has no image set of this study.")
    for study in studies:
        series, image_sets = parts(study, Level.SERIES), parts(study, Level.IMAGE_SET)
        print_rows([study], of_level(Level.STUDY, (), screen=screen.is_terminal))
        screen.print()
        print_rows(series, within_a_study(Level.SERIES, screen=screen.is_terminal))
        screen.print()
        print_rows(image_sets, within_a_study(Level.IMAGE_SET, screen=screen.is_terminal))
        instances = sum(int(item["InstanceCount"]["N"]) for item in study.entries)
        screen.print(
            f"\n{len(series)} series, {counted(len(image_sets), 'image set')}, {counted(instances, 'instance')}"
        )


def _record(study: Row, profile: Profile) -> dict[str, Any]:
    """A study as JSON, with its series and in each the whole entries of its image sets."""
    series = [
        record(each, attributes_of(Level.SERIES, (), profile)) | {"entries": [plain(item) for item in each.entries]}
        for each in parts(study, Level.SERIES)
    ]
    return record(study, attributes_of(Level.STUDY, (), profile)) | {"series": series}


def parts(study: Row, level: Level) -> list[Row]:
    """The series or image sets of a study whose entries are all there, in the order of their numbers."""
    groups: dict[RowKey, list[Item]] = {}
    for item in study.entries:
        groups.setdefault(key_of(item, level), []).append(item)
    rows = [Row(level=level, entries=tuple(items), whole=tuple(items)) for items in groups.values()]
    return sorted(rows, key=lambda row: (row.value("SeriesNumber") or 0, key_of(row.entries[0], level)))


def geometry_of(profile: Profile, instances: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the positions in the pages say.

    Raises:
        Failure: they have none, since the profile leaves them out.
    """
    placed = {each.name for each in profile.instances.geometry} >= _PLACE
    if not placed and not any(each.get(name) for each in instances for name in _PLACE):
        raise Failure(
            "The pages have no positions under the deployed profile: its [instances] or [privacy] leaves them out. "
            "Select VolumeGeometry, and index again, if [privacy] allows that: docs/geometry.md."
        )
    return plain(of_slices(of_rows(instances), [], profile.angle, Flaws()))


def _show_image_set(stack: Stack, image_set: str, *, instances: bool, geometry: bool, json: bool) -> None:
    ids = _IMAGE_SET.fullmatch(image_set)
    if not ids:
        raise Misuse("Write an image set as DATASTORE/IMAGESET: two ids of 32 lower-case letters and digits.")
    key = Key(ids[1], ids[2])
    try:
        whole = stack.table.read(key)
    except Damaged:
        raise Failure(
            "The pages of this image set are not complete. Have it indexed again with a hint of the cause repair: "
            "docs/upgrades.md, Index again."
        ) from None
    if whole is None:
        head = stack.table.head(key)
        raise Failure("This image set was deleted." if head else "The table has no entry of this image set.")
    entry = plain(whole.entry)
    derived = {"geometry": geometry_of(stack.profile, whole.instances)} if geometry else {}
    if json:
        print_json({"entry": entry, "instances": whole.instances} | derived)
        return
    screen.print(attributes_table(entry))
    for each in derived.values():
        screen.print(attributes_table(each))
    if instances:
        table = Table(*_COLUMNS, box=SIMPLE_HEAD, pad_edge=False)
        for each in whole.instances:
            table.add_row(*(shown(each.get(name, "")) for name in _COLUMNS))
        screen.print(table)
    screen.print(counted(len(whole.instances), "instance"))
