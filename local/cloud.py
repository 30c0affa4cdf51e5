"""The local cloud: ministack and our HealthImaging in one process, behind one port of 127.0.0.1.

It leaves nothing behind, and works without any network.

    with LocalCloud() as cloud:
        subprocess.run(["aws", "sqs", "list-queues"], env=os.environ | cloud.environment(), check=True)

Or, in the foreground until Ctrl-C: ``python -m local.cloud --port 4566``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import venv
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_ACCOUNT: Final = "000000000000"
DEFAULT_REGION: Final = "us-east-1"

_HOST: Final = "127.0.0.1"
_HEALTHIMAGING_PATH: Final = "/_healthimaging/"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0

# ASGI 3: scope, receive, send.
Application = Callable[[Any, Any, Any], Awaitable[None]]


class LocalCloudError(RuntimeError):
    """The local cloud could not be started, or ended unexpectedly. The message says what to do."""


class LocalCloud:
    """A local cloud as a child process, for the time of a ``with`` block.

    It ends with the block, and with this process, however that ends: it stops when the pipe from us closes.

    Args:
        port: the port of 127.0.0.1 to serve on, 0 for a free one; or what `listen` returned for it before.
        policies: whether the policies of IAM and of the queues decide what a caller may do. A function acts in its
            role. An account's own key, of 12 digits, is that of its root user, whom only a queue's policy can refuse.

    Raises (on entering):
        LocalCloudError: the port is taken, or the process did not start (the message ends with its log).
    """

    def __init__(self, port: int | socket.socket = 0, *, policies: bool = False) -> None:
        self._given = port
        self._policies = policies
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            # We bind, the child serves: the port is known at once, a port that is taken is an error here, and a client
            # that is early waits in the socket's backlog instead of being refused.
            listener = starting.enter_context(listen(self._given) if isinstance(self._given, int) else self._given)
            self._port: int = listener.getsockname()[1]
            self._log = starting.enter_context(tempfile.TemporaryFile())  # without a name: nothing to clean up
            folder = tempfile.mkdtemp(prefix="imaging-index-cloud-")
            starting.callback(shutil.rmtree, folder, ignore_errors=True)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.cloud", "--serve", str(listener.fileno()), "--folder", folder],
                cwd=Path(__file__).parents[1],
                env=_server_environment(folder, self._port, self._policies),
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # a group of its own, to be ended as a whole; Ctrl-C is ours to pass on
            )
            starting.callback(self._end_process)
            listener.close()  # a child that dies must refuse connections, not leave them in the backlog
            self._wait_until_ready()
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def endpoint(self) -> str:
        """The address of all services, ``http://127.0.0.1:PORT``."""
        return f"http://{_HOST}:{self._port}"

    def environment(self, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION) -> dict[str, str]:
        """The variables by which any AWS client (SDK, CLI, CDK) reaches this cloud as ``account``.

        Args:
            account: 12 digits; each such account is isolated from the others, and needs no creation.
            region: an AWS region's name.
        """
        if not re.fullmatch(r"\d{12}", account):
            raise ValueError(f"an AWS account is 12 digits, not {account!r}")
        return _client_environment(self.endpoint, account, region) | _without_proxy(os.environ)

    def log(self, lines: int = 40) -> str:
        """The last lines that the cloud wrote (at most 64 KiB)."""
        size = os.fstat(self._log.fileno()).st_size
        tail = os.pread(self._log.fileno(), 1 << 16, max(0, size - (1 << 16)))
        return "\n".join(tail.decode(errors="replace").splitlines()[-lines:])

    def wait(self) -> NoReturn:
        """Block while the cloud runs.

        Raises:
            LocalCloudError: it ended unexpectedly.
        """
        self._process.wait()
        raise LocalCloudError(f"The local cloud has ended unexpectedly. The end of its log:\n{self.log()}")

    def _wait_until_ready(self) -> None:
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=_START_SECONDS)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/_ministack/health")
                ready = connection.getresponse().status == http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                ready = False
        if not ready:
            raise LocalCloudError(f"The local cloud did not start. The end of its log:\n{self.log()}")

    def _end_process(self) -> None:
        assert self._process.stdin is not None  # noqa: S101  # opened as a pipe above
        self._process.stdin.close()  # the child's signal to stop
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what is left of it or of its functions
        self._process.wait()


def listen(port: int) -> socket.socket:
    """A socket that listens on a port of 127.0.0.1; 0 takes a free one.

    Raises:
        LocalCloudError: the port is taken, or cannot be used.
    """
    try:
        return socket.create_server((_HOST, port), backlog=128)
    except OverflowError:
        raise LocalCloudError(f"{port} is not a port: choose one of 1 to 65535, or 0 for a free one.") from None
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise LocalCloudError(
            f"Port {port} of {_HOST} {reason}: stop what listens there, or choose another port (0 takes a free one)."
        ) from None


