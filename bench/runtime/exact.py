"""AWS Lambda's execution environment around a package, as exactly as this machine allows.

AWS's own runtime client runs the handler against a Runtime API that is served here (AWS Lambda Developer Guide, "Using
the Lambda runtime API for custom runtimes"), with the package read-only at /var/task, 512 MiB of /tmp, the memory and
the share of a CPU that a memory size brings, and the time-out.

    with Runtime(package, "imaging_index.handlers.index.handler", memory=128, variables={...}) as runtime:
        runtime.invoke(event)
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# AWS Lambda Developer Guide, "Configure Lambda function memory": at 1,769 MB a function has one whole CPU.
ONE_CPU_MB: Final = 1769
# "Understanding the Lambda execution environment lifecycle": how long the first import may take.
_INIT_SECONDS: Final = 10.0
_CGROUPS: Final = Path("/sys/fs/cgroup")
_PERIOD_US: Final = 20_000
_numbers: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an invocation.

    Attributes:
        outcome: `answered`; `failed`, by an exception; `timed out`; `ended`, as a function does that is out of memory.
        payload: the handler's answer, or the error as Lambda tells it.
        seconds: from the event's delivery to the answer.
        cpu: CPU seconds of the process from its start, so far.
        peak: the most memory that the process ever had resident, in bytes.
        log: what the function wrote since its start.
    """

    outcome: str
    payload: Any
    seconds: float
    cpu: float
    peak: int
    log: str


class Runtime:
    """One execution environment: a process that is started once and answers events one after the other.

    Args:
        package: the function's folder.
        handler: dotted path of the entry point.
        memory: MB.
        variables: the function's environment.
        timeout: seconds of one invocation.
    """

    def __init__(
        self, package: Path, handler: str, *, memory: int, variables: Mapping[str, str], timeout: float = 60
    ) -> None:
        self._package = package
        self._handler = handler
        self._memory = memory
        self._variables = variables
        self._timeout = timeout
        self._running = contextlib.ExitStack()
        self.init_seconds = 0.0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            self._server = starting.enter_context(_serving())
            self._group = starting.enter_context(_group(self._memory))
            folder = Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="imaging-index-runtime-")))
            self._log = starting.enter_context((folder / "log").open("w+b"))
            _install_client(folder / "client")
            self._task, self._client = "/var/task", "/var/runtime"
            if not _namespaces():
                self._task, self._client = str(_read_only(self._package, folder / "task")), f"{folder}/client"
                starting.callback(_make_writable, folder / "task")
            begun = time.monotonic()
            self._process = subprocess.Popen(
                self._command(folder),
                env=dict(self._variables) | self._lambdas_variables(),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            starting.callback(self._kill)
            # Lambda lets a function import with a whole CPU.
            self._server.wait_until_ready(self._process, _INIT_SECONDS)
            self.init_seconds = time.monotonic() - begun
            if self._group:
                self._group.share_cpu(self._memory)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def invoke(self, event: Any) -> Answer:
        """Hand the function an event and wait for what becomes of it; a function that did not answer is gone."""
        begun = time.monotonic()
        self._server.events.put((json.dumps(event).encode(), time.time() + self._timeout))
        outcome, payload = self._server.outcome(self._process, begun + self._timeout)
        seconds = time.monotonic() - begun
        cpu, peak = _spent(self._process.pid)
        if outcome == "timed out":
            self._kill()
        return Answer(outcome, payload, seconds, cpu, peak, self.log())

    def log(self) -> str:
        """What the function has written."""
        self._log.flush()
        return Path(self._log.name).read_text("utf-8", "replace")

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _lambdas_variables(self) -> dict[str, str]:
        """AWS Lambda Developer Guide, "Defined runtime environment variables"."""
        return {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": "index",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "_HANDLER": self._handler,
            "LAMBDA_TASK_ROOT": self._task,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{self._task}:{self._client}",
        }

    def _command(self, folder: Path) -> list[str]:
        """The shell's way into the environment; it ends as the function's process."""
        steps = []
        if self._group:
            steps += [f"echo $$ > {door}" for door in self._group.doors]
        else:
            steps.append(f"ulimit -d {self._memory * 1024}")
        if _namespaces():
            # In a folder first, for /var and /tmp may hold what is to be mounted.
            var = folder / "var"
            var.mkdir()
            steps += [
                f"mount -t tmpfs none {var}",
                f"mkdir {var}/task {var}/runtime",
                f"mount --bind {self._package} {var}/task",
                f"mount -o remount,ro,bind {var}/task",
                f"mount --bind {folder}/client {var}/runtime",
                f"mount --rbind {var} /var",
                "mount -t tmpfs -o size=512m,mode=1777 none /tmp",
            ]
        # Not a virtual environment's link: that may be in the /tmp which is not this one any more.
        python = Path(sys.executable).resolve()
        steps += [f"cd {self._task}", f"exec {python} -S -m awslambdaric {self._handler}"]
        return [*_namespaces(), "sh", "-e", "-c", "\n".join(steps)]


class _Group:
    """A control group: a memory limit that kills, and a share of the CPUs.

    Args:
        memory: MB.

    Raises:
        OSError: this machine's control groups are not ours to make.
    """

    def __init__(self, memory: int) -> None:
        self._unified = (_CGROUPS / "cgroup.controllers").exists()
        name = f"imaging-index-{os.getpid()}-{next(_numbers)}"
        parents = {kind: _CGROUPS if self._unified else _CGROUPS / kind for kind in ("memory", "cpu")}
        if self._unified:
            (_CGROUPS / "cgroup.subtree_control").write_text("+memory +cpu")
        self._folders = {kind: parent / name for kind, parent in parents.items()}
        for folder in set(self._folders.values()):
            folder.mkdir()
        try:
            self._set("memory", "memory.max" if self._unified else "memory.limit_in_bytes", str(memory * 2**20))
        except OSError:
            self.close()
            raise
        for swap, most in (("memory.swap.max", "0"), ("memory.memsw.limit_in_bytes", str(memory * 2**20))):
            with contextlib.suppress(OSError):
                self._set("memory", swap, most)

    @property
    def doors(self) -> list[Path]:
        """The files to which a process that joins writes its number."""
        return sorted({folder / "cgroup.procs" for folder in self._folders.values()})

    def share_cpu(self, memory: int) -> None:
        """From now on give the group the share of a CPU that Lambda gives with a memory size."""
        quota = str(max(1000, round(_PERIOD_US * memory / ONE_CPU_MB)))
        if self._unified:
            self._set("cpu", "cpu.max", f"{quota} {_PERIOD_US}")
        else:
            self._set("cpu", "cpu.cfs_period_us", str(_PERIOD_US))
            self._set("cpu", "cpu.cfs_quota_us", quota)

    def close(self) -> None:
        """Remove the group, whose processes have ended."""
        for folder in set(self._folders.values()):
            for _ in range(100):
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.02)

    def _set(self, kind: str, name: str, value: str) -> None:
        # Only what is there: a file that was made would limit nothing.
        with (self._folders[kind] / name).open("r+") as file:
            file.write(value)


