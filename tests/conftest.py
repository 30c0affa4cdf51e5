"""One local cloud and one synthesized stack for all tests that ask for them; an account of its own for each test.

And the canary (`proof/harness/canary.py`): a test fails if anything of a document has left by another way than the
table.
"""

# mypy: allow-subclassing-any

import contextlib
import gc
import itertools
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

from infra.assembly import Assembly
from local.cloud import LocalCloud
from proof.harness import canary
from tests.accounts import signed_in
from tests.assemblies import synth_here

# jsonschema builds this package's 38 grammars in each worker, for two seconds: they are for formats no schema here has.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# What a shell runs in the background ignores Ctrl-C, and so does all that it starts: tests of Ctrl-C would hang.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What is imported stays: the garbage collector need not look at it, neither now nor at each of its runs later.
gc.disable()

_accounts = itertools.count(100_000_000_001)

# The files that take longest come first, so that the workers end together. The others follow by their names.
_LONGEST = (
    "cloud/test_upgrade.py",
    "package/test_searching.py",
    "cli/test_demo.py",
    "cli/test_doctor.py",
    "cli/test_dead_letters.py",
    "cloud/test_hostile_principal.py",
    "cloud/test_cdk.py",
    "infra/test_synthesis.py",
    "cloud/test_reconcile.py",
    "convergence/test_kills.py",
    "cli/test_cost.py",
    "cli/test_failures.py",
    "cli/test_search.py",
    "cloud/test_changed_profile.py",
    "convergence/test_simulation.py",
    "infra/test_bundling.py",
    "infra/test_aws.py",
    "cloud/test_automation.py",
    "cloud/test_permissions.py",
    "cloud/test_event_permissions.py",
    "cloud/test_deployment.py",
    "cloud/test_reconcile_permissions.py",
    "browser/test_ohif.py",
    "runtime/test_exact_runtime.py",
    "clients/test_dicomweb_clients.py",
    "packaging/test_wheel.py",
    "packaging/test_recipes.py",
    "cloud/test_automation_example.py",
    "cloud/test_first_deployment.py",
    "cloud/test_dicomweb_api.py",
    "cloud/test_kept_documents_deployed.py",
    "package/test_adversarial.py",
    "convergence/test_errors_at_calls.py",
    "cli/test_doctor_live.py",
    "cli/test_show.py",
    "oracle/test_pydicom_files.py",
    "tools/test_floors.py",
    "convergence/test_model.py",
)


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """A running local cloud."""
    with LocalCloud() as running:
        yield running


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """The app's stack, synthesized for a local cloud."""
    return synth_here(tmp_path_factory.mktemp("assembly"))


@contextlib.contextmanager
def _account(cloud: LocalCloud) -> Iterator[dict[str, str]]:
    variables = cloud.environment(str(next(_accounts)))
    with signed_in(variables):
        account = canary.Account(variables)
        yield variables
        harms = account.harms()
        account.stop_functions()
    assert not harms, "\n".join(harms)


@pytest.fixture
def environment(cloud: LocalCloud) -> Iterator[dict[str, str]]:
    """A new account's variables, which this process and its children have for the time of the test."""
    with _account(cloud) as variables:
        yield variables


@pytest.fixture(scope="module")
def environment_of_module(cloud: LocalCloud) -> Iterator[dict[str, str]]:
    """The same for all tests of a module, which share what they deploy."""
    with _account(cloud) as variables:
        yield variables


@pytest.fixture
def aws(environment: dict[str, str]) -> boto3.Session:  # noqa: ARG001  # the session reads them from os.environ
    """The SDK, as that account."""
    return boto3.Session()


@pytest.fixture(autouse=True)
def leaked() -> Iterator[list[str]]:
    """Nothing of a document is logged or sent. A test that has planted a leak clears the list of what was found."""
    with canary.watching() as harms:
        yield harms
    assert not harms, "\n".join(harms)


class _ByPlace(LoadFileScheduling):
    """A worker takes whole files, and one takes all of the stack's: they share templates that take long to make."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/infra" if nodeid.startswith("tests/infra/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByPlace:
    """Have workers take tests so."""
    return _ByPlace(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Have garbage collected from now on."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Nothing of a document is printed, as metrics are."""
    report = yield
    for name, text in report.sections:
        if report.passed and (place := canary.found(text)):
            report.outcome, report.longrepr = "failed", f"{name} holds a value of a document: {place}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how much was tried: what tests have recorded as properties."""
    figures = [each for report in terminalreporter.getreports("passed") for each in report.user_properties]
    if figures:
        terminalreporter.section("figures")
    for name, value in figures:
        terminalreporter.line(f"{name}: {value}")
