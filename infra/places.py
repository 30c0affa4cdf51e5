"""Where the files are that the stack is made from, and where it is made: of the checkout, or of an installed wheel."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Places:
    """The places of a checkout or of a wheel.

    Attributes:
        root: has `cdk.json`, `profiles/` and `requirements/`. A wheel has copies of them in this package.
        sources: has the functions' package, `imaging_index`.
    """

    root: Path
    sources: Path

    @classmethod
    def of_checkout(cls, root: Path) -> "Places":
        """The places of the checkout in a folder."""
        return cls(root, root / "lambda")

    @property
    def build(self) -> Path:
        """Where what is made is kept: in the checkout, or in the user's cache, as a wheel may be read-only."""
        if self.sources.is_relative_to(self.root):
            return self.root / "build"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imaging-index"


_HERE: Final = Path(__file__).resolve().parent
_SHIPPED: Final = _HERE / "shipped"

PLACES: Final = Places(_SHIPPED, _HERE.parent) if _SHIPPED.is_dir() else Places.of_checkout(_HERE.parent)
