"""What a cold start may import: each module is a part of a millisecond, and of a megabyte, of every one of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image_sets import PROFILE_FILE

HANDLERS = Path(__file__).parents[2] / "lambda" / "imaging_index" / "handlers"

# Of the package index. boto3 makes the same clients as botocore does; pydantic, aws_xray_sdk and Powertools' other
# utilities are what `make bench` compares with.
ALLOWED = {
    "aws_lambda_powertools",
    "botocore",
    "dateutil",
    "imaging_index",
    "isal",
    "jmespath",
    "msgspec",
    "six",
    "typing_extensions",
    "urllib3",
}
# Of Powertools' utilities, what its logger needs.
ALLOWED_UTILITIES = {"jmespath_utils"}
# Of Python's own, what is large and was found in the way of a cold start before.
NEVER = {"asyncio", "ctypes", "doctest", "multiprocessing", "pdb", "pydoc", "sqlite3", "unittest"}
# Of all modules together, Python's own included; Python 3.13's, which are the most, make 388 of them.
BUDGET = 410

PROGRAM = """
import sys
before = set(sys.modules)
import {module}
print(*sorted(set(sys.modules) - before))
"""


def imported(module: str) -> set[str]:
    """The modules that a fresh process loads for one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    function = {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "DATASTORES": "all",
        "PROFILE": str(PROFILE_FILE),
        "TABLE_NAME": "index",
        "QUEUE_URL": "http://127.0.0.1/queue",
        "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/dead-letters",
        "POWERTOOLS_SERVICE_NAME": "index",
        "POWERTOOLS_METRICS_NAMESPACE": "ImagingIndex",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        env=environment | function,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("handler", sorted(path.stem for path in HANDLERS.glob("[!_]*.py")))
def test_a_cold_start_imports_what_it_may_and_no_more(handler: str) -> None:
    modules = imported(f"imaging_index.handlers.{handler}")
    tops = {module.partition(".")[0] for module in modules}
    assert tops - ALLOWED - sys.stdlib_module_names == set()
    assert tops & NEVER == set()
    utilities = {module.split(".")[2] for module in modules if module.startswith("aws_lambda_powertools.utilities.")}
    assert utilities <= ALLOWED_UTILITIES
    assert len(modules) <= BUDGET
