"""What a request shows to be let in, and what a refusal says: the HTTP side of passwords and tokens, without any I/O.

Sources: RFC 9110, section 11 (`Authorization`, `WWW-Authenticate`; the name of a scheme is case-insensitive); RFC 6750,
sections 2 and 3 (Bearer: which refusal has which error code); RFC 7617 (Basic).
"""

import base64
import hmac
import re
from collections.abc import Sequence

SCHEMES = ("bearer", "basic", "token")
"""Schemes that are understood; `token` is Jupyter's name for `bearer`."""
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: +(.*))?")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_USER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REALM = 'realm="stormlab"'


def shown_credentials(headers: Sequence[str]) -> tuple[str, str]:
    """Return the scheme, in lower case, and the credentials of the `Authorization` headers of a request.

    Both are empty when there is no header, or one of a scheme that is not understood: RFC 6750, section 3.1, treats the
    two alike.

    Raises:
        ValueError: the header is repeated, or is not a scheme and one word of credentials (token68 in RFC 9110).
    """
    if len(headers) > 1:
        raise ValueError(f"Authorization is there {len(headers)} times; allowed is once.")
    found = _HEADER.fullmatch(headers[0].strip(" \t")) if headers else None
    if headers and found is None:
        raise ValueError("Authorization is no scheme with credentials; allowed is as in 'Bearer abc'.")
    scheme = found[1].lower() if found is not None else ""
    if found is None or scheme not in SCHEMES:
        return "", ""
    if not _TOKEN68.fullmatch(found[2] or ""):
        raise ValueError(
            f"Authorization has no usable word after {found[1]}; allowed are A-Z, a-z, 0-9 and . _ ~ + / - =."
        )
    return scheme, found[2]


def name_and_password(credentials: str) -> tuple[str, str]:
    """Return the user's name and password from the credentials of the scheme Basic.

    Raises:
        ValueError: they are not Base64 of UTF-8 with a colon, or the name is not allowed, see `user_problem`.
    """
    try:
        name, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:  # not Base64, not ASCII, not UTF-8
        raise ValueError("The credentials cannot be read; allowed is Base64 of 'name:password' in UTF-8.") from None
    if not colon:
        raise ValueError("The credentials have no colon; allowed is Base64 of 'name:password' in UTF-8.")
    problem = user_problem(name)
    if problem:
        raise ValueError(problem)
    return name, password


def user_problem(name: str) -> str:
    """Return one sentence on why a user cannot have this name, an empty text if one can."""
    if _USER.fullmatch(name):
        return ""
    short = name if len(name) <= 80 else f"{name[:80]}..."
    return f"The user name is {short!a}; allowed are 1 to 64 letters (a-z, A-Z), digits, '.', '_' and '-'."


def challenge(reason: str, basic: bool = False) -> str:
    """Return the `WWW-Authenticate` of a refusal, an empty text when it has none.

    Args:
        reason: `missing` (no credentials: no error code), `request` (they cannot be read: `invalid_request`),
            `password` (asks for Basic), `down` (nothing is wrong with them); else what is wrong with a token.
        basic: whether a password is accepted, too, and a request without credentials is told so.
    """
    by_password = f'Basic {_REALM}, charset="UTF-8"'
    if reason == "down":
        return ""
    if reason == "password":
        return by_password
    if reason == "missing":
        return f"Bearer {_REALM}, {by_password}" if basic else f"Bearer {_REALM}"
    error = "invalid_request" if reason == "request" else "invalid_token"
    return f'Bearer {_REALM}, error="{error}", error_description="{reason}"'


def same(secret: str, shown: str) -> bool:
    """Tell whether a secret was shown, in a time that does not depend on where the two differ."""
    return hmac.compare_digest(secret.encode(), shown.encode(errors="replace"))
