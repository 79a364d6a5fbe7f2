import pytest

from tests.strategies import small
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario
from twin.scenario.transport import MOST_POLLS

TALK = {"bus": {"kind": "stream"}, "publisher": {}}


def polling(kind="poll", **changes):
    data = {"clients": {"transport": {"kind": kind}}, **TALK}
    return small(**data).vary(**changes)


def test_without_a_word_clients_have_websockets():
    transport = small().clients.transport
    assert (transport.kind, transport.polls, transport.every, transport.held) == ("websocket", False, 0.0, 0.0)


def test_a_poll_has_an_interval_and_a_long_poll_a_hold():
    poll, held = polling().clients.transport, polling("long_poll").clients.transport
    assert (poll.polls, poll.every, poll.held, poll.requests(10.0)) == (True, 1.0, 0.0, 1.0)
    assert (held.polls, held.every, held.held, held.requests(10.0)) == (True, 0.0, 25.0, 10.0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"publisher": {"scope": "client"}}, "publisher.scope is 'client'; allowed is 'node' with"),
        ({"clients": {"sends": {"rate": 2.0}}}, "clients.sends.rate is 2; allowed is 0 with"),
        ({"sessions": {"store": "memory"}}, "sessions.store is 'memory'; allowed is 'none' with"),
        ({"nodes": {"lifetime": {"mean": 5.0}}}, "nodes.lifetime is given; allowed is none with"),
        ({"registry": {}}, "registry is given; allowed is none with"),
        ({"faults": [{"at": 1.0, "kind": "stall", "client": 1}]}, "faults.0.kind is 'stall'; allowed is a fault that"),
        ({"faults": [{"at": 1.0, "kind": "drain", "node": 1}]}, "faults.0.kind is 'drain'; allowed is a fault that"),
    ],
)
@pytest.mark.parametrize("kind", ["poll", "long_poll"])
def test_what_needs_a_connection_that_stays_is_refused_in_a_sentence(kind, changes, says):
    with pytest.raises(ScenarioError) as caught:
        polling(kind, **changes)
    text = str(caught.value)
    assert says in text
    assert text.endswith(f"with clients.transport.kind '{kind}'.")
    assert Scenario.parse(small(**TALK).model_dump(exclude_none=True)).vary(**changes)  # it is well with WebSockets


def test_polls_need_something_to_ask_for():
    with pytest.raises(ScenarioError, match="publisher is missing; allowed is a table of settings with clients"):
        small(clients={"transport": {"kind": "poll"}})


@pytest.mark.parametrize("setting", [{"interval": 0.001}, {"hold": 0.0}, {"kind": "sse"}, {"cursor": 1}])
def test_a_setting_that_is_out_of_bounds_is_refused(setting):
    with pytest.raises(ScenarioError, match=f"clients.transport.{next(iter(setting))} is "):
        polling(clients={"transport": setting})


@pytest.mark.parametrize(("kind", "setting"), [("poll", {"interval": 0.01}), ("long_poll", {"hold": 0.1})])
def test_more_requests_than_a_run_may_make_are_refused(kind, setting):
    count = round(MOST_POLLS * next(iter(setting.values())) / 10.0)
    changes = {"duration": 10.0, "publisher": {"rate": 1.0}}
    assert polling(kind, clients={"count": count, "transport": setting}, **changes)
    with pytest.raises(ScenarioError, match=f"at most {MOST_POLLS} requests"):
        polling(kind, clients={"count": count + 100, "transport": setting}, **changes)


def test_who_polls_with_a_cursor_gets_what_it_missed():
    assert polling().clients.recovers
    assert not polling(clients={"transport": {"cursor": False}}).clients.recovers
    assert polling(clients={"recovery": {"recover": False}}).clients.recovers
    assert not small(clients={"recovery": {"recover": False}}).clients.recovers
