"""DICOMweb in the template: what it adds when it is on, who may call it, what it may do, and what it never logs."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template

from imaging_index.qido import metric_names
from infra.config import ROOT, SettingError
from infra.dicomweb import REQUIRED
from infra.monitoring import RUNBOOK
from infra.synthesis import make_app
from tests.infra.conftest import DICOMWEB_HASHING, PLAIN_STORE, STORE_WITH_KEY, TEMPLATE_ONLY, USER_POOL
from tools import acknowledgements

Only = Callable[[Template, str], dict[str, Any]]

API = "AWS::ApiGateway::RestApi"
METHOD = "AWS::ApiGateway::Method"
STAGE = "AWS::ApiGateway::Stage"


def resources(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = template.to_json()["Resources"]
    return found


def function(template: Template) -> dict[str, Any]:
    """The properties of DICOMweb's function."""
    (found,) = (each for name, each in resources(template).items() if re.match("DicomwebFunction[0-9A-F]{8}$", name))
    properties: dict[str, Any] = found["Properties"]
    return properties


def statements(template: Template) -> list[dict[str, Any]]:
    """What its role may do."""
    (role,) = (each for name, each in resources(template).items() if name.startswith("DicomwebFunctionRole"))
    ((arn),) = role["Properties"]["ManagedPolicyArns"]
    assert "Policies" not in role["Properties"]
    found: list[dict[str, Any]] = resources(template)[arn["Ref"]]["Properties"]["PolicyDocument"]["Statement"]
    return found


def methods(template: Template) -> dict[str, dict[str, Any]]:
    return {each["Properties"]["HttpMethod"]: each["Properties"] for each in template.find_resources(METHOD).values()}


def test_dicomweb_is_off_as_shipped_and_on_it_changes_nothing_of_what_indexes(
    template: Template, dicomweb_template: Template
) -> None:
    template.resource_count_is(API, 0)
    off, on = resources(template), resources(dicomweb_template)
    # The dashboard has a row more.
    (dashboard,) = template.find_resources("AWS::CloudWatch::Dashboard")
    assert {name: each for name, each in on.items() if name in off and name != dashboard} == {
        name: each for name, each in off.items() if name != dashboard
    }
    assert {name for name in on.keys() - off.keys() if not name.startswith(("Dicomweb", "MonitoringDicomweb"))} == set()


def test_the_function_may_read_the_table_and_do_nothing_else(dicomweb_template: Template) -> None:
    (table,) = dicomweb_template.find_resources("AWS::DynamoDB::GlobalTable")
    (key,) = dicomweb_template.find_resources("AWS::KMS::Key")
    (group,) = (name for name in dicomweb_template.find_resources("AWS::Logs::LogGroup") if "DicomwebFunction" in name)
    arn = {"Fn::GetAtt": [table, "Arn"]}
    services = [f"{service}.eu-central-1.amazonaws.com" for service in ("dynamodb", "secretsmanager")]
    assert statements(dicomweb_template) == [
        {
            "Effect": "Allow",
            "Action": "dynamodb:Query",
            "Resource": [arn, {"Fn::Join": ["", [arn, "/index/*"]]}],
        },
        {
            "Effect": "Allow",
            "Action": ["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem"],
            "Resource": arn,
        },
        {"Effect": "Allow", "Action": "medical-imaging:ListDatastores", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:DescribeKey"],
            "Resource": {"Fn::GetAtt": [key, "Arn"]},
            "Condition": {"StringEquals": {"kms:ViaService": services}},
        },
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": [group, "Arn"]},
        },
    ]


def test_with_listed_data_stores_it_lists_none_and_with_a_profile_that_hashes_it_reads_the_secret(
    private_dicomweb_template: Template,
) -> None:
    (secret,) = private_dicomweb_template.find_resources("AWS::SecretsManager::Secret")
    granted = {str(each["Action"]): each["Resource"] for each in statements(private_dicomweb_template)}
    assert "medical-imaging:ListDatastores" not in granted
    assert granted["secretsmanager:GetSecretValue"] == {"Ref": secret}


