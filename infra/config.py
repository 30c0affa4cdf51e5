"""The settings of a deployment, read from the CDK's context: `cdk.json`, or `-c name=value` on the command line."""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar, get_args

from infra import indexes
from infra.indexes import Indexes
from infra.places import PLACES

ROOT: Final = PLACES.root

MAXIMUM_DATA_STORES: Final = 25

# How many days a log group can be told to keep its events (CloudWatch Logs API Reference, PutRetentionPolicy).
RETENTION_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip

Architecture = Literal["arm64", "x86_64"]
BundleTarget = Literal["lambda", "host"]
Monitoring = Literal["full", "basic"]
RemovalPolicy = Literal["retain", "destroy"]

_Word = TypeVar("_Word", bound=str)


class SettingError(ValueError):
    """A setting cannot be used; the message names the setting and says what it may be."""


@dataclass(frozen=True)
class DataStore:
    """A HealthImaging data store to index.

    Attributes:
        id: 32 lower-case letters and digits.
        kms_key_arn: ARN of the customer-managed KMS key that encrypts the data store, if it has one.
    """

    id: str
    kms_key_arn: str | None = None


@dataclass(frozen=True)
class Settings:
    """One deployment. The context keys have these names in camel case; `region` is the CDK's default unless set.

    Attributes:
        stack_name: name of the CloudFormation stack.
        region: AWS region that the stack is deployed into.
        data_stores: the data stores to index; none named means all of the account and region.
        profile: path of the profile's TOML file.
        maximum_concurrency: how many index functions read the queue at a time.
        log_retention_days: how long the functions' logs are kept.
        removal_policy: what becomes of the table, its key and the logs when the stack is deleted.
        architecture: instruction set that the functions run on.
        memory_size: MB of each index function.
        alarm_email: address that alarms are sent to, if any.
        monitoring: `full`, or `basic` for a local cloud: its CloudFormation refuses composite alarms and saved queries.
        bundle_for: `lambda`, or `host` for a local cloud that runs the functions on this machine.
        tags: of the stack and all that is in it, by key.
        indexes: those that the table is to have, when they are not the profile's: `make deploy` gives them, from one
            update to the next.
    """

    stack_name: str
    region: str
    data_stores: tuple[DataStore, ...]
    profile: Path
    maximum_concurrency: int
    log_retention_days: int
    removal_policy: RemovalPolicy
    architecture: Architecture
    memory_size: int
    alarm_email: str | None
    monitoring: Monitoring
    bundle_for: BundleTarget
    tags: Mapping[str, str]
    indexes: Indexes | None

    @property
    def retain(self) -> bool:
        """Whether deleting the stack leaves the data behind."""
        return self.removal_policy == "retain"

    @property
    def data_stores_in_words(self) -> str:
        """Which data stores are indexed, for an operator to read."""
        return ", ".join(store.id for store in self.data_stores) or "all data stores of this account and region"

    @classmethod
    def from_context(cls, context: Mapping[str, object], environment: Mapping[str, str]) -> "Settings":
        """Read and check every setting.

        Args:
            context: the CDK's whole context; keys that are not settings are left alone. Values from the command line
                are text: numbers are parsed, and a list is given as JSON.
            environment: the process's environment variables, for `CDK_DEFAULT_REGION`.

        Raises:
            SettingError: a setting is missing, misspelt, or not one of its possible values.
        """
        _refuse_misspelt(context)
        region = _region(context, environment)
        return cls(
            # The rule has this name too, of which EventBridge takes 64 characters.
            stack_name=_pattern(
                context, "stackName", r"[A-Za-z][A-Za-z0-9-]{0,63}", "letters, digits and hyphens, 64 at most"
            ),
            region=region,
            data_stores=_data_stores(context, region),
            profile=_profile(context),
            maximum_concurrency=_number(context, "maximumConcurrency", "from 2 to 1000", lambda n: 2 <= n <= 1000),
            log_retention_days=_number(
                context,
                "logRetentionDays",
                f"one that CloudWatch Logs offers: {', '.join(map(str, RETENTION_DAYS))}",
                lambda n: n in RETENTION_DAYS,
            ),
            removal_policy=_one_of(context, "removalPolicy", get_args(RemovalPolicy)),
            architecture=_one_of(context, "architecture", get_args(Architecture)),
            memory_size=_number(context, "memorySize", "from 128 to 10240 (MB)", lambda n: 128 <= n <= 10240),
            alarm_email=_alarm_email(context),
            monitoring=_one_of(context, "monitoring", get_args(Monitoring)),
            bundle_for=_one_of(context, "bundleFor", get_args(BundleTarget)),
            tags=_tags(context),
            indexes=_indexes(context),
        )


SETTINGS: Final = (
    "stackName",
    "region",
    "dataStores",
    "profile",
    "maximumConcurrency",
    "logRetentionDays",
    "removalPolicy",
    "architecture",
    "memorySize",
    "alarmEmail",
    "monitoring",
    "bundleFor",
    "tags",
    "indexes",
)


def _refuse_misspelt(context: Mapping[str, object]) -> None:
    # The context also carries keys of the CDK's own and of the user's ~/.cdk.json: only what was meant for us is ours.
    for key in context:
        if key not in SETTINGS and (near := difflib.get_close_matches(key, SETTINGS, n=1, cutoff=0.8)):
            raise SettingError(f"There is no setting {key!r}: did you mean {near[0]!r}?")


