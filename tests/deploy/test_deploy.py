"""What a change set would cost, when a stack and its table are through, and where a deployment goes."""

import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest

from deploy import bootstrap, cdk, command, target
from deploy.cdk import environment_of
from deploy.change_sets import costs_data, may_be_executed
from deploy.errors import DeployError
from deploy.template import Template
from deploy.waiting import is_there, wait_for_indexes
from infra.config import ROOT

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


def test_a_change_set_without_changes_is_none_and_one_that_failed_otherwise_says_why() -> None:
    failed = "The submitted information didn't contain changes. Submit different information to create a change set."
    for reason in (failed, "No updates are to be performed."):
        assert not may_be_executed([{"Status": "FAILED", "StatusReason": reason, "Changes": []}])
    with pytest.raises(DeployError, match="Template format error"):
        may_be_executed([{"Status": "FAILED", "StatusReason": "Template format error", "Changes": []}])


def test_a_change_set_of_outputs_alone_is_executed_and_each_page_of_one_is_looked_at() -> None:
    page = {"Status": "CREATE_COMPLETE", "Changes": []}
    assert may_be_executed([page])
    lost = {"ResourceChange": {"LogicalResourceId": "StorageTable", **change(TABLE, "Remove")}}
    with pytest.raises(DeployError, match="This would replace StorageTable"):
        may_be_executed([page, {**page, "Changes": [lost]}])


