"""From the settings to the assembly that CloudFormation is given: the template and the functions' package."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from aws_cdk import App

from imaging_index import profile
from imaging_index.profile import ProfileError
from infra import compliance, profile_lock
from infra.bundling import BundlingError
from infra.config import ROOT, SettingError, Settings
from infra.stack import ImagingIndex


def make_app(
    context: Mapping[str, Any] | None = None, outdir: str | None = None, settings: Mapping[str, Any] | None = None
) -> App:
    """The app, ready to be synthesized.

    Args:
        context: on top of cdk.json's; the CDK command line's own context, with what `-c` gave, goes on top of both.
        outdir: folder that the assembly is written to; without one, a temporary folder.
        settings: settings that go on top of all of these.

    Raises:
        SettingError: a setting cannot be used.
        ProfileError: the profile cannot be used, or was changed under its revision.
        BundlingError: the functions' package cannot be made.
    """
    # The command line reads cdk.json itself, but `python app.py` and tests go without it.
    written = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    app = App(context={**written, **(context or {})}, outdir=outdir, analytics_reporting=False)
    compliance.check(app)
    chosen = Settings.from_context({**app.node.get_all_context(), **(settings or {})}, os.environ)
    selected = profile.load(chosen.profile)
    profile_lock.check(chosen.profile, selected)
    ImagingIndex(app, chosen, selected)
    return app


def main() -> None:
    """Synthesize into the folder that the CDK command line names, or `cdk.out`; a wrong setting ends in one message."""
    try:
        app = make_app(outdir=os.environ.get("CDK_OUTDIR", "cdk.out"))
    except (SettingError, ProfileError, BundlingError) as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
