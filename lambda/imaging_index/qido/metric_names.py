"""The names of the DICOMweb function's own metrics, for what sends them and what looks at them."""

from typing import Final

READ_UNITS: Final = "ReadUnits"
