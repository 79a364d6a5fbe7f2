"""Which of several backends is meant."""

import pytest

from twin.config.reading.choosing import chosen
from twin.errors import ScenarioError

SAID = ("there is none.", "there are several")


@pytest.mark.parametrize(
    ("found", "name", "expected"),
    [(["a"], "", "a"), (["a", "a"], "", "a"), (["a", "b"], "b", "b"), (iter(["a"]), "a", "a")],
)
def test_the_only_one_or_the_one_that_is_named(found, name, expected):
    assert chosen(found, name, *SAID) == expected


@pytest.mark.parametrize(
    ("found", "name", "sentence"),
    [
        ([], "", r"^there is none\.$"),
        ([], "a", r"^there is none\.$"),
        (["a", "b"], "", r"^there are several: a, b; say which with --backend\.$"),
        (["a", "b"], "c", r"^--backend is 'c'; allowed is a, b\.$"),
    ],
)
def test_what_does_not_say_which_is_refused(found, name, sentence):
    with pytest.raises(ScenarioError, match=sentence):
        chosen(found, name, *SAID)
