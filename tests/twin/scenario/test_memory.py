"""Limits of nodes' memory that are not allowed."""

import pytest

from tests.strategies import small
from twin.errors import ScenarioError

POOL = {"handler": {}, "executor": {"kind": "thread_pool"}, "memory_limit": 2**26}


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ({"memory_limit": 2**20 - 1}, "nodes.memory_limit is 1048575; allowed is 0, or at least 1048576 bytes."),
        ({"memory_restart": 1.0}, "nodes.memory_restart is 1; allowed is 0 without a nodes.memory_limit."),
        (POOL, "nodes.executor.kind is 'thread_pool'; allowed is 'loop' or 'process_pool' with nodes.memory_limit."),
    ],
)
def test_what_is_not_allowed_is_said_in_one_sentence(nodes, said):
    with pytest.raises(ScenarioError) as error:
        small(nodes=nodes)
    assert said in str(error.value)


def test_memory_is_noted_where_that_is_asked_for_or_something_depends_on_it():
    assert not small().notes_memory
    assert not small(host={"accounts": True}).notes_memory
    for changes in ({"host": {"memory": True}}, {"nodes": {"memory_limit": 2**26}}, {"codec": "json"}):
        assert small(**changes).notes_memory
    assert small(nodes={"executor": {"kind": "thread_pool"}, "memory_limit": 2**26}).nodes.memory_limit == 2**26
