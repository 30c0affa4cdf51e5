"""One synth for each kind of deployment: none of the tests changes what it is given."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import infra  # noqa: F401  chooses the Node that aws_cdk starts when it is imported

# isort: split
from aws_cdk.assertions import Template

from infra.synthesis import make_app

REGION = "eu-central-1"
# The package has tests of its own: the template's do without it.
TEMPLATE_ONLY = {"aws:cdk:bundling-stacks": [], "region": REGION}

PLAIN_STORE = "0123456789abcdef0123456789abcdef"
STORE_WITH_KEY = "fedcba9876543210fedcba9876543210"
STORE_KEY = f"arn:aws:kms:{REGION}:111122223333:key/8a1c0d3e-1111-2222-3333-444455556666"

HASHING = """\
revision = 1
attributes = ["PatientID"]
[privacy]
PatientID = "hash"
[indexes.patient]
partition = ["PatientID"]
sort = ["StudyMoment", "ImageSetId"]
"""

USER_POOL = f"arn:aws:cognito-idp:{REGION}:111122223333:userpool/{REGION}_abcDEF123"
# All that DICOMweb needs, one of it as a token.
DICOMWEB_HASHING = """\
revision = 1
attributes = [
  "StudyDate", "StudyTime", "AccessionNumber", "Modality", "ReferringPhysicianName", "PatientName", "PatientID",
  "StudyInstanceUID", "StudyID",
]
[privacy]
PatientID = "hash"
[indexes.study]
partition = ["StudyInstanceUID"]
sort = ["ImageSetId"]
"""


# How the logical ids of the functions' resources begin.
INDEX = "PipelineIndexFunction"
RECONCILE = "ReconcilingFunction"


def owned(template: Template, resource_type: str, of: str) -> dict[str, Any]:
    """The resources of a type whose logical ids begin with `of`, by these ids."""
    return {name: each for name, each in template.find_resources(resource_type).items() if name.startswith(of)}


def synthesize(folder: Path, context: Mapping[str, Any]) -> Path:
    """The path of the template that the settings give."""
    make_app({**TEMPLATE_ONLY, **context}, str(folder)).synth()
    return folder / "ImagingIndex.template.json"


@pytest.fixture(scope="session")
def template_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template of the settings as they are in cdk.json."""
    return synthesize(tmp_path_factory.mktemp("default"), {})


@pytest.fixture(scope="session")
def listed_template_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template of two data stores, one with a key of its own, that leaves nothing behind when it is deleted."""
    stores = [{"id": PLAIN_STORE}, {"id": STORE_WITH_KEY, "kmsKeyArn": STORE_KEY}]
    context = {
        "dataStores": json.dumps(stores),
        "removalPolicy": "destroy",
        "maximumConcurrency": "40",
        "logRetentionDays": "7",
        "architecture": "x86_64",
        "memorySize": "1024",
    }
    return synthesize(tmp_path_factory.mktemp("listed"), context)


@pytest.fixture(scope="session")
def hashing_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template of a profile that hashes an attribute."""
    folder = tmp_path_factory.mktemp("hashing")
    (folder / "hashing.toml").write_text(HASHING)
    path = synthesize(folder / "out", {"profile": str(folder / "hashing.toml")})
    return Template.from_string(path.read_text("utf-8"))


@pytest.fixture(scope="session")
def dicomweb_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with DICOMweb for callers who sign, all else as in cdk.json."""
    return synthesize(tmp_path_factory.mktemp("dicomweb"), {"dicomweb": "iam"})


@pytest.fixture(scope="session")
def private_dicomweb_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with all that DICOMweb's settings can add: signing in, a private API, a page that may read."""
    folder = tmp_path_factory.mktemp("private-dicomweb")
    (folder / "hashing.toml").write_text(DICOMWEB_HASHING)
    context = {
        "profile": str(folder / "hashing.toml"),
        "dataStores": json.dumps([{"id": PLAIN_STORE}, {"id": STORE_WITH_KEY}]),
        "dicomweb": json.dumps({"cognito": USER_POOL, "scopes": ["imaging/search"]}),
        "dicomwebVpcEndpoints": json.dumps(["vpce-0123456789abcdef0"]),
        "dicomwebOrigins": json.dumps(["https://viewer.example.org"]),
        "dicomwebUnknownKeys": "ignore",
        "dicomwebEmptyStatus": "204",
        "dicomwebReadUnits": "on",
        "dicomwebBudget": "5000",
        "alarmEmail": "radiology@example.org",
    }
    return synthesize(folder / "out", context)


@pytest.fixture(scope="session")
def events_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with all that the settings of events can add."""
    context = {
        "events": "on",
        "studyStableMinutes": "30",
        "importOutputBuckets": json.dumps(["import-output", "import-output-2"]),
        "eventSchemas": "on",
    }
    return synthesize(tmp_path_factory.mktemp("events"), context)


@pytest.fixture(scope="session")
def documents_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template of a stack that keeps documents, all else as in cdk.json."""
    return synthesize(tmp_path_factory.mktemp("documents"), {"documents": "s3"})


@pytest.fixture(scope="session")
def exports_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template of a stack that exports its table every week, all else as in cdk.json."""
    return synthesize(tmp_path_factory.mktemp("exports"), {"exportDays": "7"})


@pytest.fixture(scope="session")
def bare_events_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template with events of image sets alone."""
    path = synthesize(tmp_path_factory.mktemp("bare-events"), {"events": "on"})
    return Template.from_string(path.read_text("utf-8"))


@pytest.fixture(scope="session")
def events_template(events_file: Path) -> Template:
    return Template.from_string(events_file.read_text("utf-8"))


@pytest.fixture(scope="session")
def documents_template(documents_file: Path) -> Template:
    return Template.from_string(documents_file.read_text("utf-8"))


@pytest.fixture(scope="session")
def exports_template(exports_file: Path) -> Template:
    return Template.from_string(exports_file.read_text("utf-8"))


@pytest.fixture(scope="session")
def dicomweb_template(dicomweb_file: Path) -> Template:
    return Template.from_string(dicomweb_file.read_text("utf-8"))


@pytest.fixture(scope="session")
def private_dicomweb_template(private_dicomweb_file: Path) -> Template:
    return Template.from_string(private_dicomweb_file.read_text("utf-8"))


@pytest.fixture(scope="session")
def template(template_file: Path) -> Template:
    return Template.from_string(template_file.read_text("utf-8"))


@pytest.fixture(scope="session")
def listed_template(listed_template_file: Path) -> Template:
    return Template.from_string(listed_template_file.read_text("utf-8"))


@pytest.fixture(scope="session")
def only() -> Callable[..., dict[str, Any]]:
    """The properties of a template's only resource of a type; of those of a construct, by how their ids begin."""

    def properties(template: Template, resource_type: str, of: str = "") -> dict[str, Any]:
        ((_, resource),) = owned(template, resource_type, of).items()
        found: dict[str, Any] = resource["Properties"]
        return found

    return properties
