"""The laptop's web server: who is answered, what every answer has, and that nothing of a question is printed."""

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.web.files import folder, page
from cli.web.server import WebServer
from imaging_index.qido.http import Request, Response

SECRET = "DOE^CANARY"


class Server:
    """A running server, what its handlers were asked, and a client for it."""

    def __init__(self, running: WebServer, asked: list[Request]) -> None:
        self.running = running
        self.asked = asked
        split = urlsplit(running.address)
        self.port = split.port or 0
        self.root = split.path

    def get(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """The answer to a request of an absolute path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    asked: list[Request] = []

    def remember(request: Request) -> Response:
        asked.append(request)
        return Response(200, {"Content-Type": "application/dicom+json"}, b"[]")

    def fail(_: Request) -> Response:
        raise RuntimeError(SECRET)

    files = tmp_path / "viewer"
    files.mkdir()
    (files / "index.html").write_text("the viewer")
    (files / "app.js").write_text("1")
    (files / "worker.wasm").write_bytes(b"\0asm")
    (tmp_path / "private.txt").write_text(SECRET)
    (files / "out").symlink_to(tmp_path / "private.txt")
    with WebServer() as running:
        running.mounts["dicomweb"] = remember
        running.mounts["dicomweb/deeper"] = fail
        running.mounts["viewer"] = folder(
            files, {"content-security-policy": "default-src 'self'"}, fallback="index.html"
        )
        running.mounts["files"] = folder(files)
        running.mounts[""] = page("<title>t</title><style>b{}</style><script>let a = 1</script>")
        yield Server(running, asked)


def test_a_handler_gets_what_is_below_its_mount_with_all_parameters(server: Server) -> None:
    response, body = server.get(f"{server.root}dicomweb/studies/1.2?PatientName=D%C3%BC+x&a=&b&a=%2C", Accept="*/*")
    assert (response.status, body) == (200, b"[]")
    (request,) = server.asked
    assert (request.method, request.path) == ("GET", "/studies/1.2")
    assert request.parameters == (("PatientName", "Dü x"), ("a", ""), ("b", ""), ("a", ","))
    assert request.headers["accept"] == "*/*"
    assert not request.has_body


def test_only_the_exact_token_is_answered(server: Server) -> None:
    for path in ("/", "/dicomweb/studies", server.root[:-2] + "/", "/x" + server.root, server.root.upper(), "/%ff/"):
        response, _ = server.get(path)
        assert response.status == 404, path
    assert not server.asked


def test_two_servers_have_different_tokens() -> None:
    with WebServer() as one, WebServer() as another:
        assert urlsplit(one.address).path != urlsplit(another.address).path


def test_a_web_site_whose_name_points_here_is_refused_and_a_tunnel_is_answered(server: Server) -> None:
    for host, status in (
        ("rebinding.example", 403),
        (f"rebinding.example:{server.port}", 403),
        (f"127.0.0.1.example:{server.port}", 403),
        ("[::1", 403),
        ("", 403),
        ("localhost:9000", 200),
        ("127.0.0.1", 200),
    ):
        response, _ = server.get(server.root, Host=host)
        assert response.status == status, host


def test_it_listens_at_the_loopback_address_only(server: Server) -> None:
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def test_every_answer_forbids_to_keep_it_and_to_send_where_it_came_from_and_allows_no_other_site(
    server: Server,
) -> None:
    for path in (server.root, f"{server.root}dicomweb/studies", f"{server.root}dicomweb/deeper/x", "/", "/none"):
        response, _ = server.get(path, Origin="https://evil.example")
        assert response.headers["Cache-Control"] == "no-store", path
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_the_policy_of_a_page_names_its_own_script_by_hash_and_no_other(server: Server) -> None:
    response, _ = server.get(server.root)
    policy = response.headers["Content-Security-Policy"]
    # printf %s 'let a = 1' | openssl dgst -sha256 -binary | base64
    assert "script-src 'sha256-LAfYd7pbFUgwfQu8b4q135PeTG2z+/coPEUYCd74eCQ='" in policy
    assert "unsafe" not in policy
    assert server.get(f"{server.root}other")[0].status == 404


def test_files_are_served_with_their_types_and_no_file_outside_of_their_folder(server: Server) -> None:
    for name, kind in (("app.js", "text/javascript; charset=utf-8"), ("worker.wasm", "application/wasm")):
        response, _ = server.get(f"{server.root}viewer/{name}")
        assert (response.status, response.headers["Content-Type"]) == (200, kind)
        assert response.headers.get_all("Content-Security-Policy") == ["default-src 'self'"]
    for name in ("../private.txt", "%2e%2e/private.txt", "out", "..%2fprivate.txt", "x/../../private.txt", "%00"):
        response, body = server.get(f"{server.root}files/{name}")
        assert (response.status, SECRET.encode() in body) == (404, False), name


def test_an_application_that_makes_its_own_addresses_has_its_first_page_at_all_of_them(server: Server) -> None:
    for path in ("viewer", "viewer/", "viewer/study/1.2.3"):
        assert server.get(server.root + path)[1] == b"the viewer"
    assert server.get(f"{server.root}viewers")[0].status == 404


def test_a_request_with_a_body_ends_its_connection_and_says_so_to_the_handler(server: Server) -> None:
    response, _ = server.get(f"{server.root}dicomweb/studies", "POST", SECRET)
    assert response.headers["Connection"] == "close"
    assert server.asked[0].has_body
    response, _ = server.get(server.root, "PUT", SECRET)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
    assert server.get(server.root, "HEAD")[1] == b""


def test_neither_a_question_nor_a_failure_is_printed_or_answered_with_its_text(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    server.get(f"{server.root}dicomweb/studies?PatientName={SECRET}")
    response, body = server.get(f"{server.root}dicomweb/deeper/studies?PatientName={SECRET}")
    assert (response.status, body) == (500, b'{"message":"This should not have happened: RuntimeError."}')
    assert server.get(f"{server.root}dicomweb/studies?PatientName=%ff")[0].status == 400
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as broken:
        broken.sendall(f"GET /{SECRET} nonsense\r\n\r\n".encode())
        assert b"400" in broken.recv(1000)
    assert capfd.readouterr() == ("", "")


def test_it_ends_though_a_browser_holds_its_connection() -> None:
    before = threading.active_count()
    with WebServer() as running, socket.create_connection(("127.0.0.1", urlsplit(running.address).port or 0)):
        assert threading.active_count() > before
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", urlsplit(running.address).port or 0), timeout=5)
