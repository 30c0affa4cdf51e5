"""The CDK app's own template, deployed into a local cloud by boto3 alone.

One assembly serves any number of accounts:

    assembly = synth(folder)
    outputs = deploy(assembly, cloud.environment("111122223333"))
    destroy(assembly, cloud.environment("111122223333"))

That takes a second for each account, without Node or the CDK's command line.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3

from infra.assembly import BOOTSTRAP_VERSION, Assembly, read
from local.cloud import DEFAULT_REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_cloudformation import CloudFormationClient


ROOT: Final = Path(__file__).resolve().parents[1]

# What differs from a deployment to AWS: wheels for this machine, nothing that outlives the stack, and no resource that
# the local cloud does not know.
LOCAL_CONTEXT: Final = {"bundleFor": "host", "removalPolicy": "destroy", "monitoring": "basic"}

# The CDK validates a template by rules that it takes three seconds to load. A local cloud reports what it refuses.
UNVALIDATED: Final = {"CDK_VALIDATION": "false"}

# Templates check that it is at least 6.
_BOOTSTRAP_VERSION: Final = "30"

# What Python, Node and uv say of a full disk.
_FULL: Final = os.strerror(errno.ENOSPC)

_POLL_SECONDS: Final = 0.05
_STACK_SECONDS: Final = 120.0


class DeploymentError(RuntimeError):
    """The stack could not be synthesized, created or deleted. The message names what failed, and why."""


def synth(folder: Path, *, context: Mapping[str, str] | None = None, region: str = DEFAULT_REGION) -> Assembly:
    """Run the CDK app as ``cdk synth`` would, for any account of `region`, and zip its assets.

    Args:
        folder: where to write the assembly; the caller removes it.
        context: settings of the stack (as ``cdk deploy -c name=value``), which override `LOCAL_CONTEXT` and cdk.json.
        region: the region to deploy into.

    Raises:
        DeploymentError: the app ended with an error; the message ends with what it wrote.
        OSError: the disk is full.
    """
    environment = {
        "CDK_OUTDIR": str(folder),
        "CDK_DEFAULT_REGION": region,
        "CDK_CONTEXT_JSON": json.dumps(LOCAL_CONTEXT | dict(context or {})),
        **UNVALIDATED,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "infra.synthesis"],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # with its Node a group of its own, which is ended as a whole
    ) as app:
        try:
            _, errors = app.communicate()
        except BaseException:
            os.killpg(app.pid, signal.SIGKILL)
            raise
    if _FULL in errors or "ENOSPC" in errors:
        raise OSError(errno.ENOSPC, _FULL)
    if app.returncode != 0:
        raise DeploymentError(f"The stack could not be synthesized:\n{errors.strip()[-4000:]}")
    return packed(folder)


def packed(folder: Path) -> Assembly:
    """The assembly that synthesis has written into `folder`, with each folder among its assets as a zip file."""
    assembly = read(folder)
    return dataclasses.replace(
        assembly, assets=tuple(dataclasses.replace(asset, path=_file(asset.path)) for asset in assembly.assets)
    )


def deploy(assembly: Assembly, environment: Mapping[str, str]) -> dict[str, str]:
    """Upload the assets, create the stack and wait for it.

    Args:
        assembly: from `synth`.
        environment: AWS variables of the cloud and the account, from `LocalCloud.environment`.

    Returns:
        The stack's outputs, by name.

    Raises:
        DeploymentError: the stack exists already, or a resource could not be created.
    """
    session = _session(environment)
    endpoint = environment["AWS_ENDPOINT_URL"]
    _bootstrap(session, endpoint, assembly, environment)
    template = next(asset for asset in assembly.assets if asset.path == assembly.template)
    cloudformation = session.client("cloudformation", endpoint_url=endpoint)
    try:
        cloudformation.create_stack(
            StackName=assembly.stack_name,
            TemplateURL=f"{endpoint}/{_resolve(template.bucket, environment)}/{template.key}",
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    except cloudformation.exceptions.ClientError as error:
        raise DeploymentError(f"CloudFormation refused the stack {assembly.stack_name}: {error}") from error
    _wait(cloudformation, assembly.stack_name, "CREATE_COMPLETE")
    outputs = cloudformation.describe_stacks(StackName=assembly.stack_name)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def destroy(assembly: Assembly, environment: Mapping[str, str]) -> None:
    """Delete the stack and wait until it is gone.

    Raises:
        DeploymentError: there is no such stack, or a resource could not be deleted.
    """
    cloudformation = _session(environment).client("cloudformation", endpoint_url=environment["AWS_ENDPOINT_URL"])
    try:
        stacks = cloudformation.describe_stacks(StackName=assembly.stack_name)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        raise DeploymentError(f"There is no stack {assembly.stack_name} to delete: {error}") from error
    cloudformation.delete_stack(StackName=assembly.stack_name)
    _wait(cloudformation, stacks[0]["StackId"], "DELETE_COMPLETE")  # a deleted stack is found by its id only


def _file(path: Path) -> Path:
    """What to upload: the file itself, or a zip of the folder's content."""
    if path.is_file():
        return path
    archive = path.with_name(f"{path.name}.zip")
    # Stored, not deflated: every worker of a function unpacks it again. Not strict: bundles have no real times.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as zipped:
        for file in sorted(path.rglob("*")):
            zipped.write(file, file.relative_to(path))
    return archive


def _bootstrap(session: boto3.Session, endpoint: str, assembly: Assembly, environment: Mapping[str, str]) -> None:
    """Make what `cdk bootstrap` and the upload of assets would, as far as the template needs it."""
    session.client("ssm", endpoint_url=endpoint).put_parameter(
        Name=BOOTSTRAP_VERSION, Value=_BOOTSTRAP_VERSION, Type="String", Overwrite=True
    )
    s3 = session.client("s3", endpoint_url=endpoint)
    for asset in assembly.assets:
        bucket = _resolve(asset.bucket, environment)
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=asset.key, Body=asset.path.read_bytes())


def _resolve(text: str, environment: Mapping[str, str]) -> str:
    return text.replace("${AWS::AccountId}", environment["AWS_ACCESS_KEY_ID"]).replace(
        "${AWS::Region}", environment["AWS_REGION"]
    )


def _wait(cloudformation: CloudFormationClient, stack: str, wanted: str) -> None:
    deadline = time.monotonic() + _STACK_SECONDS
    while (status := cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]) != wanted:
        if not status.endswith("_IN_PROGRESS") or time.monotonic() > deadline:
            raise DeploymentError(f"The stack is {status}, not {wanted}:\n{_failures(cloudformation, stack)}")
        time.sleep(_POLL_SECONDS)


def _failures(cloudformation: CloudFormationClient, stack: str) -> str:
    """The resources that failed with their reasons, a line each, in the order of time."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    failed = [
        f"  {event['LogicalResourceId']} ({event.get('ResourceType', '?')}): {event.get('ResourceStatusReason', '?')}"
        for page in pages
        for event in page["StackEvents"]
        if event.get("ResourceStatus", "").endswith("_FAILED")
    ]
    return "\n".join(reversed(failed)) or "  no resource has a reason"


def _session(environment: Mapping[str, str]) -> boto3.Session:
    """A session of the account. The default session would keep the first account that it sees."""
    return boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
