"""The configuration of examples/ohif in OHIF's build: users sign in, and both services get the same access token.

What is on the internet is made up: no name of it is looked up.
"""

import base64
import json
import mimetypes
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from playwright.sync_api import Page, Request, Route, expect

from cli.web import ohif, ohif_build
from infra.config import ROOT

CONFIGURATION: Final = (ROOT / "examples" / "ohif" / "app-config.js").read_text("utf-8")
STORE: Final = "0123456789abcdef0123456789abcdef"
STUDY: Final = {
    "00080020": {"vr": "DA", "Value": ["20240117"]},
    "00080061": {"vr": "CS", "Value": ["MR"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
    "00100020": {"vr": "LO", "Value": ["PID-1001"]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "00201208": {"vr": "IS", "Value": [1]},
}
PATIENCE: Final = 60_000.0


def value(name: str) -> str:
    """One of the values to fill in."""
    (found,) = re.findall(rf"const {name} = '([^']+)'", CONFIGURATION)
    return str(found)


class Site(BaseHTTPRequestHandler):
    """Where the viewer is hosted: its build, and the example's configuration."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send a file; the viewer's own addresses are its one page."""
        path = urlsplit(self.path).path
        file = ohif_build.build() / path.lstrip("/")
        file = file if file.is_file() else ohif_build.build() / "index.html"
        content = CONFIGURATION.encode() if path == "/app-config.js" else file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", mimetypes.guess_type(file.name)[0] or "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Internet:
    """What the viewer asks: a user pool, the index and HealthImaging. It remembers what they got."""

    def __init__(self) -> None:
        self.signed_in: list[dict[str, str]] = []
        self.exchanged: list[dict[str, str]] = []
        self.asked: dict[str, list[Request]] = {"index": [], "healthimaging": []}

    def answer(self, route: Route, request: Request) -> None:
        """Answer a request, whatever host it is for."""
        if request.url.startswith(value("pool")):
            self._pool(route, request)
            return
        (service,) = [name for name in self.asked if request.url.startswith(value(name))]
        cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "authorization"}
        if request.method != "OPTIONS":
            self.asked[service].append(request)
        route.fulfill(json=[STUDY] if urlsplit(request.url).path.endswith("/studies") else [], headers=cors)

    def _pool(self, route: Route, request: Request) -> None:
        pool, cors = value("pool"), {"Access-Control-Allow-Origin": "*"}
        path = request.url.removeprefix(pool).partition("?")[0]
        if path == "/.well-known/openid-configuration":
            places = {name: f"{pool}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
            route.fulfill(json={"issuer": pool, **places}, headers=cors)
        elif path == "/authorization_endpoint":
            asked = first(urlsplit(request.url).query)
            self.signed_in.append(asked)
            back = f"{asked['redirect_uri']}?code=the-code&state={asked['state']}"
            route.fulfill(status=302, headers={"Location": back})
        elif path == "/token_endpoint":
            self.exchanged.append(first(request.post_data or ""))
            now = int(time.time())
            claims = {"iss": pool, "aud": value("client"), "sub": "a user", "iat": now, "exp": now + 3600}
            tokens = {"access_token": "the-access-token", "id_token": unsigned(claims), "token_type": "Bearer"}
            route.fulfill(json={**tokens, "expires_in": 3600, "scope": "openid imaging/search"}, headers=cors)
        else:
            route.fulfill(status=404, headers=cors)


def first(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def unsigned(claims: dict[str, Any]) -> str:
    """A token whose signature nobody in this test checks."""
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + ".x"


@pytest.fixture
def viewer() -> Iterator[str]:
    """The address of the viewer."""
    try:
        ohif_build.build()
    except typer.Exit:
        pytest.skip("npm cannot fetch OHIF here")
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def answered(request: Request, service: str) -> bool:
    return request.method == "GET" and request.url.startswith(value(service))


def test_users_sign_in_at_the_pool_and_both_services_get_their_access_token(viewer: str, tab: Page) -> None:
    internet = Internet()
    tab.route(re.compile("^https:"), internet.answer)
    tab.goto(viewer)
    row = tab.locator("tbody tr:has(td):not(:has(input))")
    expect(row).to_contain_text("Doe, Jane", timeout=PATIENCE)
    (asked,), (exchanged,) = internet.signed_in, internet.exchanged
    assert asked["client_id"] == exchanged["client_id"] == value("client")
    assert asked["redirect_uri"] == f"{viewer}/callback"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")  # no secret in the browser
    assert asked["scope"] == "openid imaging/search"
    assert (exchanged["grant_type"], exchanged["code"]) == ("authorization_code", "the-code")
    with tab.expect_response(lambda response: answered(response.request, "healthimaging"), timeout=PATIENCE):
        tab.goto(f"{viewer}/viewer?StudyInstanceUIDs=1.2.3")
    for service, requests in internet.asked.items():
        assert {request.headers["authorization"] for request in requests} == {"Bearer the-access-token"}
        assert all(request.url.startswith(f"{value(service)}/datastore/{STORE}/studies") for request in requests)
        assert requests


def test_the_example_configures_the_data_source_as_the_laptop_does(tab: Page) -> None:
    tab.goto("about:blank")
    tab.evaluate(CONFIGURATION)
    (example,) = tab.evaluate("window.config.dataSources")
    (laptop,) = ohif.configuration("/token/", STORE)["dataSources"]
    roots = [each["configuration"].pop(name) for name in ("qidoRoot", "wadoRoot") for each in (example, laptop)]
    assert example == laptop
    assert {root.partition("/datastore/")[2] for root in roots} == {STORE}
