import pytest

from tests.strategies import small
from twin.costs.starts import START_PARTS, start_part


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, "start_node"),
        ({"bus": {"kind": "stream"}, "publisher": {}}, "start_broadcast"),
        (
            {"bus": {"kind": "stream"}, "publisher": {}, "clients": {"transport": {"kind": "poll"}}},
            "start_polls",
        ),
        ({"sessions": {"store": "memory"}}, "start_sessions"),
        ({"clients": {"sends": {"rate": 1.0}}}, "start_sends"),
        ({"registry": {}, "balancer": {"retries": 3, "redispatch": 1}}, "start_node"),
    ],
)
def test_what_a_node_has_to_do_decides_which_start_is_its_own(changes, part):
    assert start_part(small(**changes)) == part
    assert part in START_PARTS
