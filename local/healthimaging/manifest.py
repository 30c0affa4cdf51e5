"""What an import job writes to its output: the manifest, and a line for each file.

The names are those of HealthImaging's developer guide, "Understanding import jobs".
"""

import json
from typing import Any

from local.healthimaging.importing import Scan
from local.healthimaging.store import DataStore, ImageSet, ImportJob

# An image set that the job wrote: the version it got, and the files that went into it.
Written = tuple[ImageSet, int, list[str]]


def output_files(data_store: DataStore, job: ImportJob, scan: Scan, written: list[Written]) -> dict[str, bytes]:
    """The content of each file by its name below the job's output URI.

    [U] The service also lists what it discarded in a WARNING file. This one has no warnings.
    """
    imported = [(name, image_set.id) for image_set, _, files in written for name in files]
    summary = {
        "jobId": job.id,
        "datastoreId": data_store.id,
        "inputS3Uri": job.input_uri,
        "outputS3Uri": job.output_uri,
        "successOutputS3Uri": f"{job.output_uri}SUCCESS/",
        "failureOutputS3Uri": f"{job.output_uri}FAILURE/",
        "numberOfScannedFiles": scan.files,
        "numberOfImportedFiles": len(imported),
        "numberOfFilesWithCustomerError": len(scan.refused),
        "numberOfFilesWithServerError": 0,
        "numberOfGeneratedImageSets": len(written),
        "imageSetsSummary": [
            {
                "imageSetId": image_set.id,
                "imageSetVersion": version,
                "isPrimary": image_set.is_primary,
                "numberOfMatchedSOPInstances": len(files),
            }
            for image_set, version, files in written
        ],
    }
    successes = ({"inputFile": name, "importResponse": {"imageSetId": identifier}} for name, identifier in imported)
    failures = (
        {"inputFile": name, "exception": {"exceptionType": "ValidationException", "message": reason}}
        for name, reason in scan.refused
    )
    return {
        "job-output-manifest.json": json.dumps({"jobSummary": summary}, indent=2).encode(),
        "SUCCESS/success.ndjson": _lines(successes),
        "FAILURE/failure.ndjson": _lines(failures),
    }


def _lines(items: Any) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in items).encode()
