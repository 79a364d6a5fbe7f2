"""What nodes keep of the users: a salt each, and who is let in by it."""

import hashlib
import json

import pytest

from live.sessions import accounts
from live.sessions.accounts import Account, Accounts, password_hash


def test_two_users_of_one_password_have_other_salts_and_hashes() -> None:
    one, other = Account.of("same", {1, 50}), Account.of("same", {1, 50})
    assert len(one.salt) == 16
    assert one.salt != other.salt
    assert not set(one.hashes.values()) & set(other.hashes.values())


def test_the_hash_is_pbkdf2_of_password_and_salt() -> None:
    # RFC 7914, section 11: PBKDF2-HMAC-SHA-256 of "passwd" and "salt" with one iteration
    assert password_hash("passwd", b"salt", 1).startswith("55ac046e56e3089fec1691c22544b605")
    assert password_hash("é", b"s", 3) == hashlib.pbkdf2_hmac("sha256", "é".encode(), b"s", 3).hex()


def test_an_account_survives_its_way_to_a_node() -> None:
    account = Account.of("x", {1, 7})
    assert Account.of_config(json.loads(json.dumps(account.as_config()))) == account


def test_who_is_let_in() -> None:
    known = Accounts({"ann": Account.of("a", {1, 7}), "bob": Account.of("b", {1, 7})})
    assert (known.cheap, known.full) == (1, 7)
    for iterations in (1, 7):
        assert known.authenticate("ann", "a", iterations)
        assert known.authenticate("bob", "b", iterations)
        assert not known.authenticate("ann", "b", iterations)
        assert not known.authenticate("eve", "a", iterations)  # whose hash is compared with ann's
        assert not known.authenticate("ann", "\udce9", iterations)


def test_a_name_that_nobody_has_costs_a_hash_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Accounts({"ann": Account.of("a", {1, 7})})
    asked: list[int] = []
    monkeypatch.setattr(accounts, "password_hash", lambda password, salt, n: asked.append(n) or "")
    known.authenticate("ann", "a", 7)
    known.authenticate("eve", "a", 7)
    assert asked == [7, 7]
