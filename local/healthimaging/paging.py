"""Pages of a list, and the tokens that lead from one to the next."""

import base64
import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, TypeVar

from local.healthimaging.errors import Invalid

T = TypeVar("T")
Key = tuple[str | float, ...]

OF_ANOTHER_LIST: Final = "nextToken belongs to another list: repeat the call without it."

# [U] The default size of a page is not documented: here it is the greatest size allowed.
PAGE = 50


def page(
    items: Iterable[T], key: Callable[[T], Key], *, descending: bool, size: int | None, token: str | None
) -> tuple[list[T], str | None]:
    """The page that follows `token`, and the token of the next page or None after the last.

    A token holds the key of the last item returned, so items that are added or removed in the meantime neither repeat
    nor hide others. `key` must differ for each item.

    Raises:
        Invalid: the token is not one of ours.
    """
    ordered = sorted(items, key=key, reverse=descending)
    if token is not None:
        last = place(token)
        try:
            ordered = [item for item in ordered if (key(item) < last if descending else key(item) > last)]
        except TypeError as error:
            raise Invalid(OF_ANOTHER_LIST) from error
    return first(ordered, key, size)


def first(ordered: Iterable[T], key: Callable[[T], Key], size: int | None) -> tuple[list[T], str | None]:
    """The first page of what is in order already, and the token of the next page or None."""
    size = size or PAGE
    found = list(islice(ordered, size + 1))
    return found[:size], _token(key(found[size - 1])) if len(found) > size else None


def _token(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def place(token: str) -> Key:
    """The key of the last item before the page that a token leads to.

    Raises:
        Invalid: the token is not one of ours.
    """
    try:
        return tuple(json.loads(base64.urlsafe_b64decode(token)))
    except (ValueError, TypeError) as error:
        raise Invalid("nextToken was not issued by this service: repeat the call without it.") from error
