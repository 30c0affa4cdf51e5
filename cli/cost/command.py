"""`imaging-index cost`: what a year costs, as a table or as JSON."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from cli import profiles
from cli.cost.announcing import Wanted, announced
from cli.cost.bill import Kind, Part, bill, reading_anew, rotations, use
from cli.cost.volume import INSTANCES_A_PAGE, Volume
from cli.output import Failure, Misuse, counted, print_json, screen
from imaging_index.profile.profile import ProfileError
from infra.prices import AS_OF, REGION, Prices


def cost(
    studies: Annotated[int, typer.Option(min=1, help="New studies a year.")],
    series: Annotated[int, typer.Option(min=1, help="New series a year: each becomes an image set.")],
    instances: Annotated[
        int, typer.Option(min=1, help="New instances a year. Count a multi-frame instance once per frame.")
    ],
    updates: Annotated[
        int,
        typer.Option(min=0, help="Changes of existing image sets a year, including imports that are merged into one."),
    ] = 0,
    deletions: Annotated[int, typer.Option(min=0, help="Deletions of image sets a year.")] = 0,
    existing: Annotated[int, typer.Option(min=0, help="Image sets that are already indexed.")] = 0,
    profile: Annotated[str, typer.Option(help="A profile's name, or a path to its .toml file.")] = profiles.DEFAULT,
    sample: Annotated[
        Path | None, typer.Option(help="A folder of your DICOM files, to measure the size of their entries.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="The function's mean duration for a hint, in seconds.")] = 0.25,
    events: Annotated[bool, typer.Option("--events", help="Include the index's own events of image sets.")] = False,
    stable_studies: Annotated[
        bool, typer.Option("--stable-studies", help="Include the events of stable studies; implies --events.")
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=0, help="Import jobs a year whose events are included; implies --events.")
    ] = 0,
    documents: Annotated[
        float,
        typer.Option(min=0, metavar="KB", help="Keep documents, of so many kB each on average as they are compressed."),
    ] = 0,
    export_days: Annotated[
        int, typer.Option(min=0, max=90, help="Have the table exported every so many days; 0 for never.")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Estimate what a year costs, part by part, at AWS's list prices. Searches are not included."""
    if not studies <= series <= instances:
        raise Misuse("There must be at least as many series as studies, and at least as many instances as series.")
    if deletions > existing + series:
        raise Misuse(
            f"{deletions:,} image sets cannot be deleted: {existing:,} exist and {series:,} are new. Set --existing to "
            "the number of those that are already indexed."
        )
    try:
        selected = profiles.load(profile)
    except ProfileError as error:
        raise Failure(str(error)) from None
    if sample is not None and not sample.expanduser().is_dir():
        raise Failure(f"There is no folder {sample}. Name one that holds DICOM files.")
    # Not before it is needed: it takes pydicom, whose import takes longer than that of all the command.
    from cli.cost import sizes

    measured = sizes.measure(selected, sample and sample.expanduser())
    volume = Volume(studies, series, instances, updates, deletions, existing)
    prices = Prices()
    if jobs > series:
        raise Misuse("There must be at least as many series as import jobs.")
    wanted = Wanted(stable_studies, jobs) if events or stable_studies or jobs else None
    parts = bill(volume, measured, selected, seconds, prices, wanted, documents, export_days)
    total = math.fsum(part.dollars for part in parts)
    anew = reading_anew(volume, measured, prices, kept=documents > 0)
    if json:
        print_json(
            {
                "region": REGION,
                "prices_of": AS_OF,
                "volume": asdict(volume),
                "sizes": asdict(measured),
                "use": asdict(use(volume, measured)),
                "announced": asdict(announced(volume, measured, wanted)) if wanted else None,
                "parts": [asdict(part) for part in parts],
                "by_kind": {kind.value: _dollars(parts, kind) for kind in Kind},
                "total": total,
                "reading_anew": anew,
                "rotations": rotations(prices),
            }
        )
        return
    screen.print(_table(parts, total))
    fixed, indexing = _dollars(parts, Kind.STANDING), _dollars(parts, Kind.INDEXING)
    screen.print(
        f"US dollars a year, list prices of {REGION} in {AS_OF}, no free tier deducted. {fixed:,.2f} of this is a "
        f"fixed cost, due even without image sets. Indexing the year's {series:,} image sets costs {indexing:,.2f}, or "
        f"{indexing / series * 1e6:,.2f} a million. Sizes were measured on "
        f"{counted(measured.image_sets, 'image set')}{'' if sample else ' made of files that pydicom ships'}."
    )
    mean = instances / series
    pages_of_all = measured.page(min(mean, INSTANCES_A_PAGE)) * max(mean / INSTANCES_A_PAGE, 1) / 1e3
    geometry = measured.geometry_bytes * mean / 1e3
    screen.print(
        f"The pages of a million image sets take {pages_of_all:,.1f} GB. {geometry:,.1f} GB of this is the position of "
        "each instance in space; `geometry = false` under [instances] in the profile leaves it out.",
        markup=False,
    )
    second, later = rotations(prices)
    screen.print(
        f"This is the first year. The key's first two yearly rotations cost as well: {second:,.2f} more in the second "
        f"year, and {later:,.2f} more in each later one."
    )
    if wanted:
        screen.print(
            f"Announcing the year's changes costs {_dollars(parts, Kind.ANNOUNCING):,.2f} if each arrives by itself."
        )
    screen.print(
        "Not included: searches, and new revisions of the profile. Reading all documents again for a revision costs "
        f"{anew:,.2f}"
        + (" from the bucket where they are kept." if documents else " if HealthImaging has archived them all.")
    )


def _dollars(parts: list[Part], kind: Kind) -> float:
    return math.fsum(part.dollars for part in parts if part.kind is kind)


def _table(parts: list[Part], total: float) -> Table:
    table = Table(
        "For", Column("Part"), Column("Quantity", justify="right"), "", Column("$ a year", justify="right"),
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True,
    )  # fmt: skip
    last = None
    for part in parts:
        if part.kind is not last:
            table.add_row(f"[b]{part.kind}[/b]", "", "", "", f"[b]{_dollars(parts, part.kind):,.2f}[/b]")
            last = part.kind
        table.add_row("", part.name, f"{part.quantity:,.0f}", part.unit, f"{part.dollars:,.2f}")
    table.columns[-1].footer = f"[b]{total:,.2f}[/b]"
    return table
