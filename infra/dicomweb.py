"""DICOMweb: a REST API whose requests a function answers from the table."""

# mypy: allow-subclassing-any

import json
from typing import Any, Final

from aws_cdk import Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from imaging_index.profile.profile import Profile
from infra import alarms, dicomweb_graphs
from infra.compliance import acknowledge
from infra.config import Cognito, SettingError, Settings
from infra.dicomweb_function import DicomwebFunction
from infra.metrics import ApiNames
from infra.storage import Storage
from infra.tokens import TokenSecret

STAGE: Final = "dicomweb"

# Requests a second, and at once: two hundred people who open studies. Each further one is answered with 429.
_RATE: Final = 50
_BURST: Final = 100

# Amazon API Gateway Developer Guide, "Security policies for REST APIs": TLS 1.2 and 1.3 with forward secrecy. Requests
# whose TLS and HTTP name different hosts are refused.
_TLS: Final = "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"
_ACCESS_MODE: Final = "STRICT"

# Who asked, when, how long it took and how it ended. Path and query have identifiers and values of patients, and what
# the client says of itself may have anything.
ACCESS_LOG: Final = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "caller": "$context.identity.userArn",
    "subject": "$context.authorizer.claims.sub",
    "sourceIp": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "status": "$context.status",
    "error": "$context.error.responseType",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "functionMilliseconds": "$context.integrationLatency",
    "functionStatus": "$context.integration.status",
    "functionRequestId": "$context.integration.requestId",
}

# What browsers send of a request that is signed, or has a token (Fetch Standard, CORS).
_SENT_BY_BROWSERS: Final = ["Accept", "Authorization", "X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Security-Token"]

# PS3.18, Table 10.6.1-5, by the attributes that must be selected for them.
REQUIRED: Final = {
    "StudyDate": "StudyDate",
    "StudyTime": "StudyTime",
    "AccessionNumber": "AccessionNumber",
    "ModalitiesInStudy": "Modality",
    "ReferringPhysicianName": "ReferringPhysicianName",
    "PatientName": "PatientName",
    "PatientID": "PatientID",
    "StudyInstanceUID": "StudyInstanceUID",
    "StudyID": "StudyID",
}


def check(settings: Settings, profile: Profile) -> None:
    """Check that a profile holds what DICOMweb must match studies by.

    Raises:
        SettingError: DICOMweb is on, and the profile does not select all of these attributes, or drops one,
            or what it stores is nothing that a viewer can ask for.
    """
    if settings.dicomweb != "off" and (why := profile.why_no_dicomweb):
        raise SettingError(f"The setting 'dicomweb' needs another profile, or may be off. {why}")
    stored = {attribute.name for attribute in profile.attributes}
    missing = [attribute for attribute in REQUIRED.values() if attribute not in stored]
    if settings.dicomweb != "off" and missing:
        raise SettingError(
            "The setting 'dicomweb' needs a profile with all keys that studies are matched by (PS3.18, Table "
            f"10.6.1-5). {settings.profile.name} lacks {', '.join(missing)}. Select them without dropping them and "
            "raise its revision, choose another profile, or set dicomweb to off."
        )


