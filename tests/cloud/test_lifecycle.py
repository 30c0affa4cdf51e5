"""Starting and stopping: what becomes of ports, processes and files."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from local import cloud as cloud_module
from local.cloud import LocalCloud, LocalCloudError
from proof.harness.image_sets import PATIENCE

_SLEEPER = """
import pathlib, time
def handler(event, context):
    pathlib.Path(event["running"]).touch()
    time.sleep(3600)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that temporary files are made in, by this process and its children."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def _eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return done


def _processes(folder: Path) -> list[str]:
    """The living processes that have `folder` for their temporary files: a cloud's server and its functions."""
    table = subprocess.run(["ps", "axeww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line for line in table.splitlines() if f"TMPDIR={folder}/" in line]
    return [line for line in lines if not line.split()[1].startswith("Z")]


def _run_a_busy_function(cloud: LocalCloud, folder: Path) -> None:
    """Have a function of the cloud in the midst of an invocation."""
    archive = folder / "function.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("sleeper.py", _SLEEPER)
    functions = boto3.Session("000000000000", "any", region_name="us-east-1").client(
        "lambda", endpoint_url=cloud.endpoint
    )
    functions.create_function(
        FunctionName="sleeper",
        Runtime="python3.13",
        Handler="sleeper.handler",
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": archive.read_bytes()},
        Timeout=900,
    )
    running = folder / "running"
    functions.invoke(FunctionName="sleeper", InvocationType="Event", Payload=f'{{"running": "{running}"}}')
    assert _eventually(running.exists)


def test_it_listens_on_the_loopback_only_and_on_one_port(temporary: Path) -> None:
    with LocalCloud():
        (server,) = _processes(temporary)
        pid = server.split()[0]
        inodes = {
            match[1]
            for descriptor in Path(f"/proc/{pid}/fd").iterdir()
            if (match := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())))
        }
        listening = [
            fields[1]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
            if (fields := line.split())[3] == "0A" and fields[9] in inodes
        ]
    assert [address.split(":")[0] for address in listening] == ["0100007F"]


def test_a_port_of_ones_own_choice_can_be_used_again_at_once(temporary: Path) -> None:
    with LocalCloud() as first:
        port = int(first.endpoint.rpartition(":")[2])
    with LocalCloud(port) as second:
        assert second.endpoint == first.endpoint
    assert not list(temporary.iterdir())


def test_a_busy_port_is_an_error_that_says_what_to_do(temporary: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(LocalCloudError, match=rf"Port {port} of 127\.0\.0\.1 is taken: stop .* or choose another"):
            LocalCloud(port).__enter__()
    assert not list(temporary.iterdir())


def test_a_number_that_is_no_port_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(LocalCloudError, match=r"65536 is not a port: choose one of 1 to 65535"):
        LocalCloud(65536).__enter__()


def test_a_cloud_that_does_not_start_shows_its_last_words(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: str, port: int, *_: object) -> dict[str, str]:
        return {"TMPDIR": folder, "GATEWAY_PORT": str(port), "PYTHONHOME": "/nowhere"}

    monkeypatch.setattr(cloud_module, "_server_environment", broken)
    with pytest.raises(LocalCloudError, match=r"(?s)did not start.*init_fs_encoding"):
        LocalCloud().__enter__()
    assert not list(temporary.iterdir())


def test_an_account_that_is_not_12_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="12 digits"):
        LocalCloud().environment("1234")


def test_stopping_leaves_no_process_and_no_file_though_a_function_is_busy(temporary: Path, tmp_path: Path) -> None:
    with LocalCloud() as cloud:
        _run_a_busy_function(cloud, tmp_path)
        assert len(_processes(temporary)) == 2
    assert not _processes(temporary)
    assert not list(temporary.iterdir())


def test_a_cloud_that_ends_by_itself_is_noticed_and_leaves_nothing(temporary: Path, tmp_path: Path) -> None:
    with LocalCloud() as cloud:
        _run_a_busy_function(cloud, tmp_path)
        server = min(int(line.split()[0]) for line in _processes(temporary))
        os.kill(server, signal.SIGKILL)
        with pytest.raises(LocalCloudError, match="ended unexpectedly"):
            cloud.wait()
    assert not _processes(temporary)
    assert not list(temporary.iterdir())


@contextlib.contextmanager
def _in_the_foreground() -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """`python -m local.cloud`, and the variables that it prints."""
    with subprocess.Popen([sys.executable, "-m", "local.cloud"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        exports = {}
        for line in process.stdout:
            name, _, value = line.removeprefix("export ").strip().partition("=")
            exports[name] = value
            if name == "AWS_EC2_METADATA_DISABLED":
                break
        try:
            yield process, exports
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("end", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_it_ends_with_its_parent_however_that_ends(end: signal.Signals, status: int, temporary: Path) -> None:
    with _in_the_foreground() as (process, exports):
        client = boto3.Session("000000000000", "any", region_name=exports["AWS_REGION"]).client(
            "sqs", endpoint_url=exports["AWS_ENDPOINT_URL"]
        )
        assert not client.list_queues().get("QueueUrls")  # an answer, and a connection that stays open
        process.send_signal(end)
        assert process.wait(PATIENCE) == status
    assert _eventually(lambda: not _processes(temporary))
    assert _eventually(lambda: not list(temporary.iterdir()))
