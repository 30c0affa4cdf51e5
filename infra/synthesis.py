"""From the settings to the assembly for CloudFormation: the template and the functions' package."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from aws_cdk import App

from imaging_index.profile import toml_file
from imaging_index.profile.profile import ProfileError
from infra import compliance, dicomweb, documents, profile_lock, publishing
from infra.bundling import BundlingError
from infra.config import ROOT, SettingError, Settings
from infra.stack import ImagingIndex


def make_app(
    context: Mapping[str, Any] | None = None, outdir: str | None = None, settings: Mapping[str, Any] | None = None
) -> App:
    """The app, ready to be synthesized.

    Args:
        context: overrides cdk.json's context, and is overridden by the CDK command line's (`-c`).
        outdir: the folder for the assembly; by default a temporary one.
        settings: overrides all of these.

    Raises:
        SettingError: a setting is invalid.
        ProfileError: the profile is invalid, or changed without a new revision.
        BundlingError: the functions' package cannot be made.
    """
    # The command line passes cdk.json's context; `python app.py` and tests run without it.
    written = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    app = App(context={**written, **(context or {})}, outdir=outdir, analytics_reporting=False)
    compliance.check(app)
    chosen = Settings.from_context({**app.node.get_all_context(), **(settings or {})}, os.environ)
    selected = toml_file.load(chosen.profile)
    dicomweb.check(chosen, selected)
    publishing.check(chosen, selected)
    documents.check(chosen, selected)
    profile_lock.check(chosen.profile, selected)
    ImagingIndex(app, chosen, selected)
    return app


def main() -> None:
    """Synthesize into the CDK command line's folder, or `cdk.out`. An invalid setting ends with one message."""
    try:
        app = make_app(outdir=os.environ.get("CDK_OUTDIR", "cdk.out"))
    except (SettingError, ProfileError, BundlingError) as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
