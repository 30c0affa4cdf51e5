"""How an attribute is stored: the kind of its values, and how an entry arranges them."""

from functools import cache
from typing import Final, Literal

import msgspec

from imaging_index.dicom import vrs

Kind = Literal["text", "number", "date", "time", "moment", "token"]

# One value, or the list of all. Of the instances: the least and the greatest value; the list of those that differ; or,
# where several attributes of one sequence are selected, a column of the rows that differ.
Arrangement = Literal["one", "list", "range", "distinct", "column"]

_MOMENTS: Final[dict[str, Kind]] = {"DA": "date", "TM": "time", "DT": "moment"}


class Form(msgspec.Struct, frozen=True):
    """What an attribute's values are, and how they are arranged; `whole` keeps the components of each together."""

    kind: Kind
    arrangement: Arrangement = "one"
    whole: bool = False

    @property
    def type(self) -> str:
        """The DynamoDB type: `S` or `N` of one value, `M` of a range, `L` of a list."""
        if self.arrangement == "one":
            return "N" if self.kind == "number" else "S"
        return "M" if self.arrangement == "range" else "L"


@cache
def of(vr: str, hashed: bool, of_instances: bool, multiple: bool, whole: bool, column: bool) -> Form:
    """The form of an attribute, from what `Attribute` says of it."""
    kind: Kind = "token" if hashed else "number" if vr in vrs.NUMBERS else _MOMENTS.get(vr, "text")
    if not of_instances:
        return Form(kind, "list" if multiple else "one")
    if column:
        return Form(kind, "column")
    return Form(kind, "distinct" if kind in ("text", "token") else "range", whole)
