"""Stacks for the local cloud, synthesized in this process, which has the CDK loaded: a second instead of seven.

`tests/cloud/test_deployment.py` compares them with what `python app.py` gives.
"""

import functools
from pathlib import Path
from unittest import mock

from infra.assembly import Assembly
from local.cloud import DEFAULT_REGION
from local.deployment import LOCAL_CONTEXT, packed


def synth_here(folder: Path, **context: str) -> Assembly:
    """The app's stack with these settings, as `local.deployment.synth` gives it.

    Two functions at a time, unless the settings say otherwise: the machine has two cores.
    """
    settings = {"region": DEFAULT_REGION, **LOCAL_CONTEXT, "maximumConcurrency": "2", **context}
    # Not before it is needed: the CDK takes seconds to load, and most tests do without.
    import infra  # noqa: F401  chooses the Node that aws_cdk starts when it is imported

    # isort: split
    from aws_cdk import App

    from infra.synthesis import make_app

    # As there, the CDK does not validate the template: in tests/infra/ it does.
    with mock.patch("infra.synthesis.App", functools.partial(App, builtin_cloud_formation_validation=False)):
        make_app(settings, str(folder)).synth()
    return packed(folder)
