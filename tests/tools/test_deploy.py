"""What a change set would cost, and when a table's indexes are through."""

from pathlib import Path
from typing import Any

import pytest

from tools import deploy
from tools.deploy import costs_data, wait_for_indexes

TABLE, KEY, SECRET = "AWS::DynamoDB::GlobalTable", "AWS::KMS::Key", "AWS::SecretsManager::Secret"


def change(kind: str, action: str = "Modify", replacement: str = "False", **properties: str) -> dict[str, Any]:
    """A ResourceChange; `properties` say by name whether they require recreation."""
    targets = [
        {"Attribute": "Properties", "Name": name, "RequiresRecreation": requires}
        for name, requires in properties.items()
    ]
    details = [{"Target": target, "Evaluation": "Static"} for target in targets]
    return {"ResourceType": kind, "Action": action, "Replacement": replacement, "Details": details}


@pytest.mark.parametrize(
    "told",
    [
        change(TABLE, replacement="True", TableName="Always"),
        change(TABLE, replacement="Conditional", KeySchema="Conditionally"),
        change(TABLE, replacement="Conditional", AttributeDefinitions="Conditionally", KeySchema="Conditionally"),
        change(TABLE, "Remove"),
        change(KEY, replacement="True", KeySpec="Always"),
        change(KEY, replacement="Conditional", Origin="Conditionally"),
        change(KEY, "Remove"),
        change(SECRET, replacement="True", Name="Always"),
    ],
)
def test_what_would_replace_or_remove_what_holds_data_costs_it(told: dict[str, Any]) -> None:
    assert costs_data(told)


@pytest.mark.parametrize(
    "told",
    [
        change(TABLE, "Add"),
        change(TABLE, replacement="Conditional", AttributeDefinitions="Conditionally", GlobalSecondaryIndexes="Never"),
        change(TABLE, Replicas="Never", KeySchema="Never"),
        change(KEY, KeyPolicy="Never"),
        change(SECRET, "Remove"),
        change("AWS::Lambda::Function", replacement="True", FunctionName="Always"),
        {"ResourceType": "AWS::SQS::Queue", "Action": "Remove"},
    ],
)
def test_what_is_changed_in_place_or_holds_nothing_does_not(told: dict[str, Any]) -> None:
    assert not costs_data(told)


def test_the_next_update_waits_until_every_index_is_made_or_gone(capsys: pytest.CaptureFixture[str]) -> None:
    def table(**statuses: str) -> dict[str, Any]:
        indexes = [{"IndexName": name, "IndexStatus": status} for name, status in statuses.items()]
        return {"GlobalSecondaryIndexes": indexes}

    tables = [
        table(old="DELETING", new="CREATING"),
        table(new="CREATING"),
        table(new="CREATING"),
        table(new="UPDATING"),
        table(new="ACTIVE"),
    ]
    wait_for_indexes(lambda: tables.pop(0), poll=0)
    assert not tables
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(".")[0] for line in said] == ["DynamoDB works on old, new", "DynamoDB works on new"]
    wait_for_indexes(dict, poll=0)


def test_a_terminal_that_speaks_to_a_local_cloud_deploys_only_when_that_is_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    monkeypatch.setattr("sys.argv", ["deploy", "--yes", "-c", "profile=minimal"])
    deployed: list[list[str]] = []

    class Deployer:
        def __init__(self, arguments: list[str], _: Path) -> None:
            deployed.append(arguments)

        def run(self, *, yes: bool) -> None:
            assert yes

    monkeypatch.setattr(deploy, "Deployer", Deployer)
    with pytest.raises(SystemExit, match=r"AWS_ENDPOINT_URL is http://127\.0\.0\.1:4566"):
        deploy.main()
    assert not deployed
    monkeypatch.setattr("sys.argv", ["deploy", "--yes", "--local", "-c", "profile=minimal"])
    deploy.main()
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setattr("sys.argv", ["deploy", "--yes", "-c", "profile=minimal"])
    deploy.main()
    assert deployed == [["-c", "profile=minimal"]] * 2
