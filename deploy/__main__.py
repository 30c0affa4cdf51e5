"""The command `python -m deploy`."""

import sys

try:
    from deploy.command import main
except KeyboardInterrupt:
    sys.exit("\nStopped. Nothing was deployed.")

main()
