"""The settings of a deployment, read from the CDK's context: `cdk.json`, or `-c name=value` on the command line."""

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

from infra.indexes import Indexes
from infra.places import PLACES

ROOT: Final = PLACES.root

MAXIMUM_DATA_STORES: Final = 25

# For how many intervals an export is kept: so the one before is there while the next one is made, and if it fails.
EXPORT_INTERVALS: Final = 3

# How long one invocation of the index function may take.
FUNCTION_SECONDS: Final = 60
# The memory of the function that announces. A manifest of the largest import job, parsed, and a batch of the largest
# entries take less than half of it.
EVENT_FUNCTION_MB: Final = 512

# How long one invocation of the reconcile function may take: the next one begins about then.
RECONCILE_SECONDS: Final = 600

Architecture = Literal["arm64", "x86_64"]
BundleTarget = Literal["lambda", "host"]
Monitoring = Literal["full", "basic"]
RemovalPolicy = Literal["retain", "destroy"]
Switch = Literal["off", "on"]
Kept = Literal["off", "s3"]
UnknownKeys = Literal["refuse", "ignore"]
EmptyStatus = Literal[200, 204]

_PROFILES: Final = ROOT / "profiles"
_SHIPPED: Final = ", ".join(sorted(file.stem for file in _PROFILES.glob("*.toml")))


class SettingError(ValueError):
    """An invalid setting; the message names it and says what it may be."""


class DataStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A HealthImaging data store to index.

    Attributes:
        id: 32 lower-case letters and digits.
        kms_key_arn: ARN of the customer-managed KMS key that encrypts the data store, if it has one.
    """

    id: Annotated[str, Meta(pattern=r"\A[0-9a-z]{32}\Z")]
    kms_key_arn: str | None = None


class Cognito(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sign-in to the DICOMweb API by Amazon Cognito.

    Attributes:
        cognito: ARN of the user pool.
        scopes: of OAuth. With any, callers send an access token that has one of them; else they send an ID token.
    """

    cognito: Annotated[str, Meta(pattern=r"\Aarn:aws[a-z-]*:cognito-idp:[a-z0-9-]+:[0-9]{12}:userpool/[\w-]+\Z")]
    scopes: tuple[Annotated[str, Meta(pattern=r"\A[!#-\[\]-~]{1,256}\Z")], ...] = ()


