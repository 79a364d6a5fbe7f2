"""What is said of long polls that the balancer cuts."""

import pytest

from tests.findings import texts
from tests.strategies import small
from twin.advice import advice, idle_advice, later_advice, poll_advice


def polling(kind="long_poll", hold=25.0, balancer=None, **changes):
    transport = {"kind": kind, "hold": hold}
    talk = {"bus": {"kind": "stream"}, "publisher": {}}
    return small(clients={"transport": transport}, balancer=balancer or {}, **talk).vary(**changes)


@pytest.mark.parametrize(
    ("balancer", "field"),
    [({"kind": "haproxy"}, "server_timeout"), ({"kind": "nginx", "read_timeout": 60.0}, "read_timeout")],
)
def test_a_hold_as_long_as_the_balancer_waits_is_told(balancer, field):
    (text,) = texts(poll_advice(polling(hold=60.0, balancer=balancer, duration=90.0)))
    assert text == (
        f"clients.transport.hold is 60 s, and balancer.{field} is 60 s: the balancer gives up each request to which "
        "nothing comes in that time."
    )
    (text,) = texts(poll_advice(polling(hold=60.0, balancer=balancer, duration=20.0)))
    assert text.endswith(", though not within the run of 20 s.")
    assert poll_advice(polling(hold=60.0, balancer=balancer, duration=20.0))[0].text in advice(
        polling(hold=60.0, balancer=balancer, duration=20.0)
    )
    assert poll_advice(polling(hold=59.0, balancer=balancer)) == []


def test_only_what_is_held_can_be_cut():
    assert poll_advice(polling("poll", hold=60.0)) == []
    assert poll_advice(small()) == []


def test_nothing_is_said_of_connections_that_polls_do_not_have():
    fault = [{"at": 5.0, "kind": "hang", "node": 1}]
    changes = {"clients": {"heartbeat": {"interval": 0.0}}, "balancer": {"tunnel_timeout": 5.0}, "faults": fault}
    assert idle_advice(polling(**changes)) == later_advice(polling(**changes)) == []
    websocket = polling("websocket", **changes)
    assert idle_advice(websocket)