def test_settings_reach_the_function(dicomweb_template: Template, private_dicomweb_template: Template) -> None:
    def variables(template: Template) -> dict[str, Any]:
        given = function(template)["Environment"]["Variables"]
        names = ("DATASTORES", "ORIGINS", "UNKNOWN_KEYS", "EMPTY_STATUS", "READ_UNITS", "BUDGET")
        return {name: given[name] for name in names if name in given}

    assert variables(dicomweb_template) == {
        "DATASTORES": "all",
        "UNKNOWN_KEYS": "refuse",
        "EMPTY_STATUS": "200",
        "READ_UNITS": "off",
        "BUDGET": "20000",
    }
    assert variables(private_dicomweb_template) == {
        "DATASTORES": f"{PLAIN_STORE},{STORE_WITH_KEY}",
        "ORIGINS": "https://viewer.example.org",
        "UNKNOWN_KEYS": "ignore",
        "EMPTY_STATUS": "204",
        "READ_UNITS": "on",
        "BUDGET": "5000",
    }
    assert function(dicomweb_template)["MemorySize"] == 1769


def test_every_method_needs_a_signature_and_no_page_of_another_origin_may_read_answers(
    dicomweb_template: Template, only: Only
) -> None:
    assert {name: each["AuthorizationType"] for name, each in methods(dicomweb_template).items()} == {"ANY": "AWS_IAM"}
    properties = only(dicomweb_template, API)
    assert properties["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert "Policy" not in properties


def test_with_a_user_pool_every_method_needs_its_token_and_a_browsers_preflight_invokes_nothing(
    private_dicomweb_template: Template, only: Only
) -> None:
    found = methods(private_dicomweb_template)
    assert found.keys() == {"ANY", "OPTIONS"}
    assert found["ANY"]["AuthorizationType"] == "COGNITO_USER_POOLS"
    assert found["ANY"]["AuthorizationScopes"] == ["imaging/search"]
    assert only(private_dicomweb_template, "AWS::ApiGateway::Authorizer")["ProviderARNs"] == [USER_POOL]
    assert found["OPTIONS"]["Integration"]["Type"] == "MOCK"
    said = found["OPTIONS"]["Integration"]["IntegrationResponses"][0]["ResponseParameters"]
    assert said["method.response.header.Access-Control-Allow-Origin"] == "'https://viewer.example.org'"
    # A page can read API Gateway's own refusals, such as that of an expired token.
    responses = private_dicomweb_template.find_resources("AWS::ApiGateway::GatewayResponse").values()
    assert {each["Properties"]["ResponseType"] for each in responses} == {"DEFAULT_4XX", "DEFAULT_5XX"}


def test_a_private_api_answers_only_what_comes_through_its_vpc_endpoints(
    private_dicomweb_template: Template, only: Only, tmp_path: Path
) -> None:
    def api_policy(template: Template) -> dict[str, Any]:
        properties = only(template, API)
        assert properties["EndpointConfiguration"] == {
            "Types": ["PRIVATE"],
            "VpcEndpointIds": ["vpce-0123456789abcdef0"],
        }
        (statement,) = properties["Policy"]["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:SourceVpce": ["vpce-0123456789abcdef0"]}}
        found: dict[str, Any] = statement
        return found

    assert api_policy(private_dicomweb_template)["Principal"] == {"AWS": "*"}
    # A policy that allows everybody would let each caller of the account call everything.
    make_app(
        {**TEMPLATE_ONLY, "dicomweb": "iam", "dicomwebVpcEndpoints": '["vpce-0123456789abcdef0"]'}, str(tmp_path)
    ).synth()
    signed = Template.from_string((tmp_path / "ImagingIndex.template.json").read_text("utf-8"))
    assert ":root" in json.dumps(api_policy(signed)["Principal"])


