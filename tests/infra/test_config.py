import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.config import MAXIMUM_DATA_STORES, ROOT, Cognito, DataStore, SettingError, Settings

STORE = "0123456789abcdef0123456789abcdef"
POOL = "arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_abcDEF123"
KEY = "arn:aws:kms:eu-central-1:111122223333:key/8a1c0d3e-1111-2222-3333-444455556666"


def read(changes: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    return Settings.from_context(
        {**context, **(changes or {})},
        {"CDK_DEFAULT_REGION": "eu-central-1"} if environment is None else environment,
    )


def test_the_settings_of_cdk_json_are_usable_as_they_are() -> None:
    settings = read()
    assert (settings.stack_name, settings.maximum_concurrency, settings.memory_size) == ("ImagingIndex", 8, 512)
    assert settings.data_stores == ()
    assert settings.data_stores_in_words == "all data stores of this account and region"
    assert settings.profile == ROOT / "profiles" / "radiology.toml"
    assert settings.retain


def test_values_from_the_command_line_are_text_and_mean_the_same_as_in_cdk_json() -> None:
    stores = [{"id": STORE, "kmsKeyArn": KEY}]
    written = {"maximumConcurrency": 20, "logRetentionDays": 7, "dataStores": stores}
    given = {"maximumConcurrency": "20", "logRetentionDays": "7", "dataStores": json.dumps(stores)}
    assert read(given) == read(written)
    assert read(given).data_stores == (DataStore(STORE, KEY),)
    assert read(given).data_stores_in_words == STORE


def test_tags_are_given_as_json_on_the_command_line() -> None:
    assert read().tags == {}
    tags = {"cost centre": "4711", "team": ""}
    assert read({"tags": tags}).tags == read({"tags": json.dumps(tags)}).tags == tags


def test_dicomweb_is_off_unless_a_setting_says_how_its_callers_sign_in() -> None:
    assert read().dicomweb == read({"dicomweb": None}).dicomweb == "off"
    assert read({"dicomweb": "iam"}).dicomweb == "iam"
    pool = {"cognito": POOL, "scopes": ["imaging/search"]}
    assert read({"dicomweb": pool}) == read({"dicomweb": json.dumps(pool)})
    assert read({"dicomweb": pool}).dicomweb == Cognito(POOL, ("imaging/search",))


def test_a_profile_may_be_a_file_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "cardiology.toml"
    path.write_text("")
    assert read({"profile": str(path)}).profile == path


def test_the_region_of_the_context_goes_before_the_one_of_the_credentials() -> None:
    assert read().region == "eu-central-1"
    assert read({"region": "us-east-1"}).region == "us-east-1"


def test_without_a_region_the_message_says_how_to_give_one() -> None:
    with pytest.raises(SettingError, match=r"-c region=.*CDK_DEFAULT_REGION"):
        read(environment={})


@pytest.mark.parametrize(
    ("name", "value", "may_be"),
    [
        ("stackName", "imaging_index", "letters, digits and hyphens"),
        ("stackName", 7, "letters, digits and hyphens"),
        ("stackName", "S" * 65, "64 at most"),
        ("region", "Frankfurt", "the name of an AWS region"),
        ("dataStores", "none", '"all", or a list of 1 to 25'),
        ("dataStores", [], '"all", or a list of 1 to 25'),
        ("dataStores", [STORE], '"all", or a list of 1 to 25'),
        ("dataStores", [{"id": STORE.upper()}], '"all", or a list of 1 to 25'),
        ("dataStores", [{"id": STORE, "key": KEY}], '"all", or a list of 1 to 25'),
        ("dataStores", [{"id": STORE, "kmsKeyArn": 5}], '"all", or a list of 1 to 25'),
        ("dataStores", [{"id": STORE}, {"id": STORE}], "Name each data store once"),
        ("dataStores", [{"id": f"{n:032}"} for n in range(MAXIMUM_DATA_STORES + 1)], '"all", or a list of 1 to 25'),
        ("profile", "no-such-profile", "the path of a .toml file or one of minimal, radiology, research"),
        ("profile", "no/such.toml", "the path of a .toml file or one of minimal, radiology, research"),
        ("maximumConcurrency", 1, "from 2 to 1000"),
        ("maximumConcurrency", "1001", "from 2 to 1000"),
        ("maximumConcurrency", "8.5", "from 2 to 1000"),
        ("maximumConcurrency", True, "from 2 to 1000"),
        ("logRetentionDays", 91, "a number of days that CloudWatch Logs offers: 1, 3, 5"),
        ("removalPolicy", "snapshot", "retain or destroy"),
        ("architecture", "arm", "arm64 or x86_64"),
        ("memorySize", 64, "from 128 to 10240"),
        ("reconcileMinutes", 60, "from 1 to 30, or 0"),
        ("reconcileFullDays", -1, "from 1 to 3650, or 0"),
        ("reconcileDollars", "-0.5", "US dollars, from 0"),
        ("meanSize", 0, "megabytes, from 1"),
        ("alarmEmail", "radiology", "an e-mail address, or empty for none"),
        ("alarmEmail", ["a@example.org"], "an e-mail address, or empty for none"),
        ("monitoring", "none", "full or basic"),
        ("bundleFor", "docker", "lambda or host"),
        ("tags", "hospital", "at most 50 keys with their values"),
        ("tags", ["hospital"], "at most 50 keys with their values"),
        ("tags", {"aws:owner": "hospital"}, "none beginning with aws:"),
        ("tags", {"cost centre": 4711}, "at most 50 keys with their values"),
        ("tags", {f"key {n}": "" for n in range(51)}, "at most 50 keys with their values"),
        ("dicomweb", "on", 'off, iam, or {"cognito": "<ARN of a user pool>"}'),
        ("dicomweb", '{"cognito": "pool"}', 'off, iam, or {"cognito": "<ARN of a user pool>"}'),
        ("dicomweb", {"cognito": POOL, "scopes": ["a b"]}, 'off, iam, or {"cognito": "<ARN of a user pool>"}'),
        ("dicomwebVpcEndpoints", ["vpc-0123456789abcdef0"], "a list of VPC endpoints for execute-api"),
        ("dicomwebVpcEndpoints", "vpce-0123456789abcdef0", "a list of VPC endpoints for execute-api"),
        ("dicomwebOrigins", ["https://viewer.example.org/"], "a list of origins of web pages"),
        ("dicomwebOrigins", ["*"], "a list of origins of web pages"),
        ("dicomwebUnknownKeys", "warn", "refuse or ignore"),
        ("dicomwebEmptyStatus", 404, "200 or 204"),
        ("dicomwebReadUnits", "yes", "off or on"),
        ("dicomwebBudget", 99, "from 100 to 100000"),
        *(
            ("indexes", value, "left out: `make deploy` sets it itself")
            for value in ("all", "[]", '{"a": 1}', '{"a": {"partition": []}}')
        ),
    ],
)
def test_a_wrong_value_is_one_message_that_names_the_setting_and_what_it_may_be(
    name: str, value: object, may_be: str
) -> None:
    with pytest.raises(SettingError) as raised:
        read({name: value})
    message = str(raised.value)
    assert repr(name) in message
    assert may_be in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("value", "email"), [(None, None), ("", None), ("pacs@hospital.example.org", "pacs@hospital.example.org")]
)
def test_alarms_go_by_e_mail_to_whom_is_named_if_anybody_is(value: str | None, email: str | None) -> None:
    assert read({"alarmEmail": value}).alarm_email == email


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_setting_is_named(value: object) -> None:
    with pytest.raises(SettingError, match=r"'removalPolicy' is missing\. Set it in cdk\.json's context, to retain or"):
        read({"removalPolicy": value})


def test_all_data_stores_are_indexed_only_when_the_setting_says_so() -> None:
    with pytest.raises(SettingError, match=r"'dataStores' is missing\..* to \"all\", or a list"):
        read({"dataStores": ""})


@pytest.mark.parametrize("arn", [KEY.replace("key/", "alias/"), KEY.replace("eu-central-1", "us-east-1"), "key"])
def test_a_data_stores_key_must_be_a_key_of_its_region(arn: object) -> None:
    with pytest.raises(SettingError, match=r"'kmsKeyArn' is .*arn:aws:kms:eu-central-1:<account>:key/<key id>"):
        read({"dataStores": [{"id": STORE, "kmsKeyArn": arn}]})


def test_a_misspelt_setting_is_refused_with_the_right_spelling() -> None:
    with pytest.raises(SettingError, match=r"Unknown setting 'dataStore'\. Did you mean 'dataStores'"):
        read({"dataStore": "all"})


def test_context_that_is_none_of_ours_is_left_alone() -> None:
    assert read({"aws:cdk:enable-path-metadata": True, "team": "radiology"}) == read()
