"""DICOMweb as it is deployed: the real template in a local cloud that evaluates policies, called over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote

import boto3
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from imaging_index.table.reading import TableReader
from local.cloud import LocalCloud
from local.deployment import deploy
from proof.harness import canary
from proof.harness.image_sets import make_image_set, wait_for
from tests.accounts import signed_in
from tests.assemblies import synth_here
from tests.grants import Grant, Policies, documented, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imaging_index.table.layout import Key

# An attribute is hashed, so a question takes the secret; and the index by study holds keys alone, so that a question
# for a study takes its whole entries.
PROFILE: Final = """
revision = 1
attributes = [
  "PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
  "ReferringPhysicianName", "SeriesInstanceUID", "Modality",
]
[privacy]
PatientID = "hash"
[indexes.study]
partition = ["StudyInstanceUID"]
sort = ["ImageSetId"]
holds = "keys"
[indexes.date]
partition = ["DatastoreId"]
sort = ["StudyMoment", "ImageSetId"]
[indexes.patient]
partition = ["DatastoreId", "PatientID"]
sort = ["StudyMoment", "ImageSetId"]
"""

# What is searched for is the canary's: whatever has any of it beside the table and the answers has leaked.
STUDY: Final = f"1.2.{canary.NUMBER}.1"
SERIES: Final = f"1.2.{canary.NUMBER}.2"
NAME: Final = f"{canary.MARKER}^Äda"
PATIENT: Final = f"{canary.MARKER}-7"

RESOURCES: Final = {
    "/index/": "the indexes",
    ":table/": "the table",
    ":key/": "the stack's key",
    ":secret:": "the secret of the tokens",
    ":log-group:": "the function's log group",
    "*": "everything",
}
# What the function does itself, and a question that takes it.
INSTANCES: Final = f"/studies/{STUDY}/series/{SERIES}/instances"
PROVEN: Final[dict[Grant, str]] = {
    ("dynamodb:BatchGetItem", "the table"): f"/studies?StudyInstanceUID={STUDY}",
    ("dynamodb:DescribeTable", "the table"): "/studies",
    ("dynamodb:GetItem", "the table"): INSTANCES,
    ("dynamodb:Query", "the indexes"): "/studies",
    ("dynamodb:Query", "the table"): INSTANCES,
    ("medical-imaging:ListDatastores", "everything"): "/studies",
    ("secretsmanager:GetSecretValue", "the secret of the tokens"): f"/studies?PatientID={PATIENT}",
}
# What AWS's services do in the function's name, which the local cloud does without asking: pinned by tests/infra.
PINNED: Final[set[Grant]] = {
    ("kms:Decrypt", "the stack's key"),
    ("kms:DescribeKey", "the stack's key"),
    ("logs:CreateLogStream", "the function's log group"),
    ("logs:PutLogEvents", "the function's log group"),
}


@dataclass(frozen=True)
class Answer:
    """The status, the headers and the body of an answer."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes

    @property
    def objects(self) -> list[Any]:
        """Its DICOM JSON objects."""
        assert self.status == HTTPStatus.OK, self.body
        found: list[Any] = json.loads(self.body)
        return found


