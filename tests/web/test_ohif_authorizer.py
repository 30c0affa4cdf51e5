"""The authorizer of examples/ohif, with a user pool that is made up."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest

from examples.ohif import authorizer

CLAIMS: Final = {"token_use": "access", "client_id": "viewer", "scope": "openid imaging/search"}
DENIED: Final = {"isTokenValid": False, "roleArn": ""}


def token(signature: str = "good", **changes: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.{signature}"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The tokens that the pool was asked about; it accepts those with a good signature."""
    tokens: list[str] = []

    class Pool(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers["Authorization"].removeprefix("Bearer "))
            self.send_response(200 if (self.path, tokens[-1][-5:]) == ("/oauth2/userInfo", ".good") else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setattr(authorizer, "_checked", {})
    monkeypatch.setenv("CLIENT_ID", "viewer")
    monkeypatch.setenv("ROLE_ARN", "arn:aws:iam::111122223333:role/reader")
    with ThreadingHTTPServer(("127.0.0.1", 0), Pool) as server:
        monkeypatch.setenv("USER_POOL_DOMAIN", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield tokens
        server.shutdown()


def decided(bearer: object) -> dict[str, Any]:
    return authorizer.handler({"datastoreId": "1", "operation": "GetDICOMInstance", "bearerToken": bearer}, None)


def test_a_token_that_the_pool_accepts_gets_the_role_and_is_checked_once(asked: list[str]) -> None:
    for _ in range(3):
        assert decided(token()) == {"isTokenValid": True, "roleArn": "arn:aws:iam::111122223333:role/reader"}
    assert asked == [token()]


def test_a_token_that_the_pool_refuses_is_refused_each_time(asked: list[str]) -> None:
    assert [decided(token("forged")) for _ in range(2)] == [DENIED, DENIED]
    assert len(asked) == 2


@pytest.mark.parametrize(
    "changes",
    [{"token_use": "id"}, {"client_id": "another"}, {"scope": "openid"}, {"scope": None}, {"scope": 7}],
    ids=str,
)
def test_a_token_for_something_else_is_refused_without_asking(asked: list[str], changes: dict[str, Any]) -> None:
    assert decided(token(**changes)) == DENIED
    assert asked == []


@pytest.mark.parametrize("bearer", ["", "word", "a.b.c", "e30.e30.e30", "e30.W10.x", None, 7], ids=str)
def test_what_is_no_token_is_refused(asked: list[str], bearer: object) -> None:
    assert decided(bearer) == DENIED
    assert asked == []


def test_without_the_pool_nobody_gets_in(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER_POOL_DOMAIN", "http://127.0.0.1:9")
    assert decided(token()) == DENIED
    assert asked == []


@pytest.mark.usefixtures("asked")
def test_no_more_tokens_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorizer, "_MOST", 2)
    for number in range(5):
        assert decided(token(jti=number))["isTokenValid"]
    assert len(authorizer._checked) <= 2