class Dicomweb(Construct):
    """The API and its function.

    Attributes:
        url: what paths like `/studies` are appended to.
        alarms: its alarms.
        rows: its rows of the dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        storage: Storage,
        tokens: TokenSecret | None,
    ) -> None:
        """Make them.

        Args:
            settings: the deployment's settings; DICOMweb is on.
            storage: the table and the key.
            tokens: the key of the policies, if the profile has one that needs a key.
        """
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        function = DicomwebFunction(self, "Function", settings=settings, storage=storage, tokens=tokens)
        api = self._make_api(settings, storage)
        everything = api.root.add_resource("{proxy+}", default_cors_preflight_options=_preflight(settings))
        # All methods: the function refuses others than GET as the standard says, with 405.
        method = everything.add_method(
            "ANY", apigateway.LambdaIntegration(function.function, allow_test_invoke=False), **self._sign_in(settings)
        )
        _acknowledge(api, method, settings)
        _let_page_read_refusals(api, settings)
        self.url = f"https://{api.rest_api_id}.execute-api.{stack.region}.{stack.url_suffix}/{STAGE}"
        names = ApiNames(
            service=settings.stack_name,
            api=api.rest_api_name,
            function=function.function.function_name,
        )
        self.alarms = alarms.of_dicomweb(names)
        self.rows = dicomweb_graphs.rows(names)

    def _make_api(self, settings: Settings, storage: Storage) -> apigateway.RestApi:
        log_group = logs.LogGroup(
            self,
            "AccessLogs",
            encryption_key=storage.key,
            removal_policy=RemovalPolicy[settings.removal],
        )
        # The setting is a number of days, but the CDK's enumeration has names.
        log_group.node.default_child.retention_in_days = settings.log_retention_days
        endpoints = [
            ec2.InterfaceVpcEndpoint.from_interface_vpc_endpoint_attributes(self, each, vpc_endpoint_id=each, port=443)
            for each in settings.dicomweb_vpc_endpoints
        ]
        signs = settings.dicomweb == "iam"
        kind = apigateway.EndpointType.PRIVATE if endpoints else apigateway.EndpointType.REGIONAL
        api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=f"{settings.stack_name}-dicomweb",
            description="DICOMweb searches (QIDO-RS) of the index",
            endpoint_configuration=apigateway.EndpointConfiguration(types=[kind], vpc_endpoints=endpoints or None),
            policy=_through(settings) if endpoints else None,
            min_compression_size=Size.kibibytes(1),
            # The role that API Gateway writes logs with is one for the account and region: docs/dicomweb.md.
            cloud_watch_role=False,
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE,
                access_log_destination=apigateway.LogGroupLogDestination(log_group),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG)),
                # These would have paths and queries in them.
                logging_level=apigateway.MethodLoggingLevel.OFF,
                data_trace_enabled=False,
                tracing_enabled=False,
                throttling_rate_limit=_RATE,
                throttling_burst_limit=_BURST,
            ),
        )
        # The CDK's own output. The stack's has a name that can be relied on.
        api.node.try_remove_child("Endpoint")
        # A changed policy takes effect with the next deployment only.
        api.latest_deployment.add_to_logical_id({"through": list(settings.dicomweb_vpc_endpoints), "signed": signs})
        resource = api.node.default_child
        resource.security_policy, resource.endpoint_access_mode = _TLS, _ACCESS_MODE
        return api

    def _sign_in(self, settings: Settings) -> dict[str, Any]:
        """The options of a method that say who may call it."""
        if not isinstance(settings.dicomweb, Cognito):
            return {"authorization_type": apigateway.AuthorizationType.IAM}
        authorizer = apigateway.CognitoUserPoolsAuthorizer(
            self,
            "Authorizer",
            cognito_user_pools=[cognito.UserPool.from_user_pool_arn(self, "UserPool", settings.dicomweb.cognito)],
        )
        return {
            "authorization_type": apigateway.AuthorizationType.COGNITO,
            "authorizer": authorizer,
            "authorization_scopes": list(settings.dicomweb.scopes) or None,
        }


def _through(settings: Settings) -> iam.PolicyDocument:
    """The policy of a private API: it answers only what comes through the VPC endpoints.

    Where callers sign, it allows the account, and not everybody: a policy that allows a caller suffices within an
    account, whatever the caller's own policies say (Amazon API Gateway Developer Guide, "How API Gateway resource
    policies affect authorization workflow", table A). Allowing the account leaves the decision to them.
    """
    signed = settings.dicomweb == "iam"
    return iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(
                principals=[iam.AccountRootPrincipal() if signed else iam.AnyPrincipal()],
                actions=["execute-api:Invoke"],
                resources=["execute-api:/*"],
                conditions={"StringEquals": {"aws:SourceVpce": list(settings.dicomweb_vpc_endpoints)}},
            )
        ]
    )


def _preflight(settings: Settings) -> apigateway.CorsOptions | None:
    # API Gateway answers these itself, since browsers cannot sign them: nobody invokes the function anonymously.
    if not settings.dicomweb_origins:
        return None
    return apigateway.CorsOptions(
        allow_origins=list(settings.dicomweb_origins),
        allow_methods=["GET"],
        allow_headers=_SENT_BY_BROWSERS,
        max_age=Duration.minutes(10),
    )


def _let_page_read_refusals(api: apigateway.RestApi, settings: Settings) -> None:
    """Have API Gateway's own refusals, such as of an expired token, be readable for a page, if only one may read."""
    if len(settings.dicomweb_origins) != 1:
        return
    headers = {"Access-Control-Allow-Origin": f"'{settings.dicomweb_origins[0]}'"}
    api.add_gateway_response("Refusal", type=apigateway.ResponseType.DEFAULT_4_XX, response_headers=headers)
    api.add_gateway_response("Failure", type=apigateway.ResponseType.DEFAULT_5_XX, response_headers=headers)


def _acknowledge(api: apigateway.RestApi, method: apigateway.Method, settings: Settings) -> None:
    """Accept what cdk-nag finds of the API."""
    acknowledge(
        api,
        "The function checks every part of a request. API Gateway can check that given parameters are there, and a "
        "search may have any.",
        "AwsSolutions-APIG2",
    )
    if settings.dicomweb == "iam":
        acknowledge(
            method,
            "Its callers sign with credentials of AWS, and IAM says who may call which path. Another setting has them "
            "sign in at a user pool.",
            "AwsSolutions-COG4",
        )
    acknowledge(
        api.deployment_stage,
        "An execution log holds paths and queries, and a trace their address: they name patients. The access log says "
        "who asked, when, and how it ended.",
        "AwsSolutions-APIG6",
        "HIPAA.Security-APIGWExecutionLoggingEnabled",
        "HIPAA.Security-APIGWXrayEnabled",
        "NIST.800.53.R5-APIGWExecutionLoggingEnabled",
    )
    acknowledge(
        api.deployment_stage,
        "Answers change with each image set, and are of patients: they are stored nowhere else.",
        "HIPAA.Security-APIGWCacheEnabledAndEncrypted",
        "NIST.800.53.R5-APIGWCacheEnabledAndEncrypted",
    )
    acknowledge(
        api.deployment_stage,
        "A client certificate shows a server on the internet that API Gateway calls it. Here, it invokes a function of "
        "its own account, by IAM.",
        "HIPAA.Security-APIGWSSLEnabled",
        "NIST.800.53.R5-APIGWSSLEnabled",
    )
    acknowledge(
        api.deployment_stage,
        "Only signed or authorized requests reach the function, at a limited rate. An operator's own web ACL may be "
        "added to the stage.",
        "AwsSolutions-APIG3",
        "NIST.800.53.R5-APIGWAssociatedWithWAF",
    )
