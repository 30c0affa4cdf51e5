"""A Lambda authorizer of AWS HealthImaging for users of an Amazon Cognito user pool.

HealthImaging calls it with `datastoreId`, `operation` and `bearerToken`, and expects `isTokenValid` and `roleArn`
within a second (developer guide, "Set up an AWS Lambda authorizer for OIDC authentication"). The pool itself checks the
token: its userInfo endpoint answers access tokens that it has issued with the scope `openid`, unless they are expired
or revoked (Amazon Cognito Developer Guide, "The userInfo endpoint"). So nothing is needed but Python.
"""

import base64
import hashlib
import json
import os
import time
from typing import Any, Final
from urllib.error import URLError
from urllib.request import Request, urlopen

_DENIED: Final[dict[str, Any]] = {"isTokenValid": False, "roleArn": ""}
_SCOPE: Final = "imaging/search"
_SECONDS: Final = 0.8
# A viewer sends the same token with hundreds of frames. Once checked, it is good for so long, even if it is revoked.
_GOOD_FOR: Final = 60
_MOST: Final = 1_000
_checked: dict[bytes, float] = {}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Whether the token is one for the viewer, and the role to act as. No token is logged, or kept but as a hash."""
    token = str(event.get("bearerToken", ""))
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        for_viewer = (claims["token_use"], claims["client_id"]) == ("access", os.environ["CLIENT_ID"])
        if not for_viewer or _SCOPE not in claims["scope"].split() or not _is_of_pool(token):
            return _DENIED
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return _DENIED
    return {"isTokenValid": True, "roleArn": os.environ["ROLE_ARN"]}


def _is_of_pool(token: str) -> bool:
    """Whether the pool accepts the token, now or a moment ago. HealthImaging itself checks when it expires."""
    key, now = hashlib.sha256(token.encode()).digest(), time.monotonic()
    if now < _checked.get(key, 0):
        return True
    url = f"{os.environ['USER_POOL_DOMAIN']}/oauth2/userInfo"
    try:
        with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=_SECONDS):  # noqa: S310  ours
            pass
    except (URLError, TimeoutError):
        return False
    if len(_checked) >= _MOST:
        _checked.clear()
    _checked[key] = now + _GOOD_FOR
    return True
