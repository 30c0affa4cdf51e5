"""Measurements: `make bench`."""

from typing import Final

# The image set that every document of `bench.documents` is of.
DATASTORE_ID: Final = "0" * 31 + "1"
IMAGE_SET_ID: Final = "0" * 31 + "2"