def test_the_access_log_says_who_asked_and_how_it_ended_and_nothing_of_what_was_asked(
    dicomweb_template: Template, only: Only
) -> None:
    setting = only(dicomweb_template, STAGE)["AccessLogSetting"]
    variables = set(re.findall(r"\$[\w.]+", setting["Format"]))
    assert variables == {
        "$context.requestId",
        "$context.requestTime",
        "$context.identity.userArn",
        "$context.identity.sourceIp",
        "$context.authorizer.claims.sub",
        "$context.httpMethod",
        "$context.status",
        "$context.error.responseType",
        "$context.responseLength",
        "$context.responseLatency",
        "$context.integrationLatency",
        "$context.integration.status",
        "$context.integration.requestId",
    }
    (group,) = (name for name in dicomweb_template.find_resources("AWS::Logs::LogGroup") if "AccessLogs" in name)
    assert {"Ref": group} in setting["DestinationArn"]["Fn::Join"][1]
    assert "KmsKeyId" in resources(dicomweb_template)[group]["Properties"]
    assert resources(dicomweb_template)[group]["Properties"]["RetentionInDays"] == 90


def test_nothing_logs_requests_or_traces_them_and_the_stage_limits_their_rate(
    dicomweb_template: Template, only: Only
) -> None:
    stage = only(dicomweb_template, STAGE)
    assert stage["TracingEnabled"] is False
    (settings,) = stage["MethodSettings"]
    assert settings == {
        "HttpMethod": "*",
        "ResourcePath": "/*",
        "LoggingLevel": "OFF",
        "DataTraceEnabled": False,
        "ThrottlingRateLimit": 50,
        "ThrottlingBurstLimit": 100,
    }
    assert "TracingConfig" not in function(dicomweb_template)
    # The role that lets API Gateway log is the account's.
    dicomweb_template.resource_count_is("AWS::ApiGateway::Account", 0)


def test_answers_are_compressed_and_sent_over_tls_with_forward_secrecy(dicomweb_template: Template, only: Only) -> None:
    properties = only(dicomweb_template, API)
    assert properties["MinimumCompressionSize"] == 1024
    assert properties["SecurityPolicy"] == "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"
    assert properties["EndpointAccessMode"] == "STRICT"


def test_only_this_api_may_invoke_the_function(dicomweb_template: Template, only: Only) -> None:
    (api,) = dicomweb_template.find_resources(API)
    permission = only(dicomweb_template, "AWS::Lambda::Permission")
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert {"Ref": api} in permission["SourceArn"]["Fn::Join"][1]


def test_the_address_of_the_api_is_an_output(dicomweb_template: Template, template: Template) -> None:
    outputs = dicomweb_template.to_json()["Outputs"]
    (api,) = dicomweb_template.find_resources(API)
    parts = ["https://", {"Ref": api}, ".execute-api.eu-central-1.", {"Ref": "AWS::URLSuffix"}, "/dicomweb"]
    assert outputs["DicomwebUrl"]["Value"] == {"Fn::Join": ["", parts]}
    assert outputs.keys() - template.to_json()["Outputs"].keys() == {"DicomwebUrl"}


@pytest.mark.parametrize("missing", [(name,) for name in REQUIRED.values()] + [("StudyTime", "StudyID")])
def test_a_profile_without_a_key_that_studies_are_matched_by_is_refused_with_what_it_lacks(
    missing: tuple[str, ...], tmp_path: Path
) -> None:
    profile = DICOMWEB_HASHING.partition("[privacy]")[0]
    for name in missing:
        profile = profile.replace(f'"{name}",', "")
    (tmp_path / "short.toml").write_text(profile)
    with pytest.raises(SettingError, match=rf"short\.toml lacks {', '.join(missing)}\. Select them"):
        make_app({**TEMPLATE_ONLY, "dicomweb": "iam", "profile": str(tmp_path / "short.toml")}, str(tmp_path / "out"))


