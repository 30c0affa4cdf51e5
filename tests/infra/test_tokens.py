"""The key of the tokens: made by the stack when the profile hashes, and only then."""

from aws_cdk.assertions import Match, Template


def test_the_secret_is_made_by_aws_under_the_stacks_key_and_kept_with_the_table(hashing_template: Template) -> None:
    (key,) = hashing_template.find_resources("AWS::KMS::Key")
    hashing_template.has_resource(
        "AWS::SecretsManager::Secret",
        {
            "DeletionPolicy": "RetainExceptOnCreate",
            "Properties": {
                "Description": Match.string_like_regexp("tokens, UIDs and shifts of dates"),
                "GenerateSecretString": {"PasswordLength": 64, "ExcludePunctuation": True},
                "KmsKeyId": {"Fn::GetAtt": [key, "Arn"]},
            },
        },
    )


def test_the_function_may_read_that_secret_and_knows_its_name(hashing_template: Template) -> None:
    (secret,) = hashing_template.find_resources("AWS::SecretsManager::Secret")
    hashing_template.has_resource_properties(
        "AWS::Lambda::Function", {"Environment": {"Variables": Match.object_like({"TOKEN_SECRET": {"Ref": secret}})}}
    )
    statement = {"Action": "secretsmanager:GetSecretValue", "Effect": "Allow", "Resource": {"Ref": secret}}
    hashing_template.has_resource_properties(
        "AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Statement": Match.array_with([statement])}}
    )


def test_without_hashed_attributes_there_is_no_secret(template: Template) -> None:
    template.resource_count_is("AWS::SecretsManager::Secret", 0)
