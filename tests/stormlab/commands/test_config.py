"""What a configuration to take away does not hold is told beside it."""

from stormlab.commands.config import _left_out
from tests.strategies import small


def test_a_file_says_that_the_part_of_a_registry_is_not_in_it():
    assert _left_out(small()) == []
    (text,) = _left_out(small(registry={}))
    assert "fixed list of servers" in text
    assert "gray release" not in text
    (text,) = _left_out(small(registry={"canary": {"nodes": [3]}}))
    assert "gray release" in text
