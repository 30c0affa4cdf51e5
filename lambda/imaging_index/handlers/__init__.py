"""The Lambda functions' entry points: thin, one a file.

Each begins with this package and ends with `started()`: what is imported between stays for good, and to have the
garbage collector look through it is a tenth of a cold start.
"""

import gc

gc.disable()


def started() -> None:
    """Have the garbage collector run from now on, and never look at what is there already."""
    gc.freeze()
    gc.enable()
