"""Search: `Index` is what programs use; `docs/python.md` has recipes.

It is imported when it is first used: the grammar alone needs no AWS.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imaging_index.searching.index import Index

__all__ = ["Index"]


def __getattr__(name: str) -> Any:
    if name != "Index":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from imaging_index.searching.index import Index

    return Index
