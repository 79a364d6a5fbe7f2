import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.token import make_token, token_problem

SECRET = b"not so secret"
subjects = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


far = st.integers(0, 2**38).map(float)
near = st.sampled_from([-1.0, -0.001, -1e-4, 0.0, 1e-4, 0.001, 1.0])


@given(subjects, st.integers(0, 2**38), near | far)
def test_a_token_is_good_until_its_time(subject, expires, later):
    token = make_token(SECRET, subject, expires)
    now = expires + later
    assert token_problem(SECRET, token, now) == ("expired" if now >= expires else "")


def test_the_time_of_a_token_is_cut_off_to_a_millisecond():
    token = make_token(SECRET, "ann", 99.7009)
    assert token_problem(SECRET, token, 99.6999) == ""
    assert token_problem(SECRET, token, 99.7) == "expired"


@given(subjects, st.integers(10, 2**38), st.data())
def test_whoever_changes_a_token_is_found_out(subject, expires, data):
    token = make_token(SECRET, subject, expires)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("abcdef0123456789.").filter(lambda one: one != token[place]))
    assert token_problem(SECRET, token[:place] + other + token[place + 1 :], 0.0) in ("forged", "malformed")


@given(subjects, st.binary(min_size=1, max_size=40).filter(lambda one: one != SECRET))
def test_a_token_of_another_secret_is_forged(subject, secret):
    if secret.rstrip(b"\0") != SECRET:  # HMAC pads short keys with zeros
        assert token_problem(SECRET, make_token(secret, subject, 100), 0.0) == "forged"


@pytest.mark.parametrize(
    "token",
    [
        "a",
        "a.b",
        "a.1.b.c",
        ".1.x",
        "a.-1.x",
        "a b.1.x",
        "a.1e3.x",
        "ä.1.x",
        "a\n.1.x",
        "a.1\n.x",
        "a.1." + "\u00e9",
        "a.1." + "\udce9",
    ],
)
def test_what_is_no_token_is_refused(token):
    assert token_problem(SECRET, token, 0.0) in ("malformed", "forged")
    assert token_problem(SECRET, "", 0.0) == "missing"


def test_the_signature_is_an_hmac_of_subject_and_expiry():
    signature = hmac.new(SECRET, b"ann.99700", hashlib.sha256).hexdigest()
    assert make_token(SECRET, "ann", 99.7) == f"ann.99700.{signature}"
    for subject in ("a.b", "", "a\n", "a" * 65):
        with pytest.raises(ValueError, match="subject is"):
            make_token(SECRET, subject, 1)


def test_a_line_break_at_an_end_is_no_part_of_a_token():
    subject, expiry, _ = make_token(SECRET, "ann", 99.7).split(".")
    for text in (f"{subject}\n.{expiry}", f"{subject}.{expiry}\n"):
        signed = hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()
        assert token_problem(SECRET, f"{text}.{signed}", 0.0) == "malformed"
