"""A token that lets a browser connect: signed, and good until a time.

`SUBJECT.EXPIRY.SIGNATURE`, where the expiry is in whole milliseconds and the signature is an HMAC-SHA-256 of the rest.
Whoever has the secret can tell a forged token from a real one without asking anybody. Sources: RFC 2104 (HMAC); RFC
6750, section 5.2, for why a token in a URL has to be short-lived.
"""

import hmac
import re

_SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXPIRY = re.compile(r"[0-9]{1,15}")


def make_token(secret: bytes, subject: str, expires: float) -> str:
    """Return a token for `subject` that is good until `expires`, in seconds on the clock of whoever checks it.

    Raises:
        ValueError: the subject has other characters than letters, digits, - and _, or more than 64 of them.
    """
    if not _SUBJECT.fullmatch(subject):
        raise ValueError(f"subject is {subject!r}; allowed is 1 to 64 letters, digits, - and _.")
    text = f"{subject}.{int(1000 * expires)}"
    return f"{text}.{_sign(secret, text)}"


def token_problem(secret: bytes, token: str, now: float) -> str:
    """Return why a token is not good: `missing`, `malformed`, `forged` or `expired`; an empty text when it is good.

    A signature is compared in constant time, and before the expiry is believed.
    """
    if not token:
        return "missing"
    parts = token.split(".")
    if len(parts) != 3 or not _SUBJECT.fullmatch(parts[0]) or not _EXPIRY.fullmatch(parts[1]):
        return "malformed"
    if not hmac.compare_digest(_sign(secret, f"{parts[0]}.{parts[1]}").encode(), parts[2].encode(errors="replace")):
        return "forged"
    return "expired" if now >= int(parts[1]) / 1000 else ""


def _sign(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), "sha256").hexdigest()
