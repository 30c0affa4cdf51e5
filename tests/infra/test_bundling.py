import functools
import hashlib
import importlib.util
import json
import marshal
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from aws_cdk import Stack
from aws_cdk.assertions import Annotations, Match, Template
from botocore.loaders import Loader
from botocore.model import ServiceModel
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra import botocore_pruning, bundling, byte_code
from infra.bundling import Bundle, BundlingError, Platform
from infra.byte_code import Compiler
from infra.config import ROOT
from infra.places import Places
from infra.synthesis import make_app
from tests.infra.conftest import INDEX, RECONCILE
from tools.bundle import make as make_bundle

LAMBDA = Platform.of("lambda", "arm64")
HOST = Platform.of("host", "arm64")
AARCH64 = 183  # the ELF header's e_machine


def checkout(folder: Path, source: Path = ROOT) -> Path:
    """A copy of what a package is made from."""
    ignore = shutil.ignore_patterns("__pycache__")
    for part in ("lambda", "profiles", "requirements"):
        shutil.copytree(source / part, folder / part, ignore=ignore)
    return folder


@functools.cache
def compiler(platform: Platform) -> Compiler | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_OFFLINE", "1")  # a test fetches no Python
        return platform.compiler()


def bundle(root: Path, platform: Platform = LAMBDA, profile: str = "radiology") -> Bundle:
    return Bundle(root / "profiles" / f"{profile}.toml", platform, compiler(platform), Places.of_checkout(root))