def _value(context: Mapping[str, object], name: str, may_be: str) -> object:
    value = context.get(name)
    if value is None or value == "":
        raise SettingError(f"The setting {name!r} is missing: set it in cdk.json's context, to {may_be}.")
    return value


def _wrong(name: str, value: object, may_be: str) -> SettingError:
    return SettingError(f"The setting {name!r} is {value!r}: it may be {may_be}.")


def _pattern(context: Mapping[str, object], name: str, pattern: str, may_be: str) -> str:
    value = _value(context, name, may_be)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise _wrong(name, value, may_be)
    return value


def _one_of(context: Mapping[str, object], name: str, words: tuple[_Word, ...]) -> _Word:
    may_be = " or ".join(words)
    value = _value(context, name, may_be)
    for word in words:
        if word == value:
            return word
    raise _wrong(name, value, may_be)


def _number(context: Mapping[str, object], name: str, range_in_words: str, allowed: Callable[[int], bool]) -> int:
    may_be = f"a whole number, {range_in_words}"
    value = _value(context, name, may_be)
    # -c gives text, cdk.json a number; bool is an int to Python and no number to anybody else.
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value)) or not allowed(int(str(value))):
        raise _wrong(name, value, may_be)
    return int(str(value))


def _region(context: Mapping[str, object], environment: Mapping[str, str]) -> str:
    region = context.get("region") or environment.get("CDK_DEFAULT_REGION")
    if not region:
        raise SettingError("No AWS region is set: pass -c region=..., or set CDK_DEFAULT_REGION, such as us-east-1.")
    if not isinstance(region, str) or not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", region):
        raise _wrong("region", region, "the name of an AWS region, such as us-east-1")
    return region


def _alarm_email(context: Mapping[str, object]) -> str | None:
    email = context.get("alarmEmail")
    if email is None or email == "":
        return None
    if not isinstance(email, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise _wrong("alarmEmail", email, "an e-mail address, or empty for none")
    return email


def _profile(context: Mapping[str, object]) -> Path:
    folder = ROOT / "profiles"
    may_be = f"the path of a .toml file or one of {', '.join(sorted(file.stem for file in folder.glob('*.toml')))}"
    value = _value(context, "profile", may_be)
    if not isinstance(value, str):
        raise _wrong("profile", value, may_be)
    path = ROOT / value if value.endswith(".toml") else folder / f"{value}.toml"
    if not path.is_file():
        raise _wrong("profile", value, may_be)
    return path


def _data_stores(context: Mapping[str, object], region: str) -> tuple[DataStore, ...]:
    may_be = (
        f'"all", or a list of 1 to {MAXIMUM_DATA_STORES} data stores such as '
        '[{"id": "<32 lower-case letters and digits>", "kmsKeyArn": "<only if the data store has a key of its own>"}]'
    )
    value = _value(context, "dataStores", may_be)
    if value == "all":
        return ()
    value = _parsed("dataStores", value, may_be)
    if not isinstance(value, list) or not 1 <= len(value) <= MAXIMUM_DATA_STORES:
        raise _wrong("dataStores", value, may_be)
    stores = tuple(_data_store(item, region, may_be) for item in value)
    if len({store.id for store in stores}) != len(stores):
        raise _wrong("dataStores", value, "a list that names each data store once")
    return stores


def _data_store(item: object, region: str, may_be: str) -> DataStore:
    if not isinstance(item, dict) or not {"id"} <= item.keys() <= {"id", "kmsKeyArn"}:
        raise _wrong("dataStores", [item], may_be)
    store = DataStore(id=item["id"], kms_key_arn=item.get("kmsKeyArn"))
    if not isinstance(store.id, str) or not re.fullmatch(r"[0-9a-z]{32}", store.id):
        raise _wrong("dataStores", [item], may_be)
    # An alias cannot be granted on, and a data store's key is one of its own region.
    key = rf"arn:aws[a-z-]*:kms:{region}:[0-9]{{12}}:key/[A-Za-z0-9-]+"
    if store.kms_key_arn is not None and not re.fullmatch(key, str(store.kms_key_arn)):
        raise _wrong("kmsKeyArn", store.kms_key_arn, f"arn:aws:kms:{region}:<account>:key/<key id>")
    return store


def _parsed(name: str, value: object, may_be: str) -> object:
    """The value that -c gives as JSON; cdk.json's own is one already."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise _wrong(name, value, may_be) from None


def _tags(context: Mapping[str, object]) -> dict[str, str]:
    # AWS General Reference, "Tagging your AWS resources": what all services take.
    may_be = (
        'at most 50 keys with their values, such as {"CostCenter": "4711"}: letters, digits, spaces and _.:/=+-@, a '
        "key of up to 128 and a value of up to 256 characters, none beginning with aws:"
    )
    value = _parsed("tags", context.get("tags", {}), may_be)
    if not isinstance(value, dict) or len(value) > 50:
        raise _wrong("tags", value, may_be)
    for key, text in value.items():
        parts = ((key, r"(?!aws:)[\w .:/=+\-@]{1,128}"), (text, r"[\w .:/=+\-@]{0,256}"))
        if not all(isinstance(part, str) and re.fullmatch(pattern, part) for part, pattern in parts):
            raise _wrong("tags", {key: text}, may_be)
    return value


def _indexes(context: Mapping[str, object]) -> Indexes | None:
    value = context.get("indexes")
    if value is None:
        return None
    try:
        return indexes.from_setting(str(value))
    except ValueError:
        raise _wrong("indexes", value, "left out: `make deploy` sets it itself") from None