def _client_environment(endpoint: str, account: str, region: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "",  # a real one, left in the shell, must not go with the key above
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        # HealthImaging's operations have the host prefix `runtime-`, which no name server knows for 127.0.0.1.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


# What a shell no longer has when it uses AWS again.
CLIENT_VARIABLES: Final = tuple(_client_environment("", "", ""))


def _without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that keep clients from using a proxy, which cannot reach this machine's loopback address."""
    hosts = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if _HOST not in hosts.split(","):
        hosts = f"{hosts},{_HOST}".lstrip(",")
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def _server_environment(folder: str, port: int, policies: bool) -> dict[str, str]:
    """The whole environment of the cloud. The functions inherit it, as they would inherit Lambda's own."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {
        "HOME": folder,  # the functions must not read the user's ~/.aws
        "TMPDIR": folder,
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": _HOST,
        "MINISTACK_HOST": _HOST,
        "MINISTACK_REGION": DEFAULT_REGION,
        "STATE_DIR": f"{folder}/state",
        "S3_DATA_DIR": f"{folder}/s3",
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",  # ministack would remove containers that it takes for its own
        "IOT_MTLS_ENABLED": "0",  # would listen on a second port
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "AUTH": str(policies),
        **_client_environment(f"http://{_HOST}:{port}", DEFAULT_ACCOUNT, DEFAULT_REGION),
        **_without_proxy({}),
    }


def route(healthimaging: Application, others: Application) -> Application:
    """One ASGI application made of two: the first gets requests signed for `medical-imaging`, the second all others.

    The service is read from the credential scope of Signature Version 4 (AWS General Reference, "Elements of an AWS
    API request signature"): ``Credential=<key>/<date>/<region>/<service>/aws4_request``.
    """
    signed = re.compile(rb"Credential=[^/,\s]+/\d+/[^/]+/medical-imaging/aws4_request")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        ours = scope["type"] == "http" and (
            scope["path"].startswith(_HEALTHIMAGING_PATH)
            or any(name == b"authorization" and signed.search(value) for name, value in scope["headers"])
        )
        await (healthimaging if ours else others)(scope, receive, send)

    return application


def _over_tls(application: Application) -> Application:
    """The application, for which each request came over TLS: nothing leaves this machine, and policies require TLS.

    A policy on `aws:SecureTransport` still refuses a request that has the header ``X-Forwarded-Proto: http``.
    """

    async def over_tls(scope: Any, receive: Any, send: Any) -> None:
        await application(scope | {"scheme": "https"} if scope["type"] == "http" else scope, receive, send)

    return over_tls


def _publish(account: str, event: dict[str, Any]) -> None:
    """Put an event of HealthImaging on its account's default bus as the service does, with the event's own id and time.

    ``PutEvents`` refuses sources that begin with `aws.`, and would set another id and time, so this enters ministack
    where its own services' events do.
    """
    from ministack.core.responses import request_scope
    from ministack.services import eventbridge

    with request_scope(account, event["region"]):
        eventbridge._dispatch_event(
            {
                "EventId": event["id"],
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
                "Time": event["time"],
                "Resources": event["resources"],
                "Account": account,
                "Region": event["region"],
            }
        )


def _s3_of(account: str) -> S3Client:
    import boto3

    # The endpoint and the region are in the environment of this process.
    return boto3.Session(aws_access_key_id=account, aws_secret_access_key="local").client("s3")  # noqa: S106  # no secret


def _read_s3(account: str, uri: str) -> Iterator[tuple[str, bytes]]:
    """The key and content of each object below ``s3://bucket/prefix`` in ministack's S3."""
    s3 = _s3_of(account)
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            yield found["Key"], s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()


def _write_s3(account: str, uri: str, content: bytes) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    _s3_of(account).put_object(Bucket=bucket, Key=key, Body=content)


async def _serve(listener: int) -> None:
    """Serve on a listening socket until our parent has ended or stops us."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import AUTH, app
    from ministack.core import hypercorn_compat, lambda_runtime

    from local.batch_actions import mend_batches
    from local.bucket_encryption import mend_bucket_encryption
    from local.global_table import mend_updates
    from local.healthimaging import HealthImaging
    from local.permissions import authorize
    from local.read_units import mend_read_units
    from local.sorted_indexes import mend_queries

    hypercorn_compat.install()
    mend_batches()
    mend_bucket_encryption()
    mend_updates()
    mend_queries()
    mend_read_units()
    healthimaging = HealthImaging(
        emit=_publish, read_s3=_read_s3, write_s3=_write_s3, authorize=authorize if AUTH else None
    )
    others = _over_tls(app) if AUTH else app
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), stop.set)  # our parent never writes: readable means closed
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    config = Config()
    config.bind = [f"fd://{listener}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.1  # nothing outlives us that a request in flight could still write to
    config.loglevel = "WARNING"
    try:
        await serve(route(healthimaging, others), config, shutdown_trigger=stop.wait)
    finally:
        await healthimaging.stop()
        lambda_runtime.reset()  # ends the functions' processes, and collects them


@contextlib.contextmanager
def _leaving_nothing(folder: str) -> Iterator[None]:
    """On leaving, end every process of our group, also those being started meanwhile, and remove our folder."""
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """Run a local cloud in the foreground until Ctrl-C, and print the variables to export. Returns the exit status."""
    parser = argparse.ArgumentParser("python -m local.cloud", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 (default) takes a free one")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)

    if options.serve is not None:
        with _leaving_nothing(options.folder):
            # ministack runs functions on the interpreter that is named here: our Python, for which their wheels were
            # chosen, with nothing installed, so that they find what is in their bundle and nothing else.
            python = Path(options.folder, "python")
            venv.create(python, symlinks=True)
            sys.executable = str(python / "bin" / "python")
            asyncio.run(_serve(options.serve))
        return 0

    # SIGINT too: a shell script ignores it in commands that it starts in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with LocalCloud(options.port) as cloud:
            for name, value in cloud.environment().items():
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
            sys.stdout.flush()
            cloud.wait()
    except LocalCloudError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
