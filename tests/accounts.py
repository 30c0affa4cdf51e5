"""The AWS account that the tests' process is in."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def signed_in(variables: Mapping[str, str]) -> Iterator[pytest.MonkeyPatch]:
    """Give this process, its children and boto3's default session `variables`, and nothing the developer has set up."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, os.devnull)
        # It keeps the credentials of the account that it was made for.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        yield patch
