"""How many image sets the whole local pipeline indexes, how fast, and for how many write units.

    python -m bench.pipeline --image-sets 2000

The figures are of this machine and its local cloud, which is no measure of AWS; the write units are those that
DynamoDB's rules charge. Image sets are made from pydicom's CT file: each is a study of its own, with all that
the indexes ask for.
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

from bench.results import Pipeline
from imaging_index import metric_names
from imaging_index.table.reading import TableReader
from local.stack import import_folder, make_datastore, metrics, running

_POLL = 0.5


def write_files(folder: Path, count: int, *, private: bool = True) -> None:
    """`count` CT files, each of a patient, study and series of its own.

    Two thirds of their elements are private. Without those, an import takes a quarter of the time to read them.
    """
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    del dataset.PixelData
    if not private:
        dataset.remove_private_tags()
    for number in range(count):
        dataset.PatientID, dataset.AccessionNumber = f"P{number}", f"A{number}"
        study = f"1.2.826.0.1.3680043.8.498.{number}"
        dataset.StudyInstanceUID = UID(study)
        dataset.SeriesInstanceUID = UID(f"{study}.1")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{study}.1.1")
        dataset.save_as(folder / f"{number}.dcm")


def measure(count: int) -> Pipeline:
    """Import `count` image sets at once, and wait until all are indexed."""
    with tempfile.TemporaryDirectory() as folder, running() as (_, outputs):
        write_files(Path(folder), count)
        client = boto3.client("medical-imaging")
        datastore = make_datastore(client, "bench")
        table = TableReader(boto3.client("dynamodb"), outputs["TableName"])
        types = table.describe().key_types
        begun = time.monotonic()
        imported = import_folder(client, datastore, Path(folder)).image_sets
        indexed = 0
        while indexed < imported:
            time.sleep(_POLL)
            indexed = sum(1 for _ in table.query("arrived", {"DatastoreId": datastore}, types))
        taken = time.monotonic() - begun
        sums = metrics(outputs["FunctionName"])
    return Pipeline(indexed, indexed / taken, sums[metric_names.WRITE_UNITS] / indexed)


def main() -> int:
    """Run it and print a line of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-sets", type=int, default=2000)
    found = measure(parser.parse_args().image_sets)
    sys.stdout.write(
        f"{found.image_sets} image sets, {found.a_second:.0f} a second, {found.write_units:.2f} write units each\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
