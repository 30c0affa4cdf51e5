"""The error of a search that cannot be made."""


class SearchError(ValueError):
    """A search that cannot be made. The text says what can be, and quotes no value."""
