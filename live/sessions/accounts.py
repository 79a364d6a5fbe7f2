"""The user accounts of a run: what clients log in with, and what nodes keep of each: a salt of its own and hashes.

Sources: RFC 8018, section 5.2 (PBKDF2); NIST SP 800-132, section 5.1 (a salt of at least 128 random bits); OWASP,
Authentication Cheat Sheet (a name that does not exist costs as much as a wrong password, so that times tell nobody).
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

ACCOUNTS = 4
"""Accounts of a run, to which its clients log in in turn, as people do from several devices. Not one for each client:
every account costs the lab a whole hash before the run, and there are up to 5,000 clients."""
SALT_BYTES = 16


def password_hash(password: str, salt: bytes, iterations: int) -> str:
    """Return PBKDF2-HMAC-SHA256 of a password as hex digits."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(errors="replace"), salt, iterations).hex()


@dataclass(frozen=True)
class Account:
    """What a node keeps of a user: the salt, and the hash by number of iterations."""

    salt: bytes
    hashes: Mapping[int, str]

    @classmethod
    def of(cls, password: str, iterations: Iterable[int]) -> Self:
        """Return the account of a new user, with a salt that nobody else has."""
        salt = secrets.token_bytes(SALT_BYTES)
        return cls(salt, {n: password_hash(password, salt, n) for n in iterations})

    def as_config(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return {"salt": self.salt.hex(), "hashes": {str(n): digest for n, digest in self.hashes.items()}}

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Self:
        """Return what `as_config` wrote."""
        return cls(bytes.fromhex(config["salt"]), {int(n): digest for n, digest in config["hashes"].items()})


class Accounts:
    """All users that a node knows.

    Args:
        known: by name, at least one, all with the same numbers of iterations.
    """

    def __init__(self, known: Mapping[str, Account]) -> None:
        self.known = dict(known)
        self._nobody = next(iter(self.known.values()))
        self.cheap, self.full = min(self._nobody.hashes), max(self._nobody.hashes)

    def authenticate(self, name: str, password: str, iterations: int) -> bool:
        """Tell whether this is the user's password; it costs one hash, whether there is such a user or not."""
        account = self.known.get(name, self._nobody)
        shown = password_hash(password, account.salt, iterations)
        return hmac.compare_digest(shown, account.hashes[iterations]) and name in self.known
