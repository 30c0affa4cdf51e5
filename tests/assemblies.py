"""Stacks for the local cloud, synthesized in this process, which has the CDK loaded: a second instead of seven.

`tests/cloud/test_deployment.py` compares them with what `python app.py` gives.
"""

from pathlib import Path

from infra.assembly import Assembly
from local.cloud import DEFAULT_REGION
from local.deployment import LOCAL_CONTEXT, packed


def synth_here(folder: Path, **context: str) -> Assembly:
    """The app's stack with these settings, as `local.deployment.synth` gives it.

    Two functions at a time, unless the settings say otherwise: the machine has two cores.
    """
    settings = {"region": DEFAULT_REGION, **LOCAL_CONTEXT, "maximumConcurrency": "2", **context}
    # Not before it is needed: the CDK takes seconds to load, and most tests do without.
    from infra.synthesis import make_app

    make_app(settings, str(folder)).synth()
    return packed(folder)
