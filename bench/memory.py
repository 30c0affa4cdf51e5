"""What a memory size is worth: the function in Lambda's environment at several of them, each with its share of a CPU.

    python -m bench.memory

Of each size and document it tells how long the function takes and what Lambda charges for (memory times time). AWS's
answers take 10 ms each. `bench.runtime.exact` says how near to Lambda this machine comes.
"""

import json
import sys
from typing import Final, NamedTuple

from bench import documents, stub
from bench.runtime.events import event
from bench.runtime.exact import Runtime, conditions
from infra.bundling import Bundle, Platform
from infra.config import FUNCTION_SECONDS, ROOT

SIZES: Final = (128, 256, 512, 1024, 1769)
DOCUMENTS: Final = ("mr_1", "mr_1000", "ct_10000", "mr_50000", "mr_85000")
_HANDLER: Final = "imaging_index.handlers.index.handler"
_PROFILE: Final = ROOT / "profiles" / "radiology.toml"
_LATENCY: Final = 0.01
_EVENTS: Final = 20  # small documents, of which one alone is too short to be measured


class Figures(NamedTuple):
    """Of one document at one size: seconds from the event to the answer, of the CPU, and the charge in GB-seconds."""

    memory: int
    document: str
    seconds: float
    cpu: float
    peak: int
    charge: float


def measure() -> list[Figures]:
    """The figures of every size and document. A document that fails or takes too long ends its size's row."""
    platform = Platform.of("host", "arm64")
    package = Bundle(_PROFILE, platform, platform.compiler()).build()
    files = [documents.packed(name) for name in DOCUMENTS]
    found = []
    with stub.running(_LATENCY, _PROFILE, files) as running:
        variables = running.variables(_PROFILE) | {"PROFILE": "profile.toml"}
        for memory in SIZES:
            with Runtime(package, _HANDLER, memory=memory, variables=variables, timeout=FUNCTION_SECONDS) as runtime:
                spent = runtime.invoke(event(1)).cpu  # what is done once
                for version, document in enumerate(DOCUMENTS, 1):
                    count = _EVENTS if document == "mr_1" else 1
                    answers = [runtime.invoke(event(version)) for _ in range(count)]
                    if answers[-1].outcome != "answered" or answers[-1].payload["batchItemFailures"]:
                        break
                    seconds = sum(answer.seconds for answer in answers) / count
                    cpu, spent = (answers[-1].cpu - spent) / count, answers[-1].cpu
                    charge = seconds * memory / 1024
                    found.append(Figures(memory, document, seconds, cpu, answers[-1].peak, charge))
    return found


if __name__ == "__main__":
    for line in [*conditions(), *(json.dumps(each._asdict()) for each in measure())]:
        sys.stdout.write(f"{line}\n")