def test_what_others_do_with_the_stack_is_waited_for_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    ends = {"UPDATE_COMPLETE": True, "ROLLBACK_COMPLETE": False, "REVIEW_IN_PROGRESS": False, None: False}
    for end, there in ends.items():
        statuses = [*["UPDATE_IN_PROGRESS"] * 3, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", end]
        assert is_there(lambda given=statuses: given.pop(0), poll=0) is there  # type: ignore[misc]
        assert not statuses
        assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_stack_is_ours_by_the_profile_in_its_template() -> None:
    ours = {"Metadata": {"Profile": "revision = 1"}}
    assert Template.of_stack("Dev", ours).body == ours
    others: list[object] = [{}, {"Metadata": {}}, {"Metadata": "Profile"}, "Metadata:\n  Profile: of somebody else"]
    for other in others:
        with pytest.raises(DeployError, match="The stack Dev is not one of Imaging Index"):
            Template.of_stack("Dev", other)


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
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr("sys.argv", ["deploy", "--yes", "-c", "profile=minimal"])
    deployed: list[tuple[bool, list[str]]] = []

    class Deployer:
        def __init__(self, _: boto3.Session, arguments: list[str], *__: object, local: bool) -> None:
            deployed.append((local, arguments))

        def run(self, *, yes: bool) -> None:
            assert yes

    monkeypatch.setattr(command, "Deployer", Deployer)
    with pytest.raises(SystemExit, match=r"AWS_ENDPOINT_URL is http://127\.0\.0\.1:4566"):
        command.main()
    assert not deployed
    monkeypatch.setattr("sys.argv", ["deploy", "--yes", "--local", "-c", "profile=minimal"])
    command.main()
    ((local, arguments),) = deployed
    assert local
    # With all that a local cloud needs, which the operator's settings override.
    assert {"bundleFor=host", "monitoring=basic", "removalPolicy=destroy"} < {*arguments}
    assert arguments[-2:] == ["-c", "profile=minimal"]
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with pytest.raises(SystemExit, match="--local deploys into a local cloud, and AWS_ENDPOINT_URL names none"):
        command.main()
    monkeypatch.setattr("sys.argv", ["deploy", "--yes", "-c", "profile=minimal"])
    command.main()
    assert deployed[1:] == [(False, ["-c", "profile=minimal"])]


def test_the_pages_have_the_command_that_deploys_into_a_local_cloud() -> None:
    assert "\nmake deploy CDK=--local\n" in (ROOT / "docs" / "upgrades.md").read_text("utf-8")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of AWS's profiles, which is all that is configured."""
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", *cdk.CREDENTIALS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.mark.parametrize("program", [command, bootstrap])
def test_without_a_region_nothing_is_deployed_where_the_command_line_would_take_one_of_its_own(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, configured: Path
) -> None:
    def region(*arguments: str) -> str | None:
        """The region that it goes on with; None if it ends for want of one."""
        monkeypatch.setattr("sys.argv", ["deploy", *arguments])
        with pytest.raises(
            SystemExit, match=r"^begun with |^No AWS region is set\. .* run make (deploy|bootstrap) CDK="
        ):
            program.main()
        return found.pop() if found else None

    found: list[str] = []
    looked_for = target.region

    def look(*given: Any) -> None:
        found.append(looked_for(*given))
        raise DeployError(f"begun with {found}")

    monkeypatch.setattr(target, "region", look)
    assert region() is None
    assert region("-c", "profile=minimal") is None
    assert region("-c", "region=eu-west-1") == "eu-west-1"
    assert region("--context=region=eu-west-2") == "eu-west-2"
    configured.write_text("[profile clinic]\nregion = eu-west-1\n")
    assert region("--profile", "clinic") == "eu-west-1"
    assert region() is None
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert region() == "us-west-2"
    # The last one of the settings counts, as it does for the CDK's command line.
    assert region("-c", "region=eu-west-1", "-c", "region=eu-west-2") == "eu-west-2"


def test_bootstrap_does_not_take_a_local_cloud_for_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    monkeypatch.setattr("sys.argv", ["bootstrap"])
    with pytest.raises(SystemExit, match=r"this terminal uses a local cloud.*make bootstrap CDK=--local"):
        bootstrap.main()


def test_bootstrap_without_credentials_says_so_and_warns_of_the_region_first(
    monkeypatch: pytest.MonkeyPatch, configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configured.write_text("[default]\nregion = eu-central-1\n")
    monkeypatch.setattr("sys.argv", ["bootstrap"])
    with pytest.raises(SystemExit, match="There are no AWS credentials: name a profile with AWS_PROFILE"):
        bootstrap.main()
    assert "no HealthImaging in eu-central-1" in capsys.readouterr().out


def test_a_region_without_healthimaging_is_said_and_not_refused() -> None:
    assert target.warning("us-east-1") == ""
    assert "no HealthImaging in eu-central-1, but in us-east-1, us-west-2, ap-southeast-2" in target.warning(
        "eu-central-1"
    )


def test_a_profile_is_asked_once_for_credentials_and_the_cdk_is_given_these_instead_of_its_name(
    monkeypatch: pytest.MonkeyPatch, configured: Path, tmp_path: Path
) -> None:
    with pytest.raises(DeployError, match="no AWS credentials"):
        environment_of(boto3.Session())
    asked, program = tmp_path / "asked", tmp_path / "ask"
    answer = json.dumps({"Version": 1, "AccessKeyId": "of-clinic", "SecretAccessKey": "secret"})
    program.write_text(f"echo once >> {asked}\necho '{answer}'\n")
    configured.write_text(f"[profile clinic]\nregion = eu-west-1\ncredential_process = sh {program}\n")
    monkeypatch.setenv("AWS_PROFILE", "clinic")
    session = boto3.Session()
    environment_of(session)
    given = environment_of(session)
    assert asked.read_text() == "once\n"
    assert "AWS_PROFILE" not in given
    assert [given[name] for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")] == [
        *("eu-west-1", "of-clinic", "secret")
    ]
    assert "AWS_SESSION_TOKEN" not in given


@pytest.mark.parametrize(("variable", "asks"), [("YES=1", False), ("YES=0", True), ("YES=", True), ("YES=no", True)])
def test_only_yes_1_deploys_without_a_question(variable: str, asks: bool) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "deploy", variable], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ("--yes" not in shown.stdout) is asks
