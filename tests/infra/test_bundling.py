import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template

from infra import bundling
from infra.bundling import SERVICES, Bundle, BundlingError, Platform
from infra.config import ROOT

LAMBDA = Platform.of("lambda", "arm64")
HOST = Platform.of("host", "arm64")
AARCH64 = 183  # the ELF header's e_machine


def checkout(folder: Path, source: Path = ROOT) -> Path:
    """A copy of what a package is made from."""
    ignore = shutil.ignore_patterns("__pycache__")
    for part in ("lambda", "profiles", "requirements"):
        shutil.copytree(source / part, folder / part, ignore=ignore)
    return folder


def bundle(root: Path, platform: Platform = LAMBDA, profile: str = "radiology") -> Bundle:
    return Bundle(root / "profiles" / f"{profile}.toml", platform, root)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_mode, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def package(first: Path) -> Path:
    """The package as it is deployed."""
    return bundle(first).build()


@pytest.fixture(scope="module")
def host_package() -> Path:
    """The package as the local cloud runs it; kept in the checkout, as the local cloud does."""
    return bundle(ROOT, HOST).build()


def test_two_checkouts_make_the_same_package_byte_for_byte_under_the_same_hash(
    first: Path, package: Path, tmp_path: Path
) -> None:
    second = checkout(tmp_path / "elsewhere" / "second", first)
    (second / "lambda" / "imaging_index" / "__pycache__").mkdir()
    (second / "lambda" / "imaging_index" / "__pycache__" / "dicom.cpython-311.pyc").write_bytes(b"made by running it")
    umask = os.umask(0o077)
    try:
        again = bundle(second).build()
    finally:
        os.umask(umask)
    assert again.name == package.name == bundle(first).hash
    assert contents(again) == contents(package)


def test_the_package_holds_the_sources_the_profile_and_the_locked_dependencies(first: Path, package: Path) -> None:
    assert (package / "profile.toml").read_bytes() == (first / "profiles" / "radiology.toml").read_bytes()
    assert (package / "imaging_index" / "profile.py").is_file()
    locked = {
        line.split()[0] for line in (first / "requirements" / "lambda.txt").read_text().splitlines() if "==" in line
    }
    installed = {
        folder.name.removesuffix(".dist-info").replace("-", "==").replace("_", "-")
        for folder in package.glob("*.dist-info")
    }
    assert installed == locked


def test_compiled_dependencies_are_for_the_functions_processor_and_python(package: Path) -> None:
    compiled = [path for path in package.rglob("*.so*") if path.is_file()]
    assert compiled
    for path in compiled:
        assert int.from_bytes(path.read_bytes()[18:20], "little") == AARCH64, path
        assert "cpython-313" in path.name or "abi3" in path.name, path


def test_nothing_that_names_this_machine_is_in_the_package(package: Path) -> None:
    names = set(contents(package))
    assert not [name for name in names if name.endswith((".pyc", "/RECORD", "direct_url.json")) or name == ".lock"]
    assert not [name for name in names if name.startswith("bin/")]


def test_everyone_may_read_the_package(package: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in package.rglob("*")} == {0o755, 0o644}


def test_only_services_that_the_functions_call_are_described(package: Path) -> None:
    described = {path.name for path in (package / "botocore" / "data").iterdir() if path.is_dir()}
    assert described == SERVICES


def test_the_template_names_a_handler_that_starts_from_the_package_with_the_environment_it_is_given(
    host_package: Path, template: Template, only: Callable[[Template, str], dict[str, Any]]
) -> None:
    function = only(template, "AWS::Lambda::Function")
    module, _, name = function["Handler"].rpartition(".")
    given = {
        variable: value if isinstance(value, str) else "made-by-cloudformation"
        for variable, value in function["Environment"]["Variables"].items()
    }
    program = (
        f"import {module} as module, boto3; assert callable(module.{name}); print(module.__file__, boto3.__file__)"
    )
    # -S: without this environment's own packages; -B: nothing may be written into the package.
    result = subprocess.run(
        [sys.executable, "-S", "-B", "-c", program],
        env={**given, "PYTHONPATH": str(host_package), "AWS_DEFAULT_REGION": "eu-central-1"},
        cwd=host_package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert [path.startswith(str(host_package)) for path in result.stdout.split()] == [True, True]


def test_the_hash_changes_with_whatever_changes_the_package(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    hashes = [bundle(root).hash, bundle(root, HOST).hash, bundle(root, Platform.of("lambda", "x86_64")).hash]
    for changed in ("lambda/imaging_index/profile.py", "profiles/radiology.toml", "requirements/lambda.txt"):
        with (root / changed).open("a") as file:
            file.write("# changed\n")
        hashes.append(bundle(root).hash)
    (root / "lambda" / "imaging_index" / "profile.py").rename(root / "lambda" / "imaging_index" / "renamed.py")
    hashes.append(bundle(root).hash)
    assert len(set(hashes)) == len(hashes)


def test_a_package_that_is_there_is_not_made_again(first: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundling, "find_uv_bin", lambda: "/no/such/uv")
    assert bundle(first).build() == package


def test_a_changed_source_needs_no_dependency_anew(
    first: Path, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = checkout(tmp_path)
    shutil.copytree(first / "build" / "dependencies", root / "build" / "dependencies")
    (root / "lambda" / "imaging_index" / "new.py").write_text("")
    monkeypatch.setattr(bundling, "find_uv_bin", lambda: "/no/such/uv")
    assert set(contents(bundle(root).build())) == set(contents(package)) | {"imaging_index/new.py"}


def test_a_dependency_that_is_not_to_be_had_is_named_and_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    root = checkout(tmp_path)
    lock = root / "requirements" / "lambda.txt"
    lock.write_text(lock.read_text().replace("msgspec==", "msgspec==0.0."))
    with pytest.raises(BundlingError, match=r"aarch64-manylinux2014-3\.13 could not be installed.*(?s:.)*msgspec"):
        bundle(root).build()
    assert not list((root / "build" / "dependencies").iterdir())
    assert not list((root / "build" / "lambda").iterdir())
