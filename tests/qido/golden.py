"""Requests as viewers and libraries send them, byte for byte.

Most are logged from the running client, others are quoted from its source. The UIDs of the hospital are filled in:
`{s}` a study, `{e}` its first series, `{i}` an instance of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.qido.stored import STORE


class Golden(NamedTuple):
    """A request of a client, and the status of the answer."""

    client: str
    address: str
    status: int = 200
    accept: str = "application/dicom+json"


_OHIF: Final = "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060%2C00080090%2C00100030"
_PYTHON: Final = "application/dicom+json, application/json"

GOLDEN: Final = tuple(
    each._replace(address=each.address.format(s="1.2.3.1", e="1.2.3.1.1", i="1.2.3.1.1.1", store=STORE))
    for each in (
        Golden("OHIF 3.13.2, work list", f"/studies?{_OHIF}"),
        Golden("OHIF below a data store", f"/datastore/{{store}}/studies?{_OHIF}"),
        Golden(
            "OHIF, all fields",
            f"/studies?PatientName=*Doe*&00100020=*PID1*&AccessionNumber=*ACC1*&StudyDescription=*CHEST*&{_OHIF}",
        ),
        Golden("OHIF, name", f"/studies?PatientName=*doe*&{_OHIF}"),
        Golden("OHIF without wildcards, name", f"/studies?PatientName=doe&{_OHIF}"),
        Golden("OHIF, patient", f"/studies?00100020=*1CT1*&{_OHIF}"),
        Golden("OHIF without wildcards, patient", f"/studies?00100020=PID1&{_OHIF}"),
        Golden("OHIF, accession", f"/studies?AccessionNumber=*428*&{_OHIF}"),
        Golden("OHIF without wildcards, accession", f"/studies?AccessionNumber=428&{_OHIF}"),
        Golden("OHIF, description", f"/studies?StudyDescription=*Brain*&{_OHIF}"),
        Golden("OHIF, dates", f"/studies?StudyDate=20240101-20240131&{_OHIF}"),
        Golden("OHIF, a year", f"/studies?StudyDate=20040101-20041231&{_OHIF}"),
        Golden("OHIF, start only", f"/studies?StudyDate=20240101-20261128&{_OHIF}"),
        Golden("OHIF, end only", f"/studies?StudyDate=19700102-20240131&{_OHIF}"),
        Golden("OHIF, modalities", f"/studies?ModalitiesInStudy=CT%2CMR&{_OHIF}"),
        Golden("OHIF, modalities with a comma", f"/studies?ModalitiesInStudy=CT,MR&{_OHIF}"),
        Golden("OHIF, a study", f"/studies?StudyInstanceUID={{s}}&{_OHIF}"),
        Golden("OHIF, two studies", f"/studies?StudyInstanceUID={{s}}\\1.2.3.2&{_OHIF}"),
        Golden("OHIF, priors", f"/studies?00100020=PID1&{_OHIF}"),
        Golden("OHIF, series", "/studies/{s}/series?includefield=00080021%2C00080031%2C0008103E%2C00200011"),
        Golden(
            "OHIF, one series",
            "/studies/{s}/series?includefield=00080021%2C00080031%2C0008103E%2C00200011&SeriesInstanceUID={e}",
        ),
        Golden("OHIF, study panel", "/studies/{s}/series?includefield=0008103E,00080021"),
        Golden("OHIF, thumbnails", "/studies/{s}/series/{e}/instances?limit=1&includefield=00080018"),
        Golden(
            "dicomweb-client 0.61.2",
            "/studies?ModalitiesInStudy=CT&PatientName=Doe%5EJ%2A&StudyDate=20240101-20240131&fuzzymatching=true"
            "&includefield=00081030&includefield=00200206&limit=10",
            accept=_PYTHON,
        ),
        Golden(
            "dicomweb-client 0.61.2, a list",
            "/studies?StudyInstanceUID=1.2.3.1&StudyInstanceUID=1.2.3.2",
            accept=_PYTHON,
        ),
        Golden("dicomweb-client 0.61.2, an empty value", "/studies?PatientID=", accept=_PYTHON),
        Golden("dicomweb-client 0.61.2, a path", "/series?00400275.00400009=SPS1", accept=_PYTHON),
        Golden("dicomweb-client 0.61.2, behind the end", "/studies?limit=100&offset=51", accept=_PYTHON),
        Golden("dicomweb-client 0.61.2, nested", "/studies/{s}/series/{e}/instances", accept=_PYTHON),
        Golden("Orthanc", "/studies?00100010=%2ADoe%2A&00100020=PID1", accept="*/*"),
        Golden("Orthanc, its page", "/studies?00100010=%2ADoe%2A&fuzzymatching=true&limit=101", accept="*/*"),
        Golden("Orthanc, series", "/studies/{s}/series", accept="*/*"),
        Golden("Orthanc, instances", "/studies/{s}/series/{e}/instances", accept="*/*"),
        Golden(
            "Weasis",
            "/studies?00100020=PID1&00100021=CLINIC&includefield=00080020,00080030,00080050,00080061,00080090,00081030,"
            "00100010,00100020,00100021,00100030,00100040,0020000D,00200010",
        ),
        Golden("Weasis, an empty form", "/studies?&includefield=00080020,00080030,00080050&limit=20&offset=0"),
        Golden("Weasis, empty pairs", "/studies?&includefield=00080020&&00080061=CT,MR,US&limit=20&offset=20"),
        Golden("Weasis, series", "/series?0020000E={e}"),
        Golden("Weasis, an instance", "/instances?00080018={i}", 400),
        Golden(
            "Weasis, series of a study",
            "/studies/{s}/series?includefield=0008103E,00080060,0020000E,00200011,00081190",
        ),
        Golden("Weasis, count of instances", "/series?0020000E={e}&includefield=00201209"),
        Golden("Weasis, one instance", "/studies/{s}/series/{e}/instances?includefield=00080018&limit=1&offset=1"),
        Golden("Slicer", "/studies?includefield=StudyDescription&offset=0", accept="*/*"),
        Golden("Slicer, further", "/studies?includefield=StudyDescription&offset=51", accept="*/*"),
        Golden("Slicer, series", "/studies/{s}/series?includefield=SeriesNumber&offset=0", accept="*/*"),
        Golden("Slicer, instances", "/studies/{s}/series/{e}/instances?offset=0", accept="*/*"),
        Golden("Slim", "/studies?ModalitiesInStudy=SM"),
        Golden("Slim, name", "/studies?ModalitiesInStudy=SM&PersonName=*slim*&fuzzymatching=true"),
        Golden("Slim, series", "/series?Modality=SM&StudyInstanceUID=1.2.3.8"),
        Golden("Slim, segmentations", "/studies/1.2.3.8/series?Modality=SEG"),
        Golden("Slim, annotations", "/studies/1.2.3.8/series?Modality=ANN"),
        Golden("Slim, optical tables", "/studies/1.2.3.8/series?Modality=OT"),
        Golden("Slim, presentations", "/studies/1.2.3.8/instances?Modality=PR"),
        Golden("Slim, reports", "/studies/{s}/instances?Modality=SR"),
        Golden("MONAI Label", "/series?Modality=CT"),
        Golden("MONAI Label, segmentations", "/series?Modality=SEG"),
        Golden("MONAI Label, a series", "/series?SeriesInstanceUID={e}"),
        Golden(
            "Google's DIMSE adapter",
            "/studies?limit=5000&includefield=0020000D&includefield=00100010&00100010=Doe%5EJohn&",
        ),
        Golden("Google's DIMSE adapter, instances", "/studies/{s}/instances?limit=50000&includefield=00080018&"),
        Golden("Google's dicom-fuse", "/studies?includefield=0020000D&limit=5000&offset=0"),
        Golden("Google's dicom-fuse, further", "/studies?includefield=0020000D&limit=5000&offset=5000"),
        Golden("Google's dicom-fuse, instances", "/studies/{s}/series/{e}/instances?limit=15000&offset=0"),
        Golden("dcm4che qidors", "/studies?OtherPatientIDsSequence.00100020=11235813", accept="application/dicom+json"),
        Golden("dcm4che qidors, XML", "/studies?00100020=PID1", 406, 'multipart/related;type="application/dicom+xml"'),
    )
)
