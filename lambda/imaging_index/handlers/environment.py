"""A function's environment: its variables by name, and its clients of AWS."""

import os
from typing import Any, Final, TypeVar

import botocore.session
import msgspec
from botocore.config import Config

from imaging_index import APPLICATION

# Clients are made by it, and with what was registered at it before.
session: Final = botocore.session.get_session()
_config: Final = Config(
    connect_timeout=2,
    read_timeout=15,
    retries={"mode": "standard", "total_max_attempts": 4},
    # Everything that is sent is made here and pinned by tests; checking it again costs half of a write's CPU.
    parameter_validation=False,
    # Without this, botocore makes the header anew from thirty parts, twice a call: a tenth of a call's CPU.
    user_agent=f"{session.user_agent()} app/{APPLICATION}",
)
_HURRIED: Final = Config(read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})

_Variables = TypeVar("_Variables", bound=msgspec.Struct)


class MissingVariable(RuntimeError):  # noqa: N818
    """The function cannot start without an environment variable, which the message names."""


def variables(of: type[_Variables]) -> _Variables:
    """The function's environment variables, as fields whose names are encoded as the variables'.

    Raises:
        MissingVariable: one that has no default is not set.
    """
    try:
        return msgspec.convert(dict(os.environ), of)
    except msgspec.ValidationError as error:
        # All values are text: nothing but a missing one is invalid.
        raise MissingVariable(f"{error} in the environment. Deploy the stack again with `make deploy`.") from None


def client(service: str, *, hurried: bool = False) -> Any:
    """A client of AWS, made by botocore alone: docs/decisions/0007-the-function-makes-its-clients-with-botocore.md.

    A `hurried` one gives up soon, so that what it waits for does not end the function.
    """
    return session.create_client(service, config=_config.merge(_HURRIED) if hurried else _config)
