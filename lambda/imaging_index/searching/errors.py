"""The errors of a search. Their texts say what to do, and quote no value."""


class SearchError(ValueError):
    """A search that cannot be made. The text says what can be, and quotes no value."""


class UnavailableError(Exception):
    """The stack, its table or HealthImaging cannot be read. The text says why, and what to do."""
