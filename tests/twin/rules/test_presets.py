from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import client as websockets_client
from websockets.asyncio.client import process_exception
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from twin.rules.backoff import Backoff
from twin.rules.heartbeat import detection_bounds
from twin.rules.presets import BALANCERS, CLIENTS
from twin.scenario.balancer.haproxy import HAProxy
from twin.scenario.balancer.kinds import Preset as BalancerPreset
from twin.scenario.balancer.nginx import Nginx
from twin.scenario.presets import ClientPreset
from twin.scenario.scenario import Scenario
from twin.scenario.settings import Reconnect

units = st.floats(0, 1, exclude_max=True)


def rule(name):
    return Reconnect.model_validate(dict(CLIENTS[name].reconnect)).rule()


def waits(name, u, count):
    """Return the first waits after a loss when every attempt fails; each may depend on one number u."""
    backoff = Backoff(rule(name))
    return [backoff.after_loss(1e9, u)] + [backoff.after_failure(u) for _ in range(count - 1)]


def test_websockets_gives_up_after_the_statuses_after_which_the_library_does():
    fatal = {
        status
        for status in range(400, 600)
        if process_exception(InvalidStatus(Response(status, "", Headers()))) is not None
    }
    assert fatal == set(CLIENTS["websockets"].refusals["fatal"])
    assert 429 in fatal
    given = Scenario.parse({"name": "a", "clients": {"refusals": "websockets"}}).clients.refusals
    assert (set(given.fatal), given.retry_after) == (fatal, False)
    assert not Scenario.parse({"name": "a", "clients": {"refusals": "phoenix"}}).clients.refusals.matters


def test_the_names_in_the_schema_are_those_of_the_presets():
    assert set(ClientPreset.__args__) == set(CLIENTS)
    assert set(BalancerPreset.__args__) == set(BALANCERS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("phoenix", [0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2, 5, 5, 5]),
        ("signalr", [0, 2, 10, 30, None]),
        ("classic", [1, 2, 4, 8, 16, 30, 30]),
    ],
)
def test_presets_without_jitter_wait_as_their_libraries_do(name, expected):
    for u in (0.0, 0.7):
        assert waits(name, u, len(expected)) == expected


@given(units)
def test_centrifuge_js_waits_half_a_second_and_full_jitter_on_top(u):
    assert waits("centrifuge-js", u, 9) == [min(20.0, 0.5 + u * min(20.0, 0.5 * 2**n)) for n in range(9)]


@given(units)
def test_socket_io_caps_after_its_jitter(u):
    def duration(n):  # contrib/backo2.ts, without the rounding to milliseconds
        ms = 1000 * 2**n
        deviation = u * 0.5 * ms
        ms = ms + deviation if int(u * 10) & 1 else ms - deviation
        return min(ms, 5000) / 1000

    assert waits("socket.io", u, 9) == pytest.approx([duration(n) for n in range(9)], rel=1e-12)


@given(units)
def test_nats_waits_two_seconds_and_a_bit_and_gives_up_after_sixty_attempts(u):
    found = waits("nats", u, 61)
    assert found[:60] == [2.0 + u * (2.1 - 2.0)] * 60
    assert found[60] is None


@given(units)
def test_websockets_waits_as_the_installed_library_does(u):
    class Random:
        random = staticmethod(lambda: u)

    library, websockets_client.random = websockets_client.random, Random
    try:
        expected = list(islice(websockets_client.backoff(), 12))
    finally:
        websockets_client.random = library
    assert waits("websockets", u, 13) == [0.0, *expected]  # what was established is opened again at once


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("centrifuge-js", (10, 35)),
        ("socket.io", (20, 45)),
        ("phoenix", (30, 60)),
        ("signalr", (15, 30)),
        ("nats", (240, 360)),
        ("websockets", (20, 40)),
        ("classic", (30, 60)),
    ],
)
def test_a_dead_peer_is_found_when_the_library_finds_it(name, bounds):
    beat = CLIENTS[name].heartbeat
    assert detection_bounds(beat["interval"], beat["timeout"]) == bounds


def test_every_preset_is_a_valid_scenario_and_names_its_source():
    for name, one in CLIENTS.items():
        clients = Scenario.parse({"name": "x", "clients": {"reconnect": name, "heartbeat": name}}).clients
        assert clients.reconnect.stable_time == 0  # all begin anew after any success
        assert len(one.source) > 20
        assert one.says
    assert Scenario.parse({"name": "x", "balancer": "haproxy"}).balancer == HAProxy(algorithm="roundrobin")
    assert Scenario.parse({"name": "x", "balancer": "nginx"}).balancer == Nginx(connect_timeout=60.0, read_timeout=60.0)
