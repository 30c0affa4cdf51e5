"""The AWS CLI 2 against the local cloud: it reads the address from the variables, for SQS as well."""

import json
import os
import subprocess
from typing import Any

import boto3
import pytest

from tests.clients import aws_cli


def test_the_aws_cli_2_reaches_the_local_cloud_by_its_variables_for_every_service(aws: boto3.Session) -> None:
    try:
        program = aws_cli.place()
    except aws_cli.NotHereError as error:
        pytest.skip(str(error))

    def run(*arguments: str) -> Any:
        command = [str(program), *arguments, "--output", "json", "--no-cli-pager"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    url = aws.client("sqs").create_queue(QueueName="reached")["QueueUrl"]
    assert run("sqs", "list-queues")["QueueUrls"] == [url]
    assert run("--endpoint-url", os.environ["AWS_ENDPOINT_URL"], "sqs", "list-queues")["QueueUrls"] == [url]
    assert run("medical-imaging", "list-datastores")["datastoreSummaries"] == []
    assert run("dynamodb", "list-tables")["TableNames"] == []
