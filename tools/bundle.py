"""`make bundle`: writes the functions' packages as zips, with what an auditor asks for, into build/bundle/.

    imaging-index-arm64.zip       for `aws lambda update-function-code`, or to compare with what is deployed
    imaging-index-arm64.zip.sha256
    imaging-index-arm64.cdx.json  the bill of materials, CycloneDX 1.6
    imaging-index-arm64.licences.txt

With DICOMweb, there is another such set, of `imaging-index-dicomweb-arm64`, and with events of
`imaging-index-publish-arm64`.

The same tree and the same compiling Python give the same bytes anywhere. For another profile or processor:

    make bundle CDK="-c profile=minimal -c architecture=x86_64"
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import stat
import sys
import tomllib
import uuid
import zipfile
from email import message_from_string
from typing import TYPE_CHECKING, Any, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from imaging_index import __version__
from infra import byte_code
from infra.bundling import PYTHON, Bundle, BundlingError, Platform, Program
from infra.config import ROOT, SettingError, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message
    from pathlib import Path

# The least that a zip can say. A true time would make another zip of the same files.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
# What the metadata of these says less exactly than the licences that come with them.
_LICENCES: Final[Mapping[str, str]] = {
    "isal": "PSF-2.0 AND BSD-3-Clause",  # the binding, and Intel's library in it
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",  # "Dual License"
}
_LICENCE_FILE: Final = re.compile(r"(LICEN[CS]E|NOTICE|COPYING)", re.IGNORECASE)


def make(bundle: Bundle, folder: Path, name: str) -> list[Path]:
    """Write a package's zip, hash, bill of materials and licences into a folder; file names are `name` and a suffix.

    Raises:
        BundlingError: the package cannot be made.
    """
    package = bundle.build()
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{name}.zip"
    _zip(package, archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    products = {
        f"{name}.zip.sha256": f"{digest}  {archive.name}\n",
        f"{name}.cdx.json": bill_of_materials(package, digest),
        f"{name}.licences.txt": licences(package),
    }
    for product, text in products.items():
        (folder / product).write_text(text, "utf-8")
    return [archive, *(folder / product for product in products)]


def bill_of_materials(package: Path, digest: str) -> str:
    """The bill of materials as CycloneDX JSON: the parts of a package with versions, licences and dependencies.

    Args:
        package: the package's folder.
        digest: SHA-256 of its zip, in hexadecimal.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    make_license = LicenseFactory().make_from_string
    index = Component(
        name=project["name"],
        version=__version__,
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
        description=project["description"],
        licenses=[make_license(project["license"])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    components: dict[str, Component] = {}
    needs: dict[str, list[Requirement]] = {}
    for part in _distributions(package):
        name = canonicalize_name(part["Name"])
        components[name] = Component(
            name=name,
            version=part["Version"],
            type=ComponentType.LIBRARY,
            bom_ref=name,
            purl=PackageURL("pypi", name=name, version=part["Version"]),
            description=part["Summary"],
            licenses=[make_license(_licence(part))],
        )
        needs[name] = [Requirement(each) for each in part.get_all("Requires-Dist", [])]
    # Each bill has a number of its own, but the same package the same bill.
    bom = Bom(components=components.values(), serial_number=uuid.UUID(digest[:32], version=4))
    bom.metadata.component = index
    required = {each for requirements in needs.values() for each in _names(requirements, components)}
    bom.register_dependency(index, [each for name, each in components.items() if name not in required])
    for dependent, requirements in needs.items():
        bom.register_dependency(components[dependent], [components[each] for each in _names(requirements, components)])
    bill: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    del bill["metadata"]["timestamp"]
    return json.dumps(bill, indent=2, sort_keys=True) + "\n"


def licences(package: Path) -> str:
    """A list of the licences of a package's parts, and then their unchanged texts."""
    lines = [
        f"{canonicalize_name(part['Name'])} {part['Version']}: {_licence(part)}" for part in _distributions(package)
    ]
    texts = [
        f"\n{'-' * 80}\n{path.relative_to(package).as_posix()}\n{'-' * 80}\n\n{path.read_text('utf-8').strip()}"
        for path in sorted(package.rglob("*"))
        if path.is_file() and _LICENCE_FILE.match(path.name) and path.suffix not in (".py", ".pyc")
    ]
    return "\n".join([*lines, *texts, ""])


def _distributions(package: Path) -> Iterator[Message]:
    for path in sorted(package.glob("*.dist-info/METADATA")):
        yield message_from_string(path.read_text("utf-8"))


def _licence(part: Message) -> str:
    return _LICENCES.get(canonicalize_name(part["Name"])) or part["License-Expression"] or part["License"]


def _names(requirements: list[Requirement], components: Mapping[str, Component]) -> list[str]:
    """The requirements of a distribution, without extras, that are in the package."""
    named = (
        canonicalize_name(each.name)
        for each in requirements
        if each.marker is None or each.marker.evaluate({"extra": "", "python_version": PYTHON})
    )
    return sorted({name for name in named if name in components})


def _zip(package: Path, archive: Path) -> None:
    # Stored: what deflate makes of a file depends on the machine's zlib.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as zipped:
        for path in sorted(path for path in package.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(package).as_posix(), _TIME)
            entry.create_system = 3  # Unix, on any machine
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            zipped.writestr(entry, path.read_bytes())


def main() -> None:
    """Make the bundle for cdk.json's settings, or for those given."""
    parser = argparse.ArgumentParser(prog="make bundle", description="The function's package, as a zip.")
    parser.add_argument(
        *("-c", "--context"), action="append", default=[], metavar="NAME=VALUE", help="a setting, over cdk.json's"
    )
    settings_given = parser.parse_args().context
    if wrong := [each for each in settings_given if "=" not in each]:
        parser.error(f"{wrong[0]} has no value: a setting is given as -c NAME=VALUE")
    given = dict(each.split("=", 1) for each in settings_given)
    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    try:
        # The region is no part of the package.
        settings = Settings.from_context({"region": "us-east-1"} | context | given, {})
        platform = Platform.of(settings.bundle_for, settings.architecture)
        compiler = platform.compiler()
        if compiler is None:
            sys.stderr.write(f"{byte_code.WITHOUT.format(PYTHON)}\n")
        kind = settings.architecture if settings.bundle_for == "lambda" else "host"
        named: dict[str, Program] = {f"imaging-index-{kind}": "index"}
        if settings.dicomweb != "off":
            named[f"imaging-index-dicomweb-{kind}"] = "dicomweb"
        if settings.events != "off":
            named[f"imaging-index-publish-{kind}"] = "publish"
        for name, program in named.items():
            bundle = Bundle(settings.profile, platform, compiler, program=program)
            for product in make(bundle, ROOT / "build" / "bundle", name):
                sys.stdout.write(f"{product.relative_to(ROOT)}\n")
    except (SettingError, BundlingError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
