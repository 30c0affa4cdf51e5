"""What a cold start may import: each module is a part of a millisecond, and of a megabyte, of every one of them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from imaging_index import handlers
from proof.harness.pipeline import VARIABLES


class Allowed(NamedTuple):
    """What a handler may import: packages of the package index, Powertools' utilities, and how many modules in all."""

    packages: set[str]
    utilities: set[str]
    modules: int


# boto3 makes the same clients as botocore does; pydantic, aws_xray_sdk and Powertools' other
# utilities are what `make bench` compares with.
PACKAGES = {
    "aws_lambda_powertools",
    "botocore",
    # botocore takes it where it is installed, as it is for the tests' own clients. The bundle has none.
    "certifi",
    "dateutil",
    "imaging_index",
    "isal",
    "jmespath",
    "msgspec",
    "six",
    "typing_extensions",
    "urllib3",
}
HANDLERS = {
    # Powertools' logger needs jmespath_utils. With Python 3.11, 412 modules are loaded.
    "index": Allowed(PACKAGES, {"jmespath_utils"}, modules=430),
    "publish": Allowed(PACKAGES, {"jmespath_utils"}, modules=440),
    "dicomweb": Allowed(PACKAGES, {"jmespath_utils"}, modules=480),
    # It begins every ten minutes, and nobody waits for it.
    "reconcile": Allowed(PACKAGES, {"jmespath_utils"}, modules=450),
}
# What the stack sets for DICOMweb's function and for the reconcile function besides.
BESIDES = {
    "RETRIEVE_ROOT": "https://dicom-medical-imaging.us-east-1.amazonaws.com",
    "UNKNOWN_KEYS": "refuse",
    "EMPTY_STATUS": "200",
    "READ_UNITS": "off",
    "BUDGET": "20000",
    "DOLLARS": "1.0",
    "FULL_DAYS": "7",
    "GENERATION": "2.3",
    "MAXIMUM_CONCURRENCY": "8",
    "MEAN_MEGABYTES": "5.0",
}
# Of Python's own, what is large and was found in the way of a cold start before.
NEVER = {"asyncio", "ctypes", "doctest", "multiprocessing", "pdb", "pydoc", "sqlite3", "unittest"}

PROGRAM = """
import sys
before = set(sys.modules)
import {module}
print(*sorted(set(sys.modules) - before))
"""


def started(module: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A fresh process that imports one module and prints which modules that loads."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("handler", "allowed"), HANDLERS.items())
def test_a_cold_start_imports_what_it_may_and_no_more(handler: str, allowed: Allowed) -> None:
    done = started(f"imaging_index.handlers.{handler}", VARIABLES | BESIDES)
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    tops = {module.partition(".")[0] for module in modules}
    assert tops - allowed.packages - sys.stdlib_module_names == set()
    assert tops & NEVER == set()
    utilities = {module.split(".")[2] for module in modules if module.startswith("aws_lambda_powertools.utilities.")}
    assert utilities <= allowed.utilities
    assert len(modules) <= allowed.modules


def test_only_a_function_that_keeps_documents_loads_what_that_takes() -> None:
    variables = VARIABLES | {"AWS_REGION": "us-east-1"}
    without, keeping = (
        set(started("imaging_index.handlers.index", variables | more).stdout.split())
        for more in ({}, {"DOCUMENTS_BUCKET": "bucket"})
    )
    assert "imaging_index.kept_documents" not in without
    assert "imaging_index.kept_documents" in keeping
    assert len(keeping) <= HANDLERS["index"].modules


def test_every_handler_has_its_budget() -> None:
    files = Path(handlers.__file__).parent.glob("[!_]*.py")
    assert {file.stem for file in files if "\ndef handler(" in file.read_text("utf-8")} == HANDLERS.keys()


@pytest.mark.parametrize("name", ["DATASTORES", "PROFILE", "TABLE_NAME", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL"])
def test_a_function_without_one_of_its_variables_says_which(name: str) -> None:
    done = started("imaging_index.handlers.index", {each: VARIABLES[each] for each in VARIABLES if each != name})
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith(
        f"missing required field `{name}` in the environment. Deploy the stack again with `make deploy`."
    )