class Deployed:
    """The stack with DICOMweb, and one image set that is indexed.

    Args:
        aws: the SDK, as the account's owner.
        endpoint: of the local cloud.
        outputs: the stack's.
        key: the image set's.
    """

    def __init__(self, aws: boto3.Session, endpoint: str, outputs: dict[str, str], key: Key) -> None:
        self.aws, self.outputs, self.key = aws, outputs, key
        self.api = outputs["DicomwebUrl"].removeprefix("https://").partition(".")[0]
        self._root = f"{endpoint}/_aws/execute-api/{self.api}/dicomweb"
        (self.function,) = (
            each["FunctionName"]
            for each in aws.client("lambda").list_functions()["Functions"]
            if "DicomwebFunction" in each["FunctionName"]
        )
        self.policies = Policies(aws, of="DicomwebFunction", resources=RESOURCES)
        self.caller = self.user("radiologist", "GET/*", "POST/*")
        self._pool = urllib3.PoolManager(retries=False)

    def user(self, name: str, *paths: str) -> Credentials:
        """The credentials of a new user who may call the API by methods and paths like `GET/studies`."""
        iam = self.aws.client("iam")
        iam.create_user(UserName=name)
        resources = [f"arn:aws:execute-api:us-east-1:*:{self.api}/dicomweb/{path}" for path in paths]
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resources}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="calls", PolicyDocument=document)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(made["AccessKeyId"], made["SecretAccessKey"])

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        by: Credentials | None = None,
        agent: str = "tests",
    ) -> Answer:
        """The answer to a request, signed by a caller; by one who may make all requests, if none is named."""
        # What is signed is the query as it is meant, however it is written (IAM User Guide, "Create a signed request").
        plain, _, query = path.partition("?")
        meant = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parse_qsl(query, True)]
        url = f"{self._root}{plain}?{'&'.join(sorted(meant))}"
        request = AWSRequest(method, url, data=body, headers={"User-Agent": agent})
        SigV4Auth(by or self.caller, "execute-api", "us-east-1").add_auth(request)
        return self.send(path, method, body, **dict(request.headers))

    def send(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """The answer to a request as it is, which nobody signs."""
        answer = self._pool.request(method, self._root + path, body=body, headers=headers)
        return Answer(answer.status, answer.headers, answer.data)

    def start_afresh(self) -> None:
        """Have the next request handled in an execution environment that has asked AWS for nothing yet."""
        self.aws.client("lambda").update_function_configuration(FunctionName=self.function, Timeout=29)

    def logged(self) -> list[str]:
        """The lines of the function's log."""
        client = self.aws.client("logs")
        (group,) = (
            each["logGroupName"]
            for each in client.describe_log_groups()["logGroups"]
            if "DicomwebFunction" in each["logGroupName"]
        )
        pages = client.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("dicomweb")
    (folder / "dicom").mkdir()
    (folder / "hashing.toml").write_text(PROFILE)
    with LocalCloud(policies=True) as cloud, signed_in(cloud.environment()):
        aws = boto3.Session()
        assembly = synth_here(folder / "assembly", profile=str(folder / "hashing.toml"), dicomweb="iam")
        outputs = deploy(assembly, cloud.environment())
        # What indexes needs the secret as well.
        Policies(aws, resources=RESOURCES)
        values = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "PatientName": NAME, "PatientID": PATIENT}
        key = make_image_set(
            aws.client("medical-imaging"), folder / "dicom", 2, SpecificCharacterSet="ISO_IR 192", **values
        )
        table = TableReader(aws.client("dynamodb"), outputs["TableName"])
        wait_for(lambda: table.read(key))
        yield Deployed(aws, cloud.endpoint, outputs, key)


def uids(answer: Answer) -> list[str]:
    return [each["0020000D"]["Value"][0] for each in answer.objects]


def test_a_signed_request_is_answered_from_the_table(deployed: Deployed) -> None:
    answer = deployed.ask("/studies")
    assert uids(answer) == [STUDY]
    assert answer.headers["Content-Type"] == "application/dicom+json"
    assert answer.headers["Cache-Control"] == "no-store"
    retrieve = answer.objects[0]["00081190"]["Value"][0]
    healthimaging = "https://dicom-medical-imaging.us-east-1.amazonaws.com"
    assert retrieve.startswith(f"{healthimaging}/datastore/{deployed.key.datastore_id}/studies/{STUDY}")


def test_the_same_paths_are_below_a_data_store(deployed: Deployed) -> None:
    assert uids(deployed.ask(f"/datastore/{deployed.key.datastore_id}/studies")) == [STUDY]
    assert deployed.ask(f"/datastore/{'0' * 32}/studies").status == HTTPStatus.NOT_FOUND
    assert len(deployed.ask(f"/datastore/{deployed.key.datastore_id}{INSTANCES}").objects) == 2


