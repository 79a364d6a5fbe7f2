"""The link's secret and the cookie: who may use the page of one server."""

import pytest

from live.page.access import PageAccess


def cookie(access: PageAccess) -> str:
    return access.set_cookie.partition(";")[0]


def test_secrets_are_long_and_of_one_server() -> None:
    one, other = PageAccess(8080), PageAccess(8080)
    assert len(one.key) >= 43
    assert len({one.key, other.key, cookie(one), cookie(other)}) == 4
    assert one.key not in one.set_cookie
    assert cookie(one).startswith("stormlab-8080=")
    assert one.way([], [cookie(other)]) == ""
    assert one.way([f"Bearer {other.key}"], []) == ""


def test_a_browser_does_not_tell_the_cookie_to_scripts_or_other_sites() -> None:
    assert PageAccess(1).set_cookie.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Strict"]


def test_a_link_opens_with_its_secret_once() -> None:
    access = PageAccess(1)
    assert access.opens([access.key])
    for bad in ([], [""], [access.key, access.key], [access.key[:-1]], [access.key + "a"], ["é"], ["\udce9"]):
        assert not access.opens(bad)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "token", "Token"])
def test_a_script_shows_the_secret_in_a_header(scheme: str) -> None:
    access = PageAccess(1)
    assert access.way([f"{scheme} {access.key}"], []) == "header"
    assert access.way([f"{scheme} {access.key}x"], [cookie(access)]) == ""  # what is shown first has to be good


def test_a_cookie_is_found_among_others() -> None:
    access = PageAccess(8080)
    assert access.way([], [f'a="b;c"; {cookie(access)}; d']) == "cookie"
    assert access.way([], ["x=1", cookie(access)]) == "cookie"
    assert access.way([], ["stormlab-8080=wrong; " + cookie(access)]) == "cookie"
    for bad in (
        "",
        ";;",
        "=",
        "stormlab-8080",
        "stormlab-8080=",
        cookie(access) + "x",
        cookie(access).replace("8080", "1"),
    ):
        assert access.way([], [bad]) == ""
