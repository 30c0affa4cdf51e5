"""What privacy does to a value: the policies keep, drop and hash, applied before anything else is made of it."""

import hmac
from decimal import Decimal
from enum import StrEnum
from typing import Any


class Policy(StrEnum):
    """What a profile says of an attribute: its values are stored, or not, or a token for each of them is."""

    KEEP = "keep"
    DROP = "drop"
    HASH = "hash"


class Privacy:
    """Applies policies; `secret` is the key of the tokens."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def apply(self, policy: Policy, value: Any) -> Any:
        """What is stored for a value: itself, None, or its token. Equal values have equal tokens, under one key."""
        if policy is Policy.KEEP or value in (None, ""):
            return value
        return None if policy is Policy.DROP else self._token(value)

    def _token(self, value: object) -> str:
        # A number in its digits: Decimal writes 100 and 1E+2 as they came.
        text = f"{value:f}" if isinstance(value, Decimal) else str(value)
        return hmac.digest(self._secret, text.encode(), "sha256").hex()
