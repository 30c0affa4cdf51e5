"""What privacy does to a value: a policy is applied before anything else is made of the value."""

import hmac
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

# UIDs of the standard itself: of SOP classes, transfer syntaxes, and well-known frames of reference (PS3.6, Annex A).
_STANDARD: Final = "1.2.840.10008"
_LONGEST_SHIFT: Final = 365
# 45 CFR 164.514(b)(2)(i)(C): all ages over 89 are one category.
OLDEST_TOLD: Final = 89
_CAPPED: Final = OLDEST_TOLD + 1


class Policy(StrEnum):
    """What a profile says of an attribute: which values are stored in the place of its own.

    Its own values; none; a token for each; another UID for each; dates that are moved by the same days for all of a
    patient; ages up to 89, and 90 for all that are higher.
    """

    KEEP = "keep"
    DROP = "drop"
    HASH = "hash"
    UID = "uid"
    SHIFT = "shift"
    CAP = "cap"


# What cannot be done without a key.
KEYED: Final = frozenset({Policy.HASH, Policy.UID, Policy.SHIFT})


class Privacy:
    """Applies policies; `secret` is the key of tokens, UIDs and shifts.

    Tokens are by HMAC-SHA-256. UIDs and shifts are by HMAC-SHA-512 of the value behind the policy's name, so that no
    value's token says anything of a UID or a shift.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def apply(self, policy: Policy, value: Any) -> Any:
        """What is stored for a value, or None for nothing. Equal values become equal ones, under one key.

        A date that is shifted stays as it is here, if it is a whole one: `moved` shifts it when the patient is known.
        """
        if policy is Policy.KEEP or value in (None, ""):
            return value
        match policy:
            case Policy.HASH:
                return self._token(value)
            case Policy.UID:
                return self._uid(str(value))
            case Policy.SHIFT:
                return value if value[:8].isdigit() and len(value) >= 8 else None
            case Policy.CAP:
                return capped(value)
        return None

    def days_of_patient(self, datastore: str, patient: str, issuer: str) -> int:
        """By how many days the dates of a patient of a data store are moved back, 1 to 365."""
        return self._days(datastore, "patient", patient, issuer)

    def days_of_study(self, datastore: str, uid: str) -> int:
        """By how many days the dates of a study are moved back that names no patient, 1 to 365."""
        return self._days(datastore, "study", uid)

    def _days(self, *identity: str) -> int:
        return 1 + int.from_bytes(self._digest(Policy.SHIFT, *identity)) % _LONGEST_SHIFT

    def _token(self, value: object) -> str:
        # A number in its digits: Decimal writes 100 and 1E+2 as they came.
        text = f"{value:f}" if isinstance(value, Decimal) else str(value)
        return hmac.digest(self._secret, text.encode(), "sha256").hex()

    def _uid(self, value: str) -> str:
        """A UID made from a UUID (PS3.5, section B.2) of version 8, whose bits are the maker's (RFC 9562)."""
        if is_standard(value):
            return value
        bits = int.from_bytes(self._digest(Policy.UID, value)[:16])
        return f"2.25.{bits & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62}"

    def _digest(self, policy: Policy, *parts: str) -> bytes:
        # The lengths keep different parts from running together to the same text.
        text = "".join(f"{len(part)}:{part}" for part in (policy, *parts))
        return hmac.digest(self._secret, text.encode(), "sha512")


def is_standard(uid: str) -> bool:
    """Whether a UID is one of the standard itself, which is never replaced."""
    return uid == _STANDARD or uid.startswith(f"{_STANDARD}.")


def moved(text: str, days: int) -> str:
    """A DA, or a DT of a whole day, with the day moved back; the time and the offset stay.

    Raises:
        ValueError, OverflowError: there is no such day.
    """
    day = date(int(text[:4]), int(text[4:6]), int(text[6:8])) - timedelta(days=days)
    return f"{day.isoformat().replace('-', '')}{text[8:]}"


def capped(value: Any) -> Any:
    """An AS, or a number of years, with 90 years for more than 89."""
    if isinstance(value, Decimal):
        return min(value, Decimal(_CAPPED)) if value > OLDEST_TOLD else value
    return f"{_CAPPED:03}Y" if value[3:] == "Y" and int(value[:3]) > OLDEST_TOLD else value
