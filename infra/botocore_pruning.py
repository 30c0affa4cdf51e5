"""botocore, cut down to what the functions' sources call.

botocore describes 400 services in JSON, and parses a service's whole description to make a client: most of the time of
a cold start, for a handful of operations. The sources decide what is kept, so that a new call needs no other change:
the services that they name, and those services' operations whose methods they name. Each method of a client also has a
docstring, made on demand by a part of botocore whose import takes a twentieth of a cold start.
"""

import ast
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import botocore
from botocore import xform_name
from botocore.loaders import Loader

# The files that botocore reads to make a client; `get_paginator` reads the third.
_SERVICE: Final = "service-2"
_ENDPOINTS: Final = "endpoint-rule-set-1"
_PAGINATORS: Final = "paginators-1"

_NO_DOCSTRINGS: Final = """\
class ClientMethodDocstring(str):
    def __new__(cls, *_, **__):
        return super().__new__(cls)


PaginatorDocstring = WaiterDocstring = ClientMethodDocstring
"""


def called(sources: Iterable[bytes]) -> dict[str, list[str]]:
    """The operations that Python sources may call (`GetImageSet`), sorted, by service (`medical-imaging`).

    A service counts if a string in the sources is its name; an operation, if its method's name is an attribute or a
    string there, as in `get_paginator("query")`.
    """
    names = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Attribute(attr=str(name)) | ast.Constant(value=str(name)):
                    names.add(name)
    loader = _loader(Path(botocore.__file__).parent / "data")
    found = {}
    for service in sorted(names.intersection(loader.list_available_services(_SERVICE))):
        operations = loader.load_service_model(service, _SERVICE)["operations"]
        if named := sorted(operation for operation in operations if xform_name(operation) in names):
            found[service] = named
    return found


def prune(package: Path, kept: Mapping[str, Collection[str]]) -> None:
    """Cut down an installed botocore to some operations by service; it must be of the same release as this one."""
    _prune_data(package / "data", kept)
    _prune_docstrings(package / "docs")


def _prune_docstrings(docs: Path) -> None:
    for path in list(docs.iterdir()):
        if path.name != "utils.py":  # botocore's handlers use it
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (docs / "__init__.py").touch()
    (docs / "docstring.py").write_text(_NO_DOCSTRINGS, "utf-8")


def _prune_data(data: Path, kept: Mapping[str, Collection[str]]) -> None:
    loader = _loader(data)
    prefixes = set()
    for folder in [path for path in data.iterdir() if path.is_dir()]:
        if folder.name in kept:
            files = _pruned(loader, folder.name, set(kept[folder.name]))
            version = loader.determine_latest_version(folder.name, _SERVICE)
            shutil.rmtree(folder)
            (folder / version).mkdir(parents=True)
            for kind, content in files.items():
                _write(folder / version / f"{kind}.json", content)
            prefixes.add(files[_SERVICE]["metadata"]["endpointPrefix"])
        else:
            shutil.rmtree(folder)
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {prefix: each for prefix, each in partition["services"].items() if prefix in prefixes}
    _write(data / "endpoints.json", endpoints)


def _loader(data: Path) -> Loader:
    # Without the default paths: one of them is the user's own, ~/.aws/models.
    return Loader(extra_search_paths=[str(data)], include_default_search_paths=False)


def _pruned(loader: Loader, service: str, operations: set[str]) -> dict[str, Any]:
    """The files to keep of a service, by kind. The loader adds the SDK's additions (`*.sdk-extras.json`)."""
    pagination = loader.load_service_model(service, _PAGINATORS)["pagination"]
    return {
        _SERVICE: _service(loader.load_service_model(service, _SERVICE), operations),
        _ENDPOINTS: loader.load_service_model(service, _ENDPOINTS),
        _PAGINATORS: {"pagination": {name: pagination[name] for name in sorted(operations & set(pagination))}},
    }


def _service(model: Mapping[str, Any], operations: set[str]) -> dict[str, Any]:
    """A service's description with only some operations and the shapes that they use."""
    kept = {name: model["operations"][name] for name in sorted(operations)}
    shapes: dict[str, Any] = {}
    waiting = list(_shapes_in(kept))
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            waiting += _shapes_in(shapes[name])
    others = {name: part for name, part in model.items() if name not in ("operations", "shapes")}
    pruned: dict[str, Any] = _undocumented(others | {"operations": kept, "shapes": dict(sorted(shapes.items()))})
    for parameter in pruned.get("clientContextParams", {}).values():
        # botocore asks each of them, as S3 has some, for its text.
        parameter["documentation"] = ""
    return pruned


def _shapes_in(description: object) -> Iterator[str]:
    """The names of the shapes to which a part of a description refers."""
    if isinstance(description, dict):
        for name, part in description.items():
            if name == "shape" and isinstance(part, str):
                yield part
            else:
                yield from _shapes_in(part)
    elif isinstance(description, list):
        for part in description:
            yield from _shapes_in(part)


def _undocumented(description: Any) -> Any:
    """The description without its documentation; a member of that name is a mapping and stays."""
    if isinstance(description, dict):
        return {
            name: _undocumented(part)
            for name, part in description.items()
            if not (name == "documentation" and isinstance(part, str))
        }
    if isinstance(description, list):
        return [_undocumented(part) for part in description]
    return description


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")), "utf-8")
