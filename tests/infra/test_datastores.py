import json
from collections.abc import Callable
from typing import Any

from aws_cdk.assertions import Match, Template

from tests.infra.conftest import INDEX, RECONCILE, owned

STORE_KEY = "arn:aws:kms:eu-central-1:111122223333:key/8a1c0d3e-1111-2222-3333-444455556666"
THROUGH_HEALTHIMAGING = {"StringEquals": {"kms:ViaService": "medical-imaging.eu-central-1.amazonaws.com"}}

Only = Callable[..., dict[str, Any]]


def test_a_data_stores_own_key_may_be_used_through_healthimaging_only(listed_template: Template) -> None:
    listed_template.has_resource_properties(
        "AWS::IAM::ManagedPolicy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        {
                            "Effect": "Allow",
                            "Action": ["kms:Decrypt", "kms:DescribeKey"],
                            "Resource": STORE_KEY,
                            "Condition": THROUGH_HEALTHIMAGING,
                        }
                    ]
                )
            }
        },
    )


def test_the_stack_prints_the_statement_that_the_data_stores_key_needs(listed_template: Template) -> None:
    roles = {of: next(iter(owned(listed_template, "AWS::IAM::Role", of))) for of in (INDEX, RECONCILE)}
    (output,) = listed_template.find_outputs("DataStoreKeyPolicyStatement").values()
    parts = output["Value"]["Fn::Join"][1]
    arns = {role: f"arn:aws:iam::111122223333:role/{role}" for role in roles.values()}
    text = "".join(part if isinstance(part, str) else arns[part["Fn::GetAtt"][0]] for part in parts)
    assert json.loads(text) == {
        "Effect": "Allow",
        "Principal": {"AWS": list(arns.values())},
        "Action": ["kms:Decrypt", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": THROUGH_HEALTHIMAGING,
    }


def test_no_statement_is_printed_when_no_data_store_has_a_key_of_its_own(template: Template) -> None:
    assert not template.find_outputs("DataStoreKeyPolicyStatement")


def test_what_is_indexed_is_said_in_words(template: Template, listed_template: Template) -> None:
    template.has_output("DataStores", {"Value": "all data stores of this account and region"})
    listed_template.has_output(
        "DataStores", {"Value": "0123456789abcdef0123456789abcdef, fedcba9876543210fedcba9876543210"}
    )