class _Server(ThreadingHTTPServer):
    """The Runtime API."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: queue.SimpleQueue[tuple[bytes, float]] = queue.SimpleQueue()
        self.outcomes: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.asked = threading.Event()

    def handle_error(self, *_: object) -> None:
        """Nothing: a function that was killed breaks its connection off."""

    def wait_until_ready(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """Until the function asks for its first event, failed or ended, or the time is over."""
        until = time.monotonic() + seconds
        while not self.asked.wait(0.005):
            if _ended(process) or time.monotonic() > until:
                return

    def outcome(self, process: subprocess.Popen[bytes], until: float) -> tuple[str, Any]:
        """What becomes of the event that was put last."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self.outcomes.get(timeout=0.02)
            if time.monotonic() > until:
                return "timed out", None
            if _ended(process):
                with contextlib.suppress(queue.Empty):
                    return self.outcomes.get(timeout=0.2)
                return "ended", None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """`next`, the only question."""
        self.server.asked.set()
        event, deadline = self.server.events.get()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(event)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", f"request-{next(_numbers)}")
        # Rounded down, so that no function is told of more time than it has.
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1000)))
        arn = "arn:aws:lambda:us-east-1:000000000000:function:index"
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self) -> None:
        """`response`, or the `error` of an invocation or of the start."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.outcomes.put(("failed" if self.path.endswith("/error") else "answered", json.loads(body)))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def conditions() -> list[str]:
    """What of Lambda's environment this machine allows, for a test's output."""
    with _group(128) as group:
        return [
            f"{sysconfig.get_platform()}, CPython {platform.python_version()}",
            f"awslambdaric {metadata.version('awslambdaric')}",
            f"task folder read-only: {'a mount' if _namespaces() else 'a copy without write permission'}",
            f"memory limit: {'control group' if group else 'RLIMIT_DATA'}",
            f"share of a CPU: {'control group' if group else 'not limited here'}",
            "time-out: the Runtime API's server",
        ]


@contextlib.contextmanager
def _serving() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()


@contextlib.contextmanager
def _group(memory: int) -> Iterator[_Group | None]:
    try:
        group = _Group(memory)
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        group.close()


@cache
def _namespaces() -> tuple[str, ...]:
    """The command that gives a process mounts of its own, or nothing where that is not permitted."""
    for command in (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")):
        with contextlib.suppress(OSError):
            tried = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True)
            if tried.returncode == 0:
                return command
    return ()


def _install_client(folder: Path) -> None:
    """AWS's runtime client and what it imports, out of this environment, as Lambda has it in /var/runtime."""
    for name in ("awslambdaric", "simplejson", "snapshot-restore-py"):
        for file in metadata.files(name) or []:
            if ".dist-info" not in file.parts[0] and file.suffix != ".pyc" and ".." not in file.parts:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), folder / file)


def _read_only(package: Path, folder: Path) -> Path:
    shutil.copytree(package, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def _make_writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    # Without reaping it: what it used is read afterwards.
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _spent(pid: int) -> tuple[float, int]:
    """The CPU seconds of a process so far and its most resident memory in bytes; it may have ended a moment ago."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(peak[1]) * 1024 if peak else 0
