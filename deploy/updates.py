"""The CDK app that `make deploy` uses to make the templates of an upgrade's updates.

    cdk synth --output FOLDER --app "python -m deploy.updates FILE"

FILE is a JSON list of settings, an object for each update. The assembly of the first update is written to FOLDER, the
others to FOLDER/1, FOLDER/2 and so on. One process makes all of them, since the CDK takes seconds to start and to make
its first template.
"""

import json
import os
import sys
from pathlib import Path

from infra.synthesis import make_app


def main() -> None:
    """Make all templates."""
    folder = Path(os.environ["CDK_OUTDIR"])
    for number, settings in enumerate(json.loads(Path(sys.argv[1]).read_text("utf-8"))):
        make_app(outdir=str(folder / str(number) if number else folder), settings=settings).synth()


if __name__ == "__main__":
    main()
