"""The bucket of documents: how it is protected, what the functions may do in it, and when there is none."""

from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from infra.config import SettingError
from infra.metrics import NAMESPACE
from infra.synthesis import make_app
from tests.infra.conftest import HASHING, INDEX, RECONCILE, TEMPLATE_ONLY, owned

BUCKET, LOGS = "DocumentsBucket", "DocumentsLogs"
BLOCKED = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}


def bucket(template: Template, of: str) -> tuple[str, Any]:
    """A bucket with its logical id."""
    ((name, found),) = owned(template, "AWS::S3::Bucket", of).items()
    return name, found


def arn_of(logical_id: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def statements(template: Template, of: str, service: str) -> list[Any]:
    """The statements of a function's own policy that are about a service."""
    ((_, policy),) = owned(template, "AWS::IAM::ManagedPolicy", f"{of}Policy").items()
    every = policy["Properties"]["PolicyDocument"]["Statement"]
    return [each for each in every if str(each["Action"]).lstrip("['").startswith(f"{service}:")]


def variables(template: Template, of: str) -> Any:
    ((_, function),) = owned(template, "AWS::Lambda::Function", of).items()
    return function["Properties"]["Environment"]["Variables"]


def test_as_shipped_there_is_no_bucket_and_nobody_may_use_one(template: Template) -> None:
    template.resource_count_is("AWS::S3::Bucket", 0)
    assert "DocumentsBucketName" not in template.find_outputs("*")
    for of in (INDEX, RECONCILE):
        assert "DOCUMENTS_BUCKET" not in variables(template, of)
        assert statements(template, of, "s3") == []
        assert "s3." not in str(statements(template, of, "kms"))


def test_documents_are_encrypted_by_the_stacks_key_and_nobody_elses_to_see(documents_template: Template) -> None:
    _, found = bucket(documents_template, BUCKET)
    (key,) = owned(documents_template, "AWS::KMS::Key", "StorageKey")
    properties = found["Properties"]
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn_of(key)}
    assert rule["BucketKeyEnabled"] is True
    assert properties["PublicAccessBlockConfiguration"] == BLOCKED
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_a_deletion_is_one_since_there_are_no_versions_of_objects(documents_template: Template) -> None:
    assert "VersioningConfiguration" not in bucket(documents_template, BUCKET)[1]["Properties"]


@pytest.mark.parametrize("of", [BUCKET, LOGS])
def test_what_does_not_come_by_tls_is_refused_for_as_long_as_the_bucket_is_there(
    documents_template: Template, of: str
) -> None:
    name, found = bucket(documents_template, of)
    ((_, policy),) = owned(documents_template, "AWS::S3::BucketPolicy", f"{of}Policy").items()
    assert policy["Properties"]["Bucket"] == {"Ref": name}
    denied = [each for each in policy["Properties"]["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"]
    assert [each["Condition"] for each in denied] == [
        {"Bool": {"aws:SecureTransport": "false"}},
        {"NumericLessThan": {"s3:TlsVersion": 1.2}},
    ]
    for each in (found, policy):
        assert (each["DeletionPolicy"], each["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_accesses_are_logged_into_a_bucket_of_their_own_and_expire_with_the_other_logs(
    documents_template: Template,
) -> None:
    logs, found = bucket(documents_template, LOGS)
    logging = bucket(documents_template, BUCKET)[1]["Properties"]["LoggingConfiguration"]
    assert logging == {"DestinationBucketName": {"Ref": logs}, "LogFilePrefix": "documents/"}
    assert found["Properties"]["PublicAccessBlockConfiguration"] == BLOCKED
    rules = found["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [each["ExpirationInDays"] for each in rules if "ExpirationInDays" in each] == [90]


def test_the_index_function_uses_documents_and_lists_them(documents_template: Template) -> None:
    name, _ = bucket(documents_template, BUCKET)
    objects = {"Fn::Join": ["", [arn_of(name), "/documents/*"]]}
    using, listing = statements(documents_template, INDEX, "s3")
    assert (using["Action"], using["Resource"]) == (["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], objects)
    # With a condition, S3 would refuse GetObject of what is not there instead of saying so.
    assert listing == {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn_of(name)}
    assert variables(documents_template, INDEX)["DOCUMENTS_BUCKET"] == {"Ref": name}
    assert "s3.eu-central-1.amazonaws.com" in str(statements(documents_template, INDEX, "kms"))


def test_the_reconcile_function_deletes_documents_and_cannot_read_any(documents_template: Template) -> None:
    name, _ = bucket(documents_template, BUCKET)
    using, listing = statements(documents_template, RECONCILE, "s3")
    assert (using["Action"], listing["Action"]) == ("s3:DeleteObject", "s3:ListBucket")
    assert variables(documents_template, RECONCILE)["DOCUMENTS_BUCKET"] == {"Ref": name}
    assert "s3." not in str(statements(documents_template, RECONCILE, "kms"))


def test_the_command_finds_the_bucket_by_an_output(documents_template: Template) -> None:
    name, _ = bucket(documents_template, BUCKET)
    assert documents_template.find_outputs("DocumentsBucketName")["DocumentsBucketName"]["Value"] == {"Ref": name}


@pytest.mark.parametrize("metric", ["DocumentNotKept", "KeptDocumentUnusable"])
def test_an_alarm_rings_when_documents_are_not_kept_or_not_usable(documents_template: Template, metric: str) -> None:
    documents_template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"Namespace": NAMESPACE, "MetricName": metric, "Threshold": 1, "AlarmDescription": Match.any_value()},
    )


def settings(folder: Path, **context: str) -> dict[str, Any]:
    (folder / "hashing.toml").write_text(HASHING)
    return TEMPLATE_ONLY | {"profile": str(folder / "hashing.toml")} | context


def test_a_profile_with_privacy_refuses_documents_unless_it_is_said_twice(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as refused:
        make_app(settings(tmp_path, documents="s3"), str(tmp_path / "out"))
    assert str(refused.value) == (
        "The setting 'documents' is s3, and the profile's [privacy] does not keep PatientID: kept documents would "
        "hold these values as they are. Set documents to off. If the bucket may hold them, set documentsDespitePrivacy "
        "to on as well."
    )
    make_app(settings(tmp_path, documents="s3", documentsDespitePrivacy="on"), str(tmp_path / "out"))


def test_to_say_it_once_is_not_enough_the_other_way_round_either(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="'documentsDespitePrivacy' needs documents"):
        make_app(settings(tmp_path, documentsDespitePrivacy="on"), str(tmp_path / "out"))


def test_documents_are_kept_in_s3_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"'documents' is 'on'\. It may be off or s3\."):
        make_app(settings(tmp_path, documents="on"), str(tmp_path / "out"))