def caches(package: Path, name: str) -> list[Path]:
    """The byte code of a module, by its path in a package."""
    module = package / name
    return list((module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"))


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


@pytest.fixture(scope="module")
def second(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same checkout elsewhere, where it has been run, and whose owner lets nobody else read files."""
    root = checkout(tmp_path_factory.mktemp("elsewhere") / "second", first)
    (root / "lambda" / "imaging_index" / "__pycache__").mkdir()
    (root / "lambda" / "imaging_index" / "__pycache__" / "dicom.cpython-311.pyc").write_bytes(b"made by running it")
    umask = os.umask(0o077)
    try:
        bundle(root).build()
    finally:
        os.umask(umask)
    return root


def test_two_checkouts_make_the_same_package_byte_for_byte_under_the_same_hash(
    first: Path, package: Path, second: Path
) -> None:
    again = bundle(second).build()
    assert again.name == package.name == bundle(first).hash
    assert contents(again) == contents(package)


def test_two_checkouts_make_the_same_bundle_byte_for_byte(first: Path, second: Path, tmp_path: Path) -> None:
    made = [make_bundle(bundle(root), tmp_path / root.name, "index") for root in (first, second)]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]
    assert [path.name for path in made[0]] == [
        "index.zip",
        "index.zip.sha256",
        "index.cdx.json",
        "index.licences.txt",
    ]


def test_the_zip_holds_the_package_and_its_hash_is_told(first: Path, package: Path, tmp_path: Path) -> None:
    archive, told, *_ = make_bundle(bundle(first), tmp_path, "index")
    with zipfile.ZipFile(archive) as zipped:
        assert {name: zipped.read(name) for name in zipped.namelist()} == {
            name: content for name, (_, content) in contents(package).items()
        }
        assert {entry.external_attr >> 16 for entry in zipped.infolist()} == {0o100644}
    assert told.read_text() == f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  index.zip\n"


def test_the_bill_of_materials_names_what_is_locked_with_its_licences(first: Path, tmp_path: Path) -> None:
    _, _, written, licences = make_bundle(bundle(first), tmp_path, "index")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written.read_text()) is None
    bill = json.loads(written.read_text())
    assert {f"{part['name']}=={part['version']}" for part in bill["components"]} == locked(first)
    assert bill["metadata"]["component"]["name"] == "imaging-index"
    needs = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    assert needs["imaging-index"] == ["aws-lambda-powertools", "botocore", "isal", "msgspec"]
    assert needs["botocore"] == ["jmespath", "python-dateutil", "urllib3"]
    # None that asks for more than to be named.
    found = set(re.findall(r"^\S+ \S+: (.+)$", licences.read_text(), re.MULTILINE))
    named = {name for licence in found for name in re.split(" OR | AND ", licence)}
    assert named <= {"Apache-2.0", "BSD-3-Clause", "MIT", "MIT-0", "PSF-2.0"}
    assert "Permission is hereby granted" in licences.read_text()


def locked(root: Path) -> set[str]:
    lines = (root / "requirements" / "lambda.txt").read_text().splitlines()
    return {line.split()[0] for line in lines if "==" in line}


def test_the_package_holds_the_sources_the_profile_and_the_locked_dependencies(first: Path, package: Path) -> None:
    assert (package / "profile.toml").read_bytes() == (first / "profiles" / "radiology.toml").read_bytes()
    assert (package / "imaging_index" / "indexing.py").is_file()
    assert not (package / "imaging_index" / "searching").exists(), "the index function does not search"
    assert not (package / "imaging_index" / "qido").exists(), "nor does it answer requests"
    handlers = {path.name for path in (package / "imaging_index" / "handlers").glob("[!_]*.py")}
    assert handlers == {"environment.py", "index.py", "reconcile.py"}
    assert not (package / "imaging_index" / "profile" / "toml_lines.py").exists(), "its profile has no mistakes"
    assert not (package / "imaging_index" / "profile" / "pseudonymity.py").exists(), "its profile was checked"
    assert not list((package / "imaging_index" / "dicom").glob("deidentification.*"))
    assert not (package / "imaging_index" / "dicom" / "meant.py").exists(), "it answers no mistakes"
    assert not (package / "imaging_index" / "table" / "answers.py").exists(), "its answers are small"
    installed = {
        folder.name.removesuffix(".dist-info").replace("-", "==").replace("_", "-")
        for folder in package.glob("*.dist-info")
    }
    assert installed == locked(first)


def test_the_package_of_dicomweb_has_nothing_that_writes() -> None:
    package = Bundle(ROOT / "profiles" / "radiology.toml", HOST, compiler(HOST), program="dicomweb").build()
    modules = {path.relative_to(package / "imaging_index").as_posix() for path in package.glob("imaging_index/**/*.py")}
    assert {"handlers/dicomweb.py", "qido/service.py", "searching/search.py", "table/answers.py"} <= modules
    assert not {"handlers/index.py", "indexing.py", "table/writing.py", "queue/delivery.py"} & modules
    described = {
        model.parents[1].name: set(json.loads(model.read_bytes())["operations"])
        for model in package.glob("botocore/data/*/*/service-2.json")
    }
    assert described == {
        "dynamodb": {"BatchGetItem", "DescribeTable", "GetItem", "Query"},
        "medical-imaging": {"ListDatastores"},
        "secretsmanager": {"GetSecretValue"},
    }


def test_compiled_dependencies_are_for_the_functions_processor_and_python(package: Path) -> None:
    compiled = [path for path in package.rglob("*.so*") if path.is_file()]
    assert compiled
    for path in compiled:
        assert int.from_bytes(path.read_bytes()[18:20], "little") == AARCH64, path
        assert "cpython-313" in path.name or "abi3" in path.name, path


def test_nothing_that_names_this_machine_is_in_the_package(package: Path) -> None:
    names = set(contents(package))
    assert not [name for name in names if name.endswith(("/RECORD", "direct_url.json")) or name == ".lock"]
    assert not [name for name in names if name.startswith("bin/")]
    here = str(ROOT).encode()
    assert not [name for name, (_, content) in contents(package).items() if here in content]


def test_everyone_may_read_the_package(package: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in package.rglob("*")} == {0o755, 0o644}


def code_in(code: CodeType) -> list[CodeType]:
    return [code] + [each for inner in code.co_consts if isinstance(inner, CodeType) for each in code_in(inner)]


def test_each_source_has_byte_code_that_is_used_unchecked_and_says_where_lambda_has_its_source(
    host_package: Path,
) -> None:
    sources = list(host_package.rglob("*.py"))
    assert sources
    for source in sources:
        content = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        # PEP 552: the magic number, and the flags: 1 is hash-based and not to be checked.
        assert content[:8] == importlib.util.MAGIC_NUMBER + b"\1\0\0\0"
        told = {code.co_filename for code in code_in(marshal.loads(content[16:]))}  # noqa: S302  made by this test
        assert told == {f"/var/task/{source.relative_to(host_package).as_posix()}"}


def test_lambdas_byte_code_is_of_its_python(package: Path) -> None:
    if compiler(LAMBDA) is None:
        pytest.skip("there is no Python 3.13 on this machine, and a test fetches none")
    # CPython's Include/internal/pycore_magic_number.h: 3571 is 3.13's.
    for name in ("imaging_index/handlers/index.py", "botocore/client.py"):
        (cache,) = caches(package, name)
        assert ".cpython-313." in cache.name
        assert int.from_bytes(cache.read_bytes()[:2], "little") == 3571


def test_without_a_python_to_compile_it_the_package_has_no_byte_code_and_another_hash(first: Path) -> None:
    without = Bundle(first / "profiles" / "radiology.toml", HOST, None, Places.of_checkout(first))
    assert without.hash != bundle(first, HOST).hash
    assert not list(without.build().rglob("*.pyc"))


def test_without_a_python_to_compile_it_a_synth_warns_in_one_line_of_what_that_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_code, "find", lambda _: None)
    app = make_app({"region": "eu-central-1"}, str(tmp_path))
    (stack,) = (child for child in app.node.children if isinstance(child, Stack))
    warned = Annotations.from_stack(stack).find_warning("*", Match.string_like_regexp("has no byte code"))
    assert {str(warning.entry.data) for warning in warned} == {
        byte_code.WITHOUT.format("3.13") + " [ack: imaging-index:no-byte-code]"
    }


def test_a_python_that_is_not_to_be_had_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    assert byte_code.find("3.99") is None


def test_what_is_deployed_has_the_byte_code(host_package: Path, tmp_path: Path) -> None:
    make_app({"region": "eu-central-1", "bundleFor": "host"}, str(tmp_path)).synth()
    (asset,) = tmp_path.glob("asset.*")
    assert contents(asset) == contents(host_package)


def test_a_source_that_cannot_be_compiled_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("print 'no'")
    with pytest.raises(subprocess.CalledProcessError) as error:
        byte_code.own().compile(tmp_path)
    assert "broken.py" in error.value.stdout


def test_an_operation_that_is_called_by_attribute_or_by_name_is_found() -> None:
    sources = [
        b'client("sqs"); client("dynamodb").get_paginator("query")',
        b'self._client.send_message(Message="events")',
    ]
    assert botocore_pruning.called(sources) == {"dynamodb": ["Query"], "sqs": ["SendMessage"]}


def test_what_the_functions_call_is_described_to_the_last_shape_and_nothing_else_is(package: Path) -> None:
    called = botocore_pruning.called(path.read_bytes() for path in (package / "imaging_index").rglob("*.py"))
    data = package / "botocore" / "data"
    loader = Loader(extra_search_paths=[str(data)], include_default_search_paths=False)
    whole = Loader()
    assert {path.name for path in data.iterdir() if path.is_dir()} == set(called)
    for service, operations in called.items():
        pruned = ServiceModel(loader.load_service_model(service, "service-2"), service)
        full = ServiceModel(whole.load_service_model(service, "service-2"), service)
        assert pruned.metadata == full.metadata
        assert pruned.operation_names == operations
        # The endpoint of each call is resolved with these.
        parameters = [(each.name, each.type) for each in full.client_context_parameters]
        assert [(each.name, each.type) for each in pruned.client_context_parameters] == parameters
        for operation in operations:
            ours, theirs = pruned.operation_model(operation), full.operation_model(operation)
            assert ours.http == theirs.http
            for part in ("input_shape", "output_shape"):
                assert described(getattr(ours, part)) == described(getattr(theirs, part))
            assert [described(shape) for shape in ours.error_shapes] == [
                described(shape) for shape in theirs.error_shapes
            ]
        assert loader.load_service_model(service, "endpoint-rule-set-1") == whole.load_service_model(
            service, "endpoint-rule-set-1"
        )


def described(shape: Any, within: tuple[str, ...] = ()) -> Any:
    """A shape with all that it is made of, as far as a client needs it."""
    if shape is None or shape.name in within:
        return None
    parts = dict(getattr(shape, "members", {}))
    parts |= {name: getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)}
    return (
        shape.name,
        shape.type_name,
        dict(shape.serialization),
        {name: described(part, (*within, shape.name)) for name, part in parts.items()},
    )


@pytest.mark.parametrize("of", [INDEX, RECONCILE])
def test_the_template_names_a_handler_that_starts_from_the_package_with_the_environment_it_is_given(
    host_package: Path, template: Template, only: Callable[..., dict[str, Any]], of: str
) -> None:
    function = only(template, "AWS::Lambda::Function", of)
    module, _, name = function["Handler"].rpartition(".")
    given = {
        variable: value if isinstance(value, str) else "made-by-cloudformation"
        for variable, value in function["Environment"]["Variables"].items()
    }
    program = (
        f"import {module} as module, botocore; assert callable(module.{name}); "
        "print(module.__file__, botocore.__file__)"
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
    for changed in ("lambda/imaging_index/profile/profile.py", "profiles/radiology.toml", "requirements/lambda.txt"):
        with (root / changed).open("a") as file:
            file.write("# changed\n")
        hashes.append(bundle(root).hash)
    (root / "lambda" / "imaging_index" / "indexing.py").rename(root / "lambda" / "imaging_index" / "renamed.py")
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
    made = bundle(root).build()
    (new,) = caches(made, "imaging_index/new.py") or [made / "imaging_index" / "new.py"]
    assert set(contents(made)) - set(contents(package)) == {
        "imaging_index/new.py",
        new.relative_to(made).as_posix(),
    }


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
