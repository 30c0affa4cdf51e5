"""The CDK's command line, but for the time that synthesis takes: an assembly is made once for the same arguments.

    python -m proof.campaigns.remembered_cdk FOLDER cdk synth --output ASSEMBLY ...

It is for deployments that are repeated many times, of profiles that stay as they are. FOLDER keeps the assemblies.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.config import ROOT

_REAL: Final = ROOT / "node_modules" / ".bin" / "cdk"
# As `deploy/__main__.py` does it.
_DEPLOY: Final = """
from pathlib import Path
from deploy import cdk, command
from local import signals
cdk.PROGRAM = Path({!r})
signals.ignore()
command.main()
"""


def deployment(folder: Path) -> list[str]:
    """The program `python -m deploy` with this command line in the CDK's place.

    Args:
        folder: for the assemblies, and for a script.
    """
    script = folder / "cdk"
    if not script.exists():
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {__name__} "{folder}" "$@"\n')
        script.chmod(0o700)
    return [sys.executable, "-c", _DEPLOY.format(str(script))]


def main() -> int:
    """Run the command line. Returns its exit status."""
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    if arguments[0] != "synth":
        return subprocess.run([str(_REAL), *arguments], check=False).returncode
    place = arguments.index("--output") + 1
    output = Path(arguments[place])
    kept = folder / _name([*arguments[:place], *arguments[place + 1 :]])
    if not kept.exists():
        draft = kept.with_suffix(f".{os.getpid()}")
        ended = subprocess.run([str(_REAL), *arguments[:place], str(draft), *arguments[place + 1 :]], check=False)
        if ended.returncode != 0:
            return ended.returncode
        draft.rename(kept)
    shutil.copytree(kept, output, copy_function=_copy)
    return 0


def _name(arguments: list[str]) -> str:
    """A name for an assembly, by what it is made of; of the file of settings in --app its content, not its path."""
    words = [word for argument in arguments for word in argument.split()]
    parts = [Path(word).read_bytes() if word.endswith(".json") else word.encode() for word in words]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _copy(source: str, target: str) -> None:
    # A package is linked. The deployment writes into the others.
    if Path(source).suffix == ".json":
        shutil.copyfile(source, target)
    else:
        os.link(source, target)


if __name__ == "__main__":
    sys.exit(main())