def test_a_token_is_searched_by_the_value_that_it_stands_for(deployed: Deployed) -> None:
    assert uids(deployed.ask(f"/studies?PatientID={PATIENT}")) == [STUDY]
    assert deployed.ask(f"/studies?PatientID={PATIENT}8").objects == []


@pytest.mark.parametrize(
    "query",
    [
        f"StudyInstanceUID=1.2.3&StudyInstanceUID={STUDY}",
        f"StudyInstanceUID={STUDY}&StudyInstanceUID=1.2.3",
        f"%53tudyInstanceUID={quote('1.2.3,' + STUDY, safe='')}",
        f"PatientName={quote(NAME)}&&",
        f"PatientName={quote(NAME.lower())}&StudyID=",
        f"&limit=10&includefield=StudyID&includefield={','.join(['00081030'] * 850)}",
    ],
    ids=["repeated", "repeated the other way", "encoded", "not ASCII", "empty", "8 kB"],
)
def test_a_query_reaches_the_service_as_it_was_sent(deployed: Deployed, query: str) -> None:
    assert uids(deployed.ask(f"/studies?{query}")) == [STUDY]


def test_repeated_values_that_do_not_match_find_nothing(deployed: Deployed) -> None:
    assert deployed.ask("/studies?StudyInstanceUID=1.2.3&StudyInstanceUID=1.2.4").objects == []


def test_a_path_may_be_encoded(deployed: Deployed) -> None:
    assert len(deployed.ask(f"/%73tudies/{STUDY.replace('.', '%2E')}/series").objects) == 1


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("/studies", "POST", b"{}", 405),
        ("/studies", "POST", None, 405),
        ("/studies", "GET", b"{}", 400),
        ("/patients", "GET", None, 404),
        (f"/studies/{STUDY}/metadata", "GET", None, 404),
        ("/studies?NoSuchKeyword=1", "GET", None, 400),
    ],
)
def test_what_is_no_search_is_refused_as_the_standard_says(
    deployed: Deployed, path: str, method: str, body: bytes | None, status: int
) -> None:
    answer = deployed.ask(path, method, body)
    assert answer.status == status, answer.body
    assert json.loads(answer.body).keys() == {"message"}
    assert (answer.headers.get("Allow") is not None) == (status == HTTPStatus.METHOD_NOT_ALLOWED)


def test_whoever_does_not_sign_or_signs_wrongly_is_refused(deployed: Deployed) -> None:
    before = len(deployed.logged())
    assert deployed.send("/studies").status == HTTPStatus.FORBIDDEN
    assert deployed.send("/studies", Authorization="Bearer token").status == HTTPStatus.FORBIDDEN
    assert deployed.send("/studies", "OPTIONS", Origin="https://viewer.example.org").status == HTTPStatus.FORBIDDEN
    wrong = Credentials(deployed.caller.access_key, "a secret of somebody else")
    assert deployed.ask("/studies", by=wrong).status == HTTPStatus.FORBIDDEN
    nobody = Credentials("AKIAIOSFODNN7EXAMPLE", "a secret")
    assert deployed.ask("/studies", by=nobody).status == HTTPStatus.FORBIDDEN
    assert len(deployed.logged()) == before, "one of them has reached the function"


def test_a_caller_who_may_search_for_studies_only_is_refused_everything_else(deployed: Deployed) -> None:
    store = f"/datastore/{deployed.key.datastore_id}"
    of_stores = deployed.user("of-data-stores", "GET/*/studies")
    assert uids(deployed.ask(f"{store}/studies", by=of_stores)) == [STUDY]
    of_all = deployed.user("of-all-data-stores", "GET/studies")
    assert uids(deployed.ask("/studies", by=of_all)) == [STUDY]
    refused = [
        (of_stores, "/studies", "GET"),
        (of_stores, f"{store}/series", "GET"),
        (of_stores, f"{store}/studies/{STUDY}/series", "GET"),
        (of_stores, f"{store}/studies", "POST"),
        (of_all, f"{store}/studies", "GET"),
        (of_all, "/series", "GET"),
        (of_all, INSTANCES, "GET"),
        (of_all, "/studies/count", "GET"),
        (of_all, "/studies", "HEAD"),
    ]
    answers = [deployed.ask(path, method, by=caller).status for caller, path, method in refused]
    assert answers == [HTTPStatus.FORBIDDEN] * len(refused)


