from collections.abc import Callable
from typing import Any

from aws_cdk.assertions import Match, Template

from imaging_index.profile import index_names, toml_file
from infra.config import ROOT

Only = Callable[..., dict[str, Any]]

TABLE = "AWS::DynamoDB::GlobalTable"


def test_an_image_sets_items_share_a_partition_and_are_told_apart_by_part(template: Template) -> None:
    template.has_resource_properties(
        TABLE,
        {
            "KeySchema": [
                {"AttributeName": "ImageSet", "KeyType": "HASH"},
                {"AttributeName": "Part", "KeyType": "RANGE"},
            ],
            "AttributeDefinitions": Match.array_with(
                [
                    {"AttributeName": "ImageSet", "AttributeType": "S"},
                    {"AttributeName": "Part", "AttributeType": "S"},
                ]
            ),
        },
    )


def test_the_tables_indexes_are_the_profiles(template: Template, only: Only) -> None:
    declared = toml_file.load(ROOT / "profiles" / "radiology.toml")
    table = only(template, TABLE)
    types = {definition["AttributeName"]: definition["AttributeType"] for definition in table["AttributeDefinitions"]}
    made = {
        index["IndexName"]: [(key["KeyType"], key["AttributeName"]) for key in index["KeySchema"]]
        for index in table["GlobalSecondaryIndexes"]
    }
    assert made == {
        index_names.in_table(name, index): [
            *(("HASH", key) for key in index.partition),
            *(("RANGE", key) for key in index.sort),
        ]
        for name, index in declared.indexes.items()
    }
    keys = {key for index in declared.indexes.values() for key in (*index.partition, *index.sort)}
    assert {key: types[key] for key in keys} == {key: declared.key_type(key) for key in keys}


def test_pages_and_tombstones_are_in_no_index(template: Template, only: Only) -> None:
    page = {"ImageSet", "Part"}
    tombstone = {"ImageSet", "Part", "Generation", "DatastoreId", "ImageSetId", "IndexedAt"}
    for index in only(template, TABLE)["GlobalSecondaryIndexes"]:
        keys = {key["AttributeName"] for key in index["KeySchema"]}
        assert keys - page, index["IndexName"]
        assert keys - tombstone, index["IndexName"]


def test_the_table_is_paid_by_use_recoverable_and_streams_both_images(template: Template) -> None:
    template.has_resource_properties(
        TABLE,
        {
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            "Replicas": [
                Match.object_like({"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}),
            ],
        },
    )


def test_table_queues_and_logs_are_encrypted_with_the_stacks_own_key(template: Template) -> None:
    (key,) = template.find_resources("AWS::KMS::Key")
    arn = {"Fn::GetAtt": [key, "Arn"]}
    template.has_resource_properties(
        TABLE,
        {
            "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
            "Replicas": [Match.object_like({"SSESpecification": {"KMSMasterKeyId": arn}})],
        },
    )
    template.all_resources_properties("AWS::SQS::Queue", {"KmsMasterKeyId": arn})
    template.all_resources_properties("AWS::Logs::LogGroup", {"KmsKeyId": arn, "RetentionInDays": 90})
    template.has_resource_properties("AWS::KMS::Key", {"EnableKeyRotation": True})


def test_cloudwatch_logs_may_use_the_key_for_the_stacks_log_groups_only(template: Template, only: Only) -> None:
    (statement,) = (
        statement
        for statement in only(template, "AWS::KMS::Key")["KeyPolicy"]["Statement"]
        if statement["Principal"].get("Service") == "logs.eu-central-1.amazonaws.com"
    )
    assert {"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"} <= set(statement["Action"])
    groups = statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    account = {"Ref": "AWS::AccountId"}
    assert groups == {"Fn::Join": ["", ["arn:aws:logs:eu-central-1:", account, ":log-group:ImagingIndex-*"]]}
    # A group that was given a name would not begin with the stack's.
    template.all_resources_properties("AWS::Logs::LogGroup", {"LogGroupName": Match.absent()})


def test_the_key_is_for_the_account_the_logs_the_rule_and_the_alarms_and_for_nobody_else(
    template: Template, only: Only
) -> None:
    account = {"AWS": {"Fn::Join": ["", ["arn:aws:iam::", {"Ref": "AWS::AccountId"}, ":root"]]}}
    services = ("logs.eu-central-1.amazonaws.com", "events.amazonaws.com", "cloudwatch.amazonaws.com")
    statements = only(template, "AWS::KMS::Key")["KeyPolicy"]["Statement"]
    assert [statement["Principal"] for statement in statements] == [
        account,
        *({"Service": service} for service in services),
    ]


def test_what_is_retained_is_protected_from_deletion(template: Template) -> None:
    for resource_type in (TABLE, "AWS::KMS::Key", "AWS::Logs::LogGroup"):
        template.has_resource(
            resource_type, {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
        )
    template.has_resource_properties(TABLE, {"Replicas": [Match.object_like({"DeletionProtectionEnabled": True})]})


def test_what_may_be_destroyed_goes_with_the_stack(listed_template: Template) -> None:
    for resource_type in (TABLE, "AWS::KMS::Key", "AWS::Logs::LogGroup"):
        listed_template.has_resource(resource_type, {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"})
    listed_template.has_resource_properties(
        TABLE, {"Replicas": [Match.object_like({"DeletionProtectionEnabled": False})]}
    )
