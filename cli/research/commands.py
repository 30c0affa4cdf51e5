"""The commands `export`, `sql` and `report`.

What they work with takes two thirds of a second to import, so each imports it when it runs: no other command waits.
"""

from __future__ import annotations

from typing import Annotated

import typer

from cli import deployed
from cli.output import Misuse

Place = Annotated[
    str,
    typer.Option(
        "--from", help="The export: its file, folder, or s3://BUCKET/KEY.parquet.", envvar="IMAGING_INDEX_EXPORT"
    ),
]


def export(
    to: Annotated[
        str,
        typer.Option(
            help="FILE.parquet, a folder, s3://BUCKET/KEY.parquet, s3-tables:ARN of a table bucket, or iceberg:FOLDER."
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Read an export that DynamoDB has made: latest, or s3://BUCKET/PREFIX/AWSDynamoDB/ID.",
        ),
    ] = None,
    bucket: Annotated[
        str | None, typer.Option(help="Have DynamoDB export the table to this BUCKET or BUCKET/PREFIX, and read that.")
    ] = None,
    since: Annotated[
        bool, typer.Option("--since", help="With --bucket, export only what changed since the Iceberg table's moment.")
    ] = False,
    with_instances: Annotated[
        bool, typer.Option("--instances", help="Export the instances as well, to PLACE.instances.parquet.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Let a scan begin without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was exported as JSON.")] = False,
    stack: deployed.StackName = deployed.DEFAULT_STACK,
) -> None:
    """Export the entries to Parquet, in place of an export that is there, or bring an Iceberg table up to date."""
    if source and bucket:
        raise Misuse("--from reads an export that is there, and --bucket has one made: choose one.")
    if since and not (bucket and to.startswith(("s3-tables:", "iceberg:"))):
        raise Misuse("--since takes --bucket, and --to s3-tables: or iceberg:, where what did not change is already.")
    if with_instances and (source or bucket or ":" in to):
        raise Misuse("--instances are exported from a scan, to files: leave --from, --bucket and addresses out.")
    from cli.research import exporting

    exporting.export(stack, to, source, bucket, since=since, with_instances=with_instances, yes=yes, json=json)


def sql(
    question: Annotated[str, typer.Argument(help="A SELECT over image_sets or series.")],
    place: Place,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON array of objects.")] = False,
) -> None:
    """Ask a question in SQL over an export. It reads the export, and can do nothing else."""
    if csv and json:
        raise Misuse("--csv and --json are two forms of output: choose one.")
    from cli.research import asking

    asking.ask(question, place, csv=csv, json=json)


def report(
    place: Place,
    to: Annotated[str, typer.Option(help="The SVG file.")] = "report.svg",
) -> None:
    """Draw studies by month and modality, slice thickness by vendor, and missing attributes, from an export."""
    from cli.research import reporting

    reporting.report(place, to)
