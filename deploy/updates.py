"""The templates of an upgrade's updates: the CDK app for `make deploy`.

    cdk synth --output FOLDER --app "python -m deploy.updates FILE"

FILE is a JSON list of settings, one object an update. The first one's assembly is FOLDER, the others' are FOLDER/1,
FOLDER/2 and so on. All are made in one process, since the CDK takes seconds to start and to make its first template.
"""

import json
import os
import sys
from pathlib import Path

from infra.synthesis import make_app


def main() -> None:
    """Make them all."""
    folder = Path(os.environ["CDK_OUTDIR"])
    for number, settings in enumerate(json.loads(Path(sys.argv[1]).read_text("utf-8"))):
        make_app(outdir=str(folder / str(number) if number else folder), settings=settings).synth()


if __name__ == "__main__":
    main()
