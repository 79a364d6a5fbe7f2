import pytest

from twin.errors import LabError
from twin.glossary.lookup import glossary


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("leastconn", "leastconn"),
        ("LEASTCONN", "leastconn"),
        ("least_conn", "leastconn"),
        ("leases", "lease"),
        ("租约", "lease"),
        ("U(0, I)", "U(0, I)"),
        ("u0-i", "U(0, I)"),
        ("`reconnect_p50`", "reconnect_p50"),
        ("check.inter", "balancer.check.inter"),
        ("inter", "balancer.check.inter"),
        ("balancercheckinter", "balancer.check.inter"),
        ("registry", "registry"),
        ("prediction  interval", "prediction interval"),
    ],
)
def test_a_term_is_found_by_whatever_it_is_called(called, name):
    assert glossary(called).name == name


def test_an_unknown_term_is_one_sentence_with_the_nearest_ones():
    with pytest.raises(LabError) as told:
        glossary("reconect_p50")
    assert str(told.value).startswith("'reconect_p50' is not in the glossary; the nearest are reconnect_p50, ")
    assert str(told.value).count(", ") == 2


def test_what_is_like_nothing_is_said_to_be_so():
    with pytest.raises(LabError, match=r"^'qqqq' is not in the glossary; nothing in it is like that\.$"):
        glossary("qqqq")


def test_the_end_of_several_settings_names_them():
    with pytest.raises(LabError, match=r"several settings: clients\.heartbeat\.timeout, clients\.recovery\.timeout"):
        glossary("timeout")


def test_a_notebook_shows_a_term_as_an_entry():
    shown = glossary("leastconn")._repr_markdown_()
    assert shown.startswith("**leastconn**\n\n*Word*. Choice rule: ")
    assert "**Why it matters**" in shown
