"""`make prove`. The programme is a module of its own, since its worker processes cannot import this one by name."""

import sys

from proof.programme import main

if __name__ == "__main__":
    sys.exit(main())
