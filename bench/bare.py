"""The calls of AWS that the function makes, made again by botocore alone: what an event costs at least."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config

# As the function does, which makes the comparison the harder one: a check of the parameters costs half of a write.
_CONFIG: Final = Config(parameter_validation=False)


class Call(NamedTuple):
    """A call of AWS, such as `dynamodb`, `PutItem` and its parameters."""

    service: str
    operation: str
    parameters: dict[str, Any]


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """The calls that this process makes meanwhile, by any client."""
    calls: list[Call] = []
    make: Any = BaseClient._make_api_call  # type: ignore[attr-defined]  # every method of a client calls it

    def record(self: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        calls.append(Call(self.meta.service_model.service_name, operation, dict(parameters)))
        return make(self, operation, parameters)

    BaseClient._make_api_call = record  # type: ignore[attr-defined]
    try:
        yield calls
    finally:
        BaseClient._make_api_call = make  # type: ignore[attr-defined]


def replay(calls: list[Call]) -> Callable[[], None]:
    """Makes the calls by clients of its own with botocore's settings, and reads their answers to the end."""
    session = botocore.session.get_session()
    clients: dict[str, Any] = {
        service: session.create_client(service, config=_CONFIG) for service in {call.service for call in calls}
    }
    methods = [(_method(clients[call.service], call.operation), call.parameters) for call in calls]

    def make() -> None:
        for method, parameters in methods:
            for part in method(**parameters).values():
                if hasattr(part, "read"):
                    part.read()

    return make


def _method(client: Any, operation: str) -> Callable[..., dict[str, Any]]:
    names = {name for name, called in client.meta.method_to_api_mapping.items() if called == operation}
    found: Callable[..., dict[str, Any]] = getattr(client, names.pop())
    return found
