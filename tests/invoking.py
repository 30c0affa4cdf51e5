"""Invokes a function of the local cloud, and reads what it logs."""

import base64
import json
from typing import Any, NamedTuple

from proof.harness.image_sets import wait_for


class Invocation(NamedTuple):
    """What a function answered, whether that is an error, and the lines of JSON that it logged."""

    answer: Any
    failed: bool
    lines: list[dict[str, Any]]


def invoke(client: Any, name: str, event: object) -> Invocation:
    """Invoke a function that logs at least one line.

    The local cloud waits 50 ms for the log of a function that has answered. On a busy machine that may be too short,
    and the function is invoked again.
    """

    def logged() -> Any:
        answer = client.invoke(FunctionName=name, Payload=json.dumps(event, default=str), LogType="Tail")
        return answer if "LogResult" in answer else None

    answer = wait_for(logged)
    lines = base64.b64decode(answer["LogResult"]).splitlines()
    return Invocation(
        answer=json.loads(answer["Payload"].read()),
        failed="FunctionError" in answer,
        lines=[json.loads(line) for line in lines if line.startswith(b"{")],
    )