@pytest.mark.parametrize("grant", PROVEN, ids=" on ".join)
def test_without_a_grant_a_question_fails_without_a_word_of_it_and_with_it_it_is_answered(
    deployed: Deployed, grant: Grant, record_property: Callable[[str, object], None]
) -> None:
    before = len(deployed.logged())
    with deployed.policies.without(grant):
        deployed.start_afresh()
        refused = deployed.ask(PROVEN[grant])
    assert deployed.ask(PROVEN[grant]).objects
    assert refused.status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert canary.found(refused.body) is None
    (failure,) = (json.loads(line) for line in deployed.logged()[before:] if '"failed"' in line)
    assert failure["fault"] == "Configuration"
    assert failure["reason"].startswith(f"{grant[0].partition(':')[2]}: AccessDenied")
    record_property(" on ".join(grant), "proven")


def test_each_grant_of_dicomwebs_policy_is_proven_here_or_pinned_by_the_templates_tests(
    deployed: Deployed, record_property: Callable[[str, object], None]
) -> None:
    assert not PINNED & set(PROVEN)
    assert deployed.policies.grants == PINNED | set(PROVEN)
    for grant in sorted(PINNED):
        record_property(" on ".join(grant), "pinned")


def test_the_documented_grants_of_dicomweb_are_those() -> None:
    assert documented("## DICOMweb", "\n## ") == rows(PROVEN, PINNED)


def test_its_role_can_neither_scan_the_table_nor_write_it_nor_read_image_sets(deployed: Deployed) -> None:
    iam = deployed.aws.client("iam")
    (role,) = (each for each in iam.list_roles()["Roles"] if "DicomwebFunction" in each["RoleName"])
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = role["AssumeRolePolicyDocument"]
    opened = {**trust, "Statement": [*trust["Statement"], anybody]}
    iam.update_assume_role_policy(RoleName=role["RoleName"], PolicyDocument=json.dumps(opened))
    given = deployed.aws.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="thief")["Credentials"]
    thief = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    dynamodb, table, key = thief.client("dynamodb"), deployed.outputs["TableName"], deployed.key
    item: Any = {"ImageSet": {"S": str(key)}, "Part": {"S": "entry"}}
    assert dynamodb.get_item(TableName=table, Key=item)["Item"]
    for refused in (
        lambda: dynamodb.scan(TableName=table),
        lambda: dynamodb.put_item(TableName=table, Item=item),
        lambda: dynamodb.delete_item(TableName=table, Key=item),
        lambda: thief.client("medical-imaging").get_image_set(
            datastoreId=key.datastore_id, imageSetId=key.image_set_id
        ),
        lambda: thief.client("sqs").send_message(QueueUrl=deployed.outputs["QueueUrl"], MessageBody="forged"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def test_neither_logs_nor_metrics_have_anything_of_a_question_or_of_its_answer(deployed: Deployed) -> None:
    name = quote(NAME)
    for path in (
        "/studies",
        f"/studies?PatientName={name}",
        f"/studies?PatientID=*{PATIENT}",
        INSTANCES,
        f"/{PATIENT}",
    ):
        deployed.ask(path, agent=PATIENT)
    lines = deployed.logged()
    assert [line for line in lines if canary.found(line)] == []
    assert canary.found(f"/studies?PatientName={name}"), "the canary does not see what it looks for"
    metrics = [json.loads(line) for line in lines if line.startswith('{"_aws"')]
    assert {name for each in metrics for name in each} == {"_aws", "service", "ReadUnits"}
    assert sum(sum(each["ReadUnits"]) for each in metrics) > 0
