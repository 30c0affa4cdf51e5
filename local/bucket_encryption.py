"""The encryption of a bucket that a template asks for, which ministack's CloudFormation leaves out."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from ministack.services import s3
from ministack.services.cloudformation import provisioners


def mend_bucket_encryption() -> None:
    """Have ministack 1.5.33 set a template's BucketEncryption, as it sets a bucket's other configurations.

    With aws:kms and no key, S3 takes AWS's own key. ministack refuses whatever is written then, so that is left out.
    The CDK's bucket of assets is such a one.
    """
    provisioners._S3_BUCKET_CONFIGURATIONS += (("BucketEncryption", _request, _put, s3._delete_bucket_encryption),)


def _put(bucket: str, request: bytes) -> None:
    if b"aws:kms" not in request or b"KMSMasterKeyID" in request:
        s3._put_bucket_encryption(bucket, request)


def _request(encryption: dict[str, Any]) -> bytes:
    """The body of PutBucketEncryption for a property BucketEncryption.

    Their members are the same, but for the name of one (AWS CloudFormation Template Reference,
    "AWS::S3::Bucket ServerSideEncryptionRule"; Amazon S3 API Reference, "ServerSideEncryptionRule").
    """
    root = Element("ServerSideEncryptionConfiguration", xmlns=s3.S3_NS)
    for rule in encryption["ServerSideEncryptionConfiguration"]:
        made = SubElement(root, "Rule")
        by_default = SubElement(made, "ApplyServerSideEncryptionByDefault")
        for name, value in rule["ServerSideEncryptionByDefault"].items():
            SubElement(by_default, name).text = value
        SubElement(made, "BucketKeyEnabled").text = str(rule.get("BucketKeyEnabled", False)).lower()
    return bytes(tostring(root, encoding="utf-8"))
