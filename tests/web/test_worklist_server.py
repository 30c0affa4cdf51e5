"""The server of the work list: the page with the name of its stack, and why AWS does not answer."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from cli.output import Failure
from cli.web import worklist
from imaging_index.profile import toml_file
from imaging_index.qido.http import Request

SECRET = "DOE^CANARY"


class Refusing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def answer(self, _: Request) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": SECRET}}, "Query"),
            "You need the permission dynamodb:Query on the table and its indexes",
        ),
        (ClientError({"Error": {"Code": "ExpiredTokenException", "Message": SECRET}}, "Query"), "aws sso login"),
        (NoCredentialsError(), "Set AWS_PROFILE"),
    ],
    ids=["denied", "expired", "none"],
)
def test_what_aws_refuses_is_a_sentence_that_says_what_to_do(error: Exception, sentence: str) -> None:
    service: Any = Refusing(error)
    response = worklist.answering(service)(Request("GET", "/studies"))
    assert response.status == 502
    assert sentence in response.body.decode()
    assert SECRET not in response.body.decode()


def test_there_is_no_work_list_of_a_stack_whose_uids_or_dates_are_not_healthimagings() -> None:
    for policy in (
        'StudyInstanceUID = "uid"',
        'StudyDate = "shift"\nSeriesInstanceUID = "uid"\nSOPInstanceUID = "uid"',
    ):
        text = f'revision = 1\nattributes = ["StudyDate"]\n[privacy]\n{policy}'
        stack: Any = SimpleNamespace(profile=toml_file.parse(text), name="Research")
        with pytest.raises(Failure, match="The work list is not for Research"):
            worklist.server(stack, tuple)


def test_the_page_has_the_name_of_its_stack_as_text() -> None:
    named = worklist.named("<title>Work list</title><h1>Work list</h1>", "<b>")
    assert named == "<title>Work list of &lt;b&gt;</title><h1>Work list of &lt;b&gt;</h1>"
