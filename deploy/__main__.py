"""The commands `python -m deploy`, `python -m deploy bootstrap` and `python -m deploy synth`."""

import sys
from importlib import import_module

_COMMANDS = {"bootstrap": "deploy.bootstrap", "synth": "deploy.synth"}

try:
    name = sys.argv.pop(1) if sys.argv[1:] and sys.argv[1] in _COMMANDS else ""
    command = import_module(_COMMANDS.get(name, "deploy.command"))
    import_module("local.signals").ignore()  # but where the command handles them
    command.main()
except KeyboardInterrupt:  # while modules are imported
    sys.exit("\nStopped. Nothing was deployed.")