# The settings' types with their bounds. A description completes the sentence "It may be ...".
_StackName = Annotated[
    str, Meta(pattern=r"\A[A-Za-z][A-Za-z0-9-]{0,63}\Z", description="letters, digits and hyphens, 64 at most")
]
_Region = Annotated[
    str, Meta(pattern=r"\A[a-z]{2,}(-[a-z]+)+-[0-9]+\Z", description="the name of an AWS region, such as us-east-1")
]
_DataStores = Annotated[
    tuple[DataStore, ...],
    Meta(
        min_length=1,
        max_length=MAXIMUM_DATA_STORES,
        description=f'"all", or a list of 1 to {MAXIMUM_DATA_STORES} data stores such as [{{"id": "<32 lower-case '
        'letters and digits>", "kmsKeyArn": "<only if the data store has a key of its own>"}]',
    ),
]
_Profile = Annotated[Path, Meta(description=f"the path of a .toml file or one of {_SHIPPED}")]
_Concurrency = Annotated[int, Meta(ge=2, le=1000, description="a whole number, from 2 to 1000")]
# CloudWatch Logs API Reference, PutRetentionPolicy.
_Days = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]  # fmt: skip
_Retention = Annotated[
    _Days, Meta(description=f"a number of days that CloudWatch Logs offers: {', '.join(map(str, get_args(_Days)))}")
]
_Memory = Annotated[int, Meta(ge=128, le=10240, description="a whole number, from 128 to 10240 (MB)")]
_Minutes = Annotated[
    int, Meta(ge=0, le=30, description="a whole number of minutes, from 1 to 30, or 0 for only by the command")
]
_FullDays = Annotated[
    int, Meta(ge=0, le=3650, description="a whole number of days, from 1 to 3650, or 0 for only by the command")
]
_Megabytes = Annotated[float, Meta(ge=1, le=100_000, description="megabytes, from 1 to 100000")]
_Dollars = Annotated[float, Meta(ge=0, le=100_000, description="US dollars, from 0 to 100000")]
_Email = Annotated[
    Annotated[str, Meta(pattern=r"\A[^@\s]+@[^@\s]+\.[^@\s]+\Z")] | None,
    Meta(description="an e-mail address, or empty for none"),
]
# AWS General Reference, "Tagging your AWS resources": what all services take.
_Tags = Annotated[
    dict[
        Annotated[str, Meta(pattern=r"\A(?!aws:)[\w .:/=+\-@]{1,128}\Z")],
        Annotated[str, Meta(pattern=r"\A[\w .:/=+\-@]{0,256}\Z")],
    ],
    Meta(
        max_length=50,
        description='at most 50 keys with their values, such as {"CostCenter": "4711"}: letters, digits, spaces and '
        "_.:/=+-@, a key of up to 128 and a value of up to 256 characters, none beginning with aws:",
    ),
]
_Dicomweb = Annotated[
    Literal["off", "iam"] | Cognito,
    Meta(description='off, iam, or {"cognito": "<ARN of a user pool>"}, which may have a list of "scopes" as well'),
]
_VpcEndpoints = Annotated[
    tuple[Annotated[str, Meta(pattern=r"\Avpce-[0-9a-f]{8,17}\Z")], ...],
    Meta(description='a list of VPC endpoints for execute-api, such as ["vpce-0123456789abcdef0"]'),
]
# Fetch Standard, section 3.2: an origin as browsers send it.
_Origins = Annotated[
    tuple[Annotated[str, Meta(pattern=r"\Ahttps?://[a-z0-9.-]+(:[0-9]{1,5})?\Z")], ...],
    Meta(description='a list of origins of web pages, such as ["https://viewer.example.org"], without a path'),
]
_Switch = Annotated[Switch, Meta(description="off or on")]
# Amazon SQS API Reference, "ChangeMessageVisibility": a message is hidden for twelve hours at most.
_StableMinutes = Annotated[
    int, Meta(ge=0, le=720, description="a whole number of minutes, from 0 (no such event) to 720")
]
# Amazon S3 User Guide, "General purpose bucket naming rules".
_Buckets = Annotated[
    tuple[Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")], ...],
    Meta(max_length=10, description='a list of at most 10 names of S3 buckets, such as ["import-output"]'),
]
_ExportDays = Annotated[int, Meta(ge=0, le=90, description="a whole number of days, from 1 to 90, or 0 for no exports")]
_Budget = Annotated[int, Meta(ge=100, le=100_000, description="a whole number, from 100 to 100000")]


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One deployment. The context keys have these names in camel case.

    Attributes:
        stack_name: name of the CloudFormation stack. The rule has it too, and EventBridge takes 64 characters.
        region: AWS region that the stack is deployed into; the CDK's default unless set.
        data_stores: the data stores to index; empty means all of the account and region.
        profile: the profile's TOML file.
        maximum_concurrency: how many index functions may run at a time.
        log_retention_days: how many days the functions' logs are kept.
        removal_policy: whether the table, its key and the logs survive the stack.
        termination_protection: whether CloudFormation refuses to delete the stack.
        architecture: instruction set that the functions run on.
        memory_size: memory of each function, in MB.
        reconcile_minutes: how often the index is compared with HealthImaging; 0 is never by itself.
        reconcile_full_days: after how many days everything is compared, and not only what changed; 0 is never by
            itself.
        reconcile_dollars: what the hints of a day may cost by moving image sets out of HealthImaging's archive tier.
        mean_size: of an image set in MB, as HealthImaging stores it, to know these dollars by.
        alarm_email: the address that alarms are sent to, if any.
        monitoring: `full`, or `basic` for a local cloud, which supports neither composite alarms nor saved queries.
        bundle_for: `lambda`, or `host` for a local cloud that runs the functions on this machine.
        tags: tags of the stack and all its resources, by key.
        dicomweb: whether there is a DICOMweb API, and how its callers sign in.
        dicomweb_vpc_endpoints: the VPC endpoints through which alone it is reached, if there are any.
        dicomweb_origins: the origins of web pages that may read its answers.
        dicomweb_unknown_keys: what becomes of a matching key that is unknown or not selected.
        dicomweb_empty_status: the status of an answer without rows.
        dicomweb_read_units: whether an answer's header says how many read request units it took.
        dicomweb_budget: how many entries a request may read.
        events: whether the index announces its changes on a bus of its own.
        study_stable_minutes: for how long a study must not have changed when it is announced as stable; 0 for never.
        import_output_buckets: the buckets of import jobs' output, for the event of a job that is indexed.
        event_schemas: whether the events' schema is registered with EventBridge.
        documents: whether the documents that were indexed are kept, and where.
        documents_despite_privacy: whether they are although the profile does not keep some of their values.
        export_days: after how many days DynamoDB exports the table again; 0 is never by itself.
        protected: whether what is kept is protected from deletion, and the stack. `make deploy` makes a stack without,
            so that one that cannot be completed leaves nothing.
        indexes: the table's indexes, if they differ from the profile's: `make deploy` sets them for each update of an
            upgrade.
    """

    stack_name: _StackName
    region: _Region
    data_stores: _DataStores = ()  # "all"; a list is never empty
    profile: _Profile
    maximum_concurrency: _Concurrency
    log_retention_days: _Retention
    removal_policy: Annotated[RemovalPolicy, Meta(description="retain or destroy")]
    termination_protection: _Switch = "off"
    architecture: Annotated[Architecture, Meta(description="arm64 or x86_64")]
    memory_size: _Memory
    reconcile_minutes: _Minutes
    reconcile_full_days: _FullDays
    reconcile_dollars: _Dollars
    mean_size: _Megabytes
    alarm_email: _Email = None
    monitoring: Annotated[Monitoring, Meta(description="full or basic")]
    bundle_for: Annotated[BundleTarget, Meta(description="lambda or host")]
    tags: _Tags = {}
    dicomweb: _Dicomweb = "off"
    dicomweb_vpc_endpoints: _VpcEndpoints = ()
    dicomweb_origins: _Origins = ()
    dicomweb_unknown_keys: Annotated[UnknownKeys, Meta(description="refuse or ignore")] = "refuse"
    dicomweb_empty_status: Annotated[EmptyStatus, Meta(description="200 or 204")] = 200
    dicomweb_read_units: _Switch = "off"
    dicomweb_budget: _Budget = 20_000
    events: _Switch = "off"
    study_stable_minutes: _StableMinutes = 0
    import_output_buckets: _Buckets = ()
    event_schemas: _Switch = "off"
    documents: Annotated[Kept, Meta(description="off or s3")] = "off"
    documents_despite_privacy: _Switch = "off"
    export_days: _ExportDays = 0
    protected: Annotated[Switch, Meta(description="left out: `make deploy` sets it itself")] = "on"
    indexes: Annotated[Indexes | None, Meta(description="left out: `make deploy` sets it itself")] = None

    @property
    def retain(self) -> bool:
        """Whether deleting the stack leaves the data behind."""
        return self.removal_policy == "retain"

    @property
    def removal(self) -> Literal["RETAIN_ON_UPDATE_OR_DELETE", "DESTROY"]:
        """The CDK's removal policy of what holds data: a stack that is never completed leaves none of it."""
        return "RETAIN_ON_UPDATE_OR_DELETE" if self.retain else "DESTROY"

    @property
    def data_stores_in_words(self) -> str:
        """Which data stores are indexed, for an operator to read."""
        return ", ".join(store.id for store in self.data_stores) or "all data stores of this account and region"

    def in_words(self) -> dict[str, str]:
        """What the template says of the settings, by name: of each that is not left out, for an operator to read."""
        names = {name: field.name for name, field in _FIELDS.items() if name not in _NOT_OF_THE_TEMPLATE}
        values = {name: msgspec.to_builtins(getattr(self, field), enc_hook=_named) for name, field in names.items()}
        values["dataStores"] = values["dataStores"] or "all"
        return {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in values.items()
            if value not in (None, (), [], {})
        }

    @classmethod
    def from_context(cls, context: Mapping[str, object], environment: Mapping[str, str]) -> "Settings":
        """Read and check every setting.

        Args:
            context: the CDK's whole context; keys that are not settings are ignored. Values from the command line are
                text: numbers are parsed, and lists and objects are given as JSON.
            environment: the process's environment variables, for `CDK_DEFAULT_REGION`.

        Raises:
            SettingError: a setting is missing, misspelt, or not one of its possible values.
        """
        _refuse_misspelt(context)
        given = {name: context[name] for name in SETTINGS if context.get(name) not in (None, "")}
        if "region" not in given and environment.get("CDK_DEFAULT_REGION"):
            given["region"] = environment["CDK_DEFAULT_REGION"]
        _refuse_missing(given)
        if given["dataStores"] == "all":
            del given["dataStores"]
        for name in _JSON:
            if isinstance(text := given.get(name), str) and text not in _WORDS:
                given[name] = _parsed(name, text)
        try:
            settings = msgspec.convert(given, cls, strict=False, dec_hook=_profile)
        except msgspec.ValidationError as error:
            # Such as "Expected `int` >= 2 - at `$.maximumConcurrency`".
            name = next(name for name in given if re.search(rf"\$\.{name}\b", str(error)))
            raise _wrong(name, given[name]) from None
        _check_data_stores(settings, given)
        return settings


_FIELDS: Final = {field.encode_name: field for field in msgspec.structs.fields(Settings)}

SETTINGS: Final = tuple(_FIELDS)

# What the command line gives as JSON; cdk.json has lists and objects.
_JSON: Final = (
    "dataStores",
    "tags",
    "indexes",
    "dicomweb",
    "dicomwebVpcEndpoints",
    "dicomwebOrigins",
    "importOutputBuckets",
)
# But for these.
_WORDS: Final = ("off", "iam")

# `make deploy` sets the first two from one update to the next; the last one is of the stack, not of its template.
_NOT_OF_THE_TEMPLATE: Final = ("indexes", "protected", "terminationProtection")

_OPTIONAL: Final = (
    *("alarmEmail", "tags", "indexes", "protected", "terminationProtection"),
    *("events", "studyStableMinutes", "importOutputBuckets", "eventSchemas", "exportDays"),
    *(name for name in SETTINGS if name.startswith(("dicomweb", "documents"))),
)


def _may_be(name: str) -> str:
    description: str = _FIELDS[name].type.__metadata__[0].description
    return description


def _wrong(name: str, value: object) -> SettingError:
    return SettingError(f"The setting {name!r} is {value!r}. It may be {_may_be(name)}.")


def _refuse_misspelt(context: Mapping[str, object]) -> None:
    # The context also has keys of the CDK and of the user's ~/.cdk.json, so an unknown key is no mistake by itself.
    for key in context:
        if key not in SETTINGS and (near := difflib.get_close_matches(key, SETTINGS, n=1, cutoff=0.8)):
            raise SettingError(f"Unknown setting {key!r}. Did you mean {near[0]!r}?")


def _refuse_missing(given: Mapping[str, object]) -> None:
    if "region" not in given:
        raise SettingError("No AWS region is set. Pass -c region=us-east-1 (or another), or set CDK_DEFAULT_REGION.")
    for name in SETTINGS:
        if name not in given and name not in _OPTIONAL:
            raise SettingError(f"The setting {name!r} is missing. Set it in cdk.json's context, to {_may_be(name)}.")


def _parsed(name: str, text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise _wrong(name, text) from None


def _profile(_: type, value: object) -> Path:
    """The file of a profile, by its path or its name; msgspec calls this for every type that it does not know."""
    if isinstance(value, str):
        path = ROOT / value if value.endswith(".toml") else _PROFILES / f"{value}.toml"
        if path.is_file():
            return path
    raise ValueError("not a profile")


def _named(profile: object) -> str:
    """A profile as the setting has it; of an own file its name only, since its folder is no matter of the stack."""
    path = Path(str(profile))
    return path.stem if path.parent == _PROFILES else path.name


def _check_data_stores(settings: Settings, given: Mapping[str, Any]) -> None:
    stores = settings.data_stores
    if len({store.id for store in stores}) != len(stores):
        raise SettingError(f"The setting 'dataStores' is {given['dataStores']!r}. Name each data store once.")
    # IAM grants nothing on an alias, and a data store's key is in the data store's region.
    key = rf"arn:aws[a-z-]*:kms:{settings.region}:[0-9]{{12}}:key/[A-Za-z0-9-]+"
    for store in stores:
        if store.kms_key_arn is not None and not re.fullmatch(key, store.kms_key_arn):
            raise SettingError(
                f"The setting 'kmsKeyArn' is {store.kms_key_arn!r}. It may be "
                f"arn:aws:kms:{settings.region}:<account>:key/<key id>."
            )
