"""The wheel, installed where nothing of the repository is."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from pydicom.data import get_testdata_file
from uv import find_uv_bin

import imaging_index
from imaging_index.table.reading import TableReader
from infra.assembly import Assembly
from infra.bundling import Bundle, Platform
from infra.config import ROOT
from local.deployment import deploy
from local.stack import import_folder, make_datastore
from proof.harness.image_sets import wait_for

Run = Callable[..., subprocess.CompletedProcess[str]]


def uv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([find_uv_bin(), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as `make dist` builds it."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel with the extra `cli`, in the locked versions, and no more."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    assert uv("venv", "--python", sys.executable, environment).returncode == 0
    install = ["pip", "install", "--python", str(environment), "--constraint", "requirements/dev.txt", f"{wheel}[cli]"]
    if uv(*install, "--offline").returncode != 0:
        online = uv(*install)
        assert online.returncode == 0, online.stderr
    return environment / "bin" / "python"


@pytest.fixture
def run(python: Path, tmp_path: Path) -> Run:
    """Runs a program of that environment, in a folder that is not the repository."""

    def program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        command = [str(python.with_name(name)), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)

    return program


def test_what_is_installed_needs_nothing_that_is_not(python: Path) -> None:
    checked = uv("pip", "check", "--python", python)
    assert checked.returncode == 0, checked.stderr


def test_the_command_answers(run: Run) -> None:
    home = run(
        "python", "-c", "import cli, imaging_index, infra, local; print(cli, imaging_index, infra, local)"
    ).stdout
    assert home.count("site-packages") == 4
    assert run("imaging-index", "--version").stdout == f"{imaging_index.__version__}\n"
    listed = run("imaging-index", "--help")
    assert listed.returncode == 0
    assert {"demo", "local", "inspect", "profile", "search", "doctor", "dlq", "cost"} <= set(listed.stdout.split())


def test_a_profile_is_checked_by_name_and_by_path(run: Run, tmp_path: Path) -> None:
    for name in ("radiology", "minimal", "research"):
        checked = run("imaging-index", "profile", "check", name)
        assert checked.stdout.startswith(f"{name} is valid: revision "), checked.stderr
    (tmp_path / "own.toml").write_text('revision = 1\nattributes = ["PatientId"]\n', "utf-8")
    wrong = run("imaging-index", "profile", "check", "own.toml")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "PatientID" in wrong.stderr


def test_a_program_that_uses_the_package_is_checked_against_its_types(python: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "python" / "uses.py", tmp_path)
    (tmp_path / "wrong.py").write_text("from imaging_index.profile import toml_file\n\ntoml_file.parse(1)\n", "utf-8")
    # The types of boto3's clients are a distribution of their own, which this environment does not have.
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nstrict = true\n[mypy-mypy_boto3_dynamodb]\nignore_missing_imports = true\n"
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", str(python), "uses.py", "wrong.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in checked.stdout.splitlines() if ": error: " in line] == [
        'wrong.py:3: error: Argument 1 to "parse" has incompatible type "int"; expected "str"  [arg-type]'
    ]


def test_a_stack_is_searched(
    run: Run, aws: boto3.Session, assembly: Assembly, environment: dict[str, str], tmp_path: Path
) -> None:
    outputs = deploy(assembly, environment)
    scans = tmp_path / "scans"
    scans.mkdir()
    shutil.copy(str(get_testdata_file("CT_small.dcm")), scans)
    client = aws.client("medical-imaging")
    datastore = make_datastore(client, "hospital")
    import_folder(client, datastore, scans)
    table = TableReader(aws.client("dynamodb"), outputs["TableName"])
    types = table.describe().key_types
    wait_for(lambda: len(list(table.query("arrived", {"DatastoreId": datastore}, types))) == 1)

    found = run("imaging-index", "search", "PatientID=1CT1", "--json")
    assert found.returncode == 0, found.stderr
    assert [row["attributes"]["PatientName"] for row in json.loads(found.stdout)["rows"]] == ["CompressedSamples^CT1"]


def test_a_command_of_another_extra_says_what_to_install(run: Run) -> None:
    for command in ("demo", "local", "cost"):
        refused = run("imaging-index", command)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.endswith("pip install 'imaging-index[local]'\n")


def test_without_any_extra_the_command_says_what_to_install(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path)
    refused = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.append({str(tmp_path)!r}); from cli.__main__ import main; main()",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.endswith("pip install 'imaging-index[cli]'\n")


def test_the_wheel_has_five_packages_and_tells_type_checkers_of_the_first(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    metadata = f"imaging_index-{imaging_index.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {
        "imaging_index",
        "infra",
        "local",
        "cli",
        "exporting",
        metadata,
    }
    assert "imaging_index/py.typed" in names
    # The page of the work list.
    assert "infra/shipped/web/index.html" in names


def test_the_functions_bundle_of_the_wheel_is_that_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path)
    program = (
        "from infra.bundling import Bundle, Platform; from infra.places import PLACES;"
        "print(PLACES.build);"
        "print(Bundle(PLACES.root / 'profiles' / 'radiology.toml', Platform.of('lambda', 'arm64'), None).hash)"
    )
    cache = tmp_path / "cache"
    made = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    here = Bundle(ROOT / "profiles" / "radiology.toml", Platform.of("lambda", "arm64"), None).hash
    assert made.stdout.split() == [str(cache / "imaging-index"), here], made.stderr
