import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.credentials import challenge, name_and_password, same, shown_credentials, user_problem

token68 = st.from_regex(r"[A-Za-z0-9._~+/-]{1,40}={0,2}", fullmatch=True)
names = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
spellings = st.sampled_from(["bearer", "basic", "token"]).flatmap(
    lambda one: st.tuples(*(st.sampled_from([letter, letter.upper()]) for letter in one)).map("".join)
)


def basic(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@given(spellings, st.integers(1, 3), token68)
def test_a_scheme_is_understood_in_any_case(scheme, spaces, word):
    assert shown_credentials([f"{scheme}{' ' * spaces}{word}"]) == (scheme.lower(), word)


@pytest.mark.parametrize("headers", [[], ["Digest username=x, realm=y"], ["Negotiate"], ["Negotiate YQ=="]])
def test_no_header_and_an_unknown_scheme_are_no_credentials(headers):
    assert shown_credentials(headers) == ("", "")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer a\n", "Bearer é", "Basic !", "B=x", "=", "a\nb"],
)
def test_a_header_that_cannot_be_read_is_told(header):
    with pytest.raises(ValueError, match=r"^Authorization (is|has) .*; allowed (is|are) .*\.$"):
        shown_credentials([header])


def test_two_headers_are_one_too_many():
    with pytest.raises(ValueError, match="2 times"):
        shown_credentials(["Bearer a", "Bearer a"])


@given(names, st.text(st.characters(codec="utf-8"), max_size=40))
def test_name_and_password_are_what_was_written(name, password):
    assert name_and_password(basic(f"{name}:{password}")) == (name, password)


@pytest.mark.parametrize("shown", ["é", "\udce9", "!", "/w==", "a", basic("ann"), basic(b"\xff:x"), basic("a b:x")])
def test_a_name_and_password_that_cannot_be_read_are_told_in_a_sentence(shown):
    with pytest.raises(ValueError, match=r"^The .*; allowed (is|are) .*\.$"):
        name_and_password(shown)


@pytest.mark.parametrize("name", ["", "a b", "ann\n", "ä", "a" * 65, "a/b", "\udce9", "x" * 100_000])
def test_a_users_name_is_short_and_of_plain_characters(name):
    problem = user_problem(name)
    assert problem.startswith("The user name is '")
    assert problem.isprintable()
    assert len(problem) < 300


@given(names)
def test_a_good_name_has_no_problem(name):
    assert user_problem(name) == ""
    assert user_problem(name + "\n") != ""


@pytest.mark.parametrize(
    ("reason", "basic", "said"),
    [
        ("missing", False, 'Bearer realm="stormlab"'),
        ("missing", True, 'Bearer realm="stormlab", Basic realm="stormlab", charset="UTF-8"'),
        ("password", True, 'Basic realm="stormlab", charset="UTF-8"'),
        ("expired", False, 'Bearer realm="stormlab", error="invalid_token", error_description="expired"'),
        ("forged", True, 'Bearer realm="stormlab", error="invalid_token", error_description="forged"'),
        ("request", False, 'Bearer realm="stormlab", error="invalid_request", error_description="request"'),
        ("down", True, ""),
    ],
)
def test_a_challenge_has_the_error_codes_of_rfc_6750(reason, basic, said):
    assert challenge(reason, basic) == said


@given(st.text(), st.text())
def test_the_same_is_only_the_same(secret, shown):
    assert same(secret, secret)
    assert same(secret, shown) == (secret == shown)


def test_what_cannot_be_text_is_not_the_same():
    assert not same("a", "\udce9")