def test_a_profile_that_drops_such_a_key_is_refused_and_any_is_taken_while_dicomweb_is_off(tmp_path: Path) -> None:
    (tmp_path / "dropping.toml").write_text(DICOMWEB_HASHING.replace('PatientID = "hash"', 'PatientName = "drop"'))
    context = {**TEMPLATE_ONLY, "profile": str(tmp_path / "dropping.toml")}
    with pytest.raises(SettingError, match=r"lacks PatientName\."):
        make_app({**context, "dicomweb": "iam"}, str(tmp_path / "on"))
    make_app(context, str(tmp_path / "off"))


def test_a_profile_whose_uids_no_viewer_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mapped.toml").write_text(DICOMWEB_HASHING.replace('PatientID = "hash"', 'StudyInstanceUID = "uid"'))
    with pytest.raises(SettingError, match=r"maps UIDs or shifts dates, which no viewer knows"):
        make_app({**TEMPLATE_ONLY, "dicomweb": "iam", "profile": str(tmp_path / "mapped.toml")}, str(tmp_path / "out"))


def test_its_alarms_lead_to_the_runbook_and_are_documented(dicomweb_template: Template) -> None:
    found = {
        each["Properties"]["AlarmName"].partition("-")[2]: each["Properties"]
        for name, each in dicomweb_template.find_resources("AWS::CloudWatch::Alarm").items()
        if name.startswith("MonitoringDicomweb")
    }
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8").partition("\n## DICOMweb\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(Dicomweb\w+)` \|.*\| ([^|]*) \| ([\w ]*) \|$", page, re.MULTILINE)
    assert documented == [
        (name, f"{each['DatapointsToAlarm']} of {each['EvaluationPeriods']}, {each['Period'] // 60} min", "good")
        for name, each in found.items()
    ]
    assert f"`{metric_names.READ_UNITS}`" in page
    for each in found.values():
        assert each["TreatMissingData"] == "notBreaching"
        assert each["AlarmDescription"].endswith(f"{RUNBOOK}#dicomweb")
        assert each["AlarmActions"] == each["OKActions"]


def test_its_alarms_and_graphs_look_at_metrics_that_aws_or_the_function_sends(dicomweb_template: Template) -> None:
    # Amazon API Gateway Developer Guide, "Amazon API Gateway dimensions and metrics"
    sent = {"5XXError", "4XXError", "Count", "Latency"}
    alarms = dicomweb_template.find_resources("AWS::CloudWatch::Alarm").values()
    api = [each["Properties"] for each in alarms if each["Properties"]["Namespace"] == "AWS/ApiGateway"]
    assert {each["MetricName"] for each in api} == {"5XXError", "Latency"}
    assert all(each["Dimensions"] == [{"Name": "ApiName", "Value": "ImagingIndex-dicomweb"}] for each in api)
    body = json.dumps([*dicomweb_template.find_resources("AWS::CloudWatch::Dashboard").values()])
    shown = set(re.findall(r'\\+"AWS/ApiGateway\\+",\\+"(\w+)\\+"', body))
    assert shown == sent
    assert metric_names.READ_UNITS in body


@pytest.mark.parametrize("kind", ["dicomweb_file", "private_dicomweb_file"])
def test_what_is_found_of_dicomweb_is_accepted_with_a_reason_on_its_construct(
    kind: str, request: pytest.FixtureRequest
) -> None:
    accepted = acknowledgements.accepted(request.getfixturevalue(kind).parent)
    of_dicomweb = [each for each in accepted if "/Dicomweb/" in each["acknowledgedAt"]]
    assert of_dicomweb
    for violation in of_dicomweb:
        assert violation["reason"]
        assert violation["acknowledgedAt"].count("/") >= 2, "accepted on the stack or on one of its parts"
