"""How many image sets the whole local pipeline indexes, how fast, and for how many write units.

    python -m bench.pipeline --image-sets 2000

The figures are of this machine and its local cloud, which is no measure of AWS; the write units are those that
DynamoDB's rules charge. Image sets are made from pydicom's CT file: each is a study of its own.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import boto3
import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import UID

from cli.demo import metrics
from cli.local import import_folder, make_datastore, running
from imaging_index import entry, searching
from imaging_index.table import Table

_POLL = 0.5


def write_files(folder: Path, count: int) -> None:
    """`count` CT files, each of a patient, study and series of its own."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    del dataset.PixelData
    for number in range(count):
        dataset.PatientID = f"P{number}"
        study = f"1.2.826.0.1.3680043.8.498.{number}"
        dataset.StudyInstanceUID = UID(study)
        dataset.SeriesInstanceUID = UID(f"{study}.1")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{study}.1.1")
        dataset.save_as(folder / f"{number}.dcm")


def main() -> int:
    """Run it and print a line of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-sets", type=int, default=2000)
    count = parser.parse_args().image_sets
    with tempfile.TemporaryDirectory() as folder, running() as (_, outputs):
        write_files(Path(folder), count)
        client = boto3.client("medical-imaging")
        datastore = make_datastore(client, "bench")
        table = Table(boto3.client("dynamodb"), outputs["TableName"])
        begun = time.monotonic()
        imported = import_folder(client, datastore, Path(folder))
        importing = time.monotonic() - begun
        indexed = 0
        while indexed < imported.image_sets:
            time.sleep(_POLL)
            indexed = sum(1 for _ in searching.search(table, [datastore], {}, "arrived"))
        taken = time.monotonic() - begun
        patients = {entry.plain(item)["PatientID"] for item in searching.search(table, [datastore], {}, "date")}
        sums = metrics(outputs["FunctionName"])
    sys.stdout.write(
        f"{indexed} image sets of {len(patients)} patients in {taken:.1f} s ({indexed / taken:.0f}/s; the import took "
        f"{importing:.1f} s), {sums['WriteUnits']:.0f} write units ({sums['WriteUnits'] / indexed:.2f} an image set), "
        f"{sums['Deferred']:.0f} deferred, {sums['Parked']:.0f} parked\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
