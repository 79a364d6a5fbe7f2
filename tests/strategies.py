"""Hypothesis strategies over the space of scenarios, and the small fixed cases that many tests start from."""

import functools

from hypothesis import strategies as st

from tests.costs import (
    ENVOY_MICROSECONDS,
    ENVOY_PAYLOAD_MICROSECONDS,
    EXIT_DELAY,
    MICROSECONDS,
    NGINX_MICROSECONDS,
    NGINX_PAYLOAD_MICROSECONDS,
    OPTIONAL_MICROSECONDS,
    PAYLOAD_MICROSECONDS,
    STARTS,
)
from twin.costs.broadcast import DISK_PARTS, PAYLOAD_PARTS, PAYLOADS
from twin.costs.curve import PartCosts
from twin.costs.parts import PARTS
from twin.costs.profile import HostProfile
from twin.costs.starts import LEVEL, START_PARTS
from twin.rules.faults import meet
from twin.scenario.balancer.haproxy import Check, HAProxy
from twin.scenario.balancer.nginx import Nginx
from twin.scenario.broadcast import Bus
from twin.scenario.faults import Fault
from twin.scenario.scenario import Scenario
from twin.scenario.settings import Clients, Heartbeat, HostSettings, Nodes, Reconnect

COST = 1e-4
"""Seconds that each part costs in the profile in which all cost the same."""

NODE_START, NODE_REGISTERS = STARTS["start_node"], STARTS["start_registry"]
BALANCER_START, NGINX_START, ENVOY_START = 0.02, 0.026, 0.14
NODE_STOP = 0.007
CHECK_OVERHEAD = 0.002
BUS_START = 0.03
PATH_BYTES = 4096
OWN_FIRST_PARTS = ("node_fanout", "haproxy_delivery", "nginx_delivery", "client_delivery")
FIRST_PARTS = {
    "node": 0.5,
    "haproxy": 0.45,
    "nginx": 0.55,
    "envoy": 0.3,
    "client_request": 0.4,
    "client_refused": 0.6,
    "client_open": 0.35,
    "client_closed": 0.65,
}


def small_profile(**changes):
    """Return a host profile in which each part has its own cost, see `tests.costs`, with some fields changed: `parts`,
    `nginx_parts` and `envoy_parts` by their names, as the first layout of profiles had them.
    """
    return made_profile(**changes) if changes else plain_profile()


@functools.cache
def plain_profile():
    """Return it as it is; its tables are made once."""
    return made_profile()


@functools.cache
def equal_profile():
    """Return one in which nearly all parts cost the same, so that much happens at one time."""
    part = flat(COST)
    kinds = {"parts": MICROSECONDS, "nginx_parts": NGINX_MICROSECONDS}
    plain = plain_profile()
    known = {"parts": plain.by_name(), "nginx_parts": plain.of("balancer", "nginx")}
    return small_profile(
        **{
            kind: known[kind] | dict.fromkeys(names, part) | {"balancer_accept": flat(0.0)}
            for kind, names in kinds.items()
        }
    )


def flat(seconds):
    """Return a part that costs so much under every load."""
    return PartCosts(levels=[1, 16, 64, 256], values=[[seconds, seconds]] * 4)


def once(seconds):
    """Return a part that is kept without a load."""
    return PartCosts(levels=[LEVEL], values=[[seconds]])


def made_profile(**changes):
    """Make a new one."""

    def parts(microseconds, payloads):
        larger = {name: [[few / 1e6], [many / 1e6]] for name, (few, many) in payloads.items()}
        return {name: flat(cost / 1e6) for name, cost in microseconds.items()} | {
            name: PartCosts(levels=list(PAYLOADS), values=values) for name, values in larger.items()
        }

    values = {
        "made": "2000-01-01T00:00:00+00:00",
        "machine": {"cpu": "test", "cores": 2},
        "parts": {
            **parts(MICROSECONDS, PAYLOAD_MICROSECONDS),
            "exit_delay": once(EXIT_DELAY),
            **{name: once(seconds) for name, seconds in STARTS.items()},
        },
        "nginx_parts": parts(NGINX_MICROSECONDS, NGINX_PAYLOAD_MICROSECONDS),
        "envoy_parts": parts(ENVOY_MICROSECONDS, ENVOY_PAYLOAD_MICROSECONDS),
        "first_part": {name: [share] for name, share in FIRST_PARTS.items()},
        "speed": [[[1e-3] * 10]],
        "wake": {name: [0.0] for name in ("client", "node", "haproxy", "nginx", "envoy")},
        "balancer_start": {"haproxy": [BALANCER_START], "nginx": [NGINX_START], "envoy": [ENVOY_START]},
        "node_stop": [NODE_STOP],
        "check_overhead": [CHECK_OVERHEAD],
        "table_growth": [0.013],
        "bus_start": [BUS_START],
        "path_bytes": [PATH_BYTES],
        "path_bytes_large": [PATH_BYTES],
        "time_slice": 0.003,
        "tick": 0.004,
    }
    return HostProfile.model_validate(values | changes)


@functools.cache
def knowing_profile():
    """Return the plain one, of a calibration that knows the registry, the relay, pings and checks, too."""
    plain = plain_profile()
    more = {name: flat(cost / 1e6) for name, cost in OPTIONAL_MICROSECONDS.items()}
    through = {name: part for name, part in more.items() if name.startswith("balancer")}
    others = {f"{kind}_parts": plain.of("balancer", kind) | through for kind in ("nginx", "envoy")}
    return small_profile(parts=plain.by_name() | more, **others)


@functools.cache
def go_profile():
    """Return the knowing one, of a calibration in which a node in Go costs what one of the lab's own costs."""
    known = knowing_profile()
    return known.model_copy(
        update={"parts": known.parts | {"node": dict.fromkeys(("asyncio", "go"), known.of("node"))}}
    )


SYNC, DISK_WAIT, DISK_WAIT_AGAIN = 0.0002, 0.003, 0.0004
"""Seconds that a log on disk costs the bus of `disk_profile` on its core, and off it: alone, and in a row."""


@functools.cache
def disk_profile():
    """Return the plain one, of a machine whose disk was measured, too."""
    parts = plain_profile().by_name() | {"bus_sync": PartCosts(levels=[1, 16], values=[[SYNC], [SYNC]])}
    return small_profile(parts=parts, disk_wait=[DISK_WAIT], disk_wait_in_a_row=[DISK_WAIT_AGAIN])


def small(**changes):
    """Return a cluster of three nodes with thirty clients and quick timers, with some fields changed."""
    data = {
        "name": "small",
        "duration": 8.0,
        "clients": {"count": 30, "reconnect": {"base": 0.1, "cap": 1.0, "jitter": "full"}},
        "balancer": {
            "kind": "haproxy",
            "retries": 0,
            "check": {"inter": 0.5, "fall": 2, "rise": 1, "timeout": 0.3},
        },
    }
    return Scenario.parse(data).vary(**changes)


def seconds(low, high):
    """Return times in whole milliseconds."""
    return st.integers(round(low * 1000), round(high * 1000)).map(lambda ms: ms / 1000)


@st.composite
def delays(draw, least=0.0):
    """Lists of waits, some of them drawn between two bounds."""

    def delay():
        low = draw(seconds(least, 2.0))
        return draw(st.sampled_from([low, [low, low + draw(seconds(0.0, 2.0))]]))

    return [delay() for _ in range(draw(st.integers(1, 5)))]


@st.composite
def reconnects(draw, calm=False):
    """Reconnect policies of every kind; `calm` ones try at most some twenty times a second, or not for long."""
    policy = draw(st.sampled_from(["immediate", "fixed", "exponential", "list"]))
    base = draw(seconds(0.05 if calm else 0.0, 2.0))
    jitters = ["none", "full", "equal", "offset", "around"] + (["decorrelated"] if policy != "fixed" else [])
    return Reconnect(
        policy=policy,
        base=base,
        factor=draw(st.floats(1.0, 4.0)),
        cap=base + draw(seconds(0.0, 5.0)),
        jitter=draw(st.sampled_from(jitters)),
        first=draw(st.sampled_from(["backoff", "immediate", "jittered"])),
        max_attempts=draw(st.integers(1 if calm and policy == "immediate" else 0, 6)),
        stable_time=draw(seconds(0.0, 4.0)),
        spread=draw(st.floats(0.0, 1.0)),
        delays=draw(delays(0.05 if calm else 0.0)) if policy == "list" else [],
        then=draw(st.sampled_from(["repeat", "stop"])) if policy == "list" else "repeat",
    )


def unbounded(draw, scenario):
    """Return a scenario with clients that may try again at once and for ever, but few of them and not for long.

    Only the cost of an attempt holds such clients back: see `profiles`, in which a dial always costs something.
    """
    duration = min(scenario.duration, draw(seconds(0.1, 1.0)))

    def sooner(at):
        return min(duration, round(at * duration / scenario.duration, 3))

    count = min(scenario.clients.count, draw(st.integers(1, 4)))
    faults = [fault for fault in scenario.faults if fault.client is None or fault.client < count]
    changes = {"faults": [fault.model_dump(exclude_none=True) | {"at": sooner(fault.at)} for fault in faults]}
    if scenario.publisher is not None:
        stop = scenario.publisher.stop
        times = {"start": sooner(scenario.publisher.start), "stop": None if stop is None else sooner(stop)}
        changes["publisher"] = times
    return scenario.vary(
        duration=duration, clients={"count": count, "reconnect": draw(reconnects()).model_dump()}, **changes
    )


@st.composite
def balancers(draw, covered=False):
    """HAProxy and nginx with any settings, or those that the compiled engine has too."""
    idle_timeouts = st.just(3600.0) if covered else st.sampled_from([3600.0, 2.0])
    if draw(st.booleans()):
        retries = draw(st.integers(0, 4))
        check = Check(
            inter=draw(seconds(0.05, 3.0)),
            fall=draw(st.integers(1, 4)),
            rise=draw(st.integers(1, 3)),
            timeout=draw(seconds(0.05, 2.0)),
        )
        return HAProxy(
            algorithm=draw(st.sampled_from(["leastconn", "source", "consistent", "random", "roundrobin"])),
            slowstart=draw(st.just(0) if covered else st.sampled_from([0, 1, 5])),
            tunnel_timeout=draw(idle_timeouts),
            check=check,
            retries=retries,
            redispatch=draw(st.integers(-1, retries)),
            connect_timeout=draw(seconds(0.1, 5.0)),
            on_marked_down=draw(st.sampled_from(["none", "shutdown-sessions"])),
            hard_stop_after=draw(st.sampled_from([0.0, 0.5, 2.0])),
        )
    by_name = [] if covered else ["hash_consistent"]
    return Nginx(
        algorithm=draw(st.sampled_from(["round_robin", "least_conn", "ip_hash", "random_two", *by_name])),
        max_fails=draw(st.integers(0, 3)),
        read_timeout=draw(idle_timeouts),
        fail_timeout=draw(st.integers(1, 4)),
        connect_timeout=draw(seconds(0.1, 5.0)),
        hard_stop_after=draw(st.integers(0, 2)),
    )


@st.composite
def faults(draw, nodes, duration, covered=False):
    """One fault of the connections, of any kind that fits the cluster, or of those that the compiled engine has too."""
    kinds = ["kill", "hang", "restart", "reload", "drain"] + ([] if covered else ["blackhole"])
    kind = draw(st.sampled_from(kinds))
    lasting = kind in ("hang", "blackhole") or (kind == "kill" and not covered)
    return Fault(
        at=draw(seconds(0.0, duration)),
        kind=kind,
        pace=draw(st.none() | st.sampled_from([2.0, 50.0])) if kind == "drain" else None,
        lead=draw(st.none() | seconds(0.0, 2.0)) if kind == "drain" else None,
        node=None if kind == "reload" else draw(st.integers(1, nodes)),
        duration=draw(st.none() | seconds(0.05, duration)) if lasting else None,
    )


def apart(happens):
    """Return the faults without those that may find what an earlier one in the list has left."""
    kept = []
    for fault in happens:
        if not any(meet(fault, other) for other in kept):
            kept.append(fault)
    return kept


@st.composite
def scenarios(draw, covered=False):
    """Scenarios of the whole space, or of what the compiled engine covers, but small: at most 40 clients for at most
    8 s.
    """
    duration = draw(seconds(0.5, 8.0))
    nodes = draw(st.integers(1, 5))
    interval = draw(st.sampled_from([0.0, 0.3, 1.0, 20.0]))
    heartbeat = Heartbeat(
        interval=interval,
        timeout=draw(seconds(0.05, 2.0)),
        close_timeout=draw(st.sampled_from([0.0, 0.2])),
        max_interval=draw(st.sampled_from([0.0, 0.0, 30.0])) if interval and not covered else 0.0,
    )
    clients = Clients(
        count=draw(st.integers(1, 40)),
        per_process=draw(st.sampled_from([7, 2000])),
        connect_rate=draw(st.sampled_from([50.0, 800.0])),
        open_timeout=draw(seconds(0.2, 10.0)),
        addresses=draw(st.integers(1, 5)),
        reconnect=draw(reconnects(calm=True)),
        heartbeat=heartbeat,
    )
    return Scenario(
        name=draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,19}", fullmatch=True)),
        teaches=draw(st.text(max_size=30)),
        seed=draw(st.integers(0, 2**63 - 1)),
        duration=duration,
        clients=clients,
        balancer=draw(balancers(covered)),
        nodes=Nodes(count=nodes, backlog=draw(st.sampled_from([1, 3, 1000]))),
        bus=Bus(kind=draw(st.sampled_from(["none", "valkey"]))),
        host=HostSettings(
            placement=draw(st.sampled_from(["pinned", "free"])),
            cores=draw(st.integers(1, 4)),
            profile=draw(st.sampled_from(["calibrated", "reference", 'some/where "else".json'])),
        ),
        faults=(apart if covered else list)(draw(st.lists(faults(nodes, duration, covered), max_size=4))),
    )


@st.composite
def storms(draw):
    """Scenarios without a publisher over the whole space of both engines, small enough to shrink to a few clients."""
    scenario = draw(scenarios(covered=True))
    nodes, duration = scenario.nodes.count, scenario.duration
    placement = draw(st.sampled_from(["pinned", "free", "separate"]))
    happens = list(scenario.faults)
    if draw(st.booleans()):
        outage = Fault(
            at=draw(seconds(0.0, duration)), kind="outage", duration=draw(st.none() | seconds(0.05, duration))
        )
        happens.insert(draw(st.integers(0, len(happens))), outage)
    if draw(st.booleans()):
        happens += draw(st.lists(faults(nodes, duration, covered=True), max_size=3))
    storm = scenario.vary(
        host={"placement": placement, "cores": draw(st.integers(1, 5))},
        faults=[fault.model_dump(exclude_none=True) for fault in apart(happens)],
    )
    return unbounded(draw, storm) if draw(st.integers(0, 3)) == 3 else storm


def looks():
    """Looks at the speed of one to three cores."""
    series = st.lists(st.floats(1e-3, 2e-3), min_size=3, max_size=12)
    return st.lists(st.lists(series, min_size=1, max_size=3), min_size=1, max_size=3)


@st.composite
def profiles(draw, broadcast=False):
    """Host profiles whose costs, shares, speeds and waits differ, so that few events have the same time; those of a
    broadcast also differ in what a connection holds. To dial is never free, else a client could try for ever at one
    time.
    """
    costs = [0.0, 1e-5, 1e-4, 3e-4, 1e-3]

    def part(levels, least=0.0):
        cost = st.sampled_from([value for value in costs if value >= least])
        values = [sorted(draw(st.lists(cost, min_size=1, max_size=3))) for _ in levels]
        return PartCosts(levels=levels, values=values, paces=[[1.5e-3] * len(repeats) for repeats in values])

    def starts():
        costs = draw(st.lists(st.sampled_from([0.0, 0.0004, 0.01, 0.15]), min_size=1, max_size=3))
        return PartCosts(levels=[LEVEL], values=[costs], paces=[[1.5e-3] * len(costs)])

    if draw(st.booleans()):
        return draw(st.sampled_from([equal_profile(), small_profile()]))
    sizes = {name: list(PAYLOADS) for name in PAYLOAD_PARTS}
    disk = broadcast and draw(st.booleans())
    waits = st.lists(st.sampled_from([0.0, 1e-5, 2e-4, 0.003, 0.2]), min_size=1, max_size=2)
    parts = {name: part(sizes.get(name, [1, 16, 64]), 1e-4 if name == "client_dial" else 0.0) for name in PARTS}
    first = (*FIRST_PARTS, *(OWN_FIRST_PARTS if broadcast else ()))
    return small_profile(
        path_bytes=[draw(st.sampled_from([100.5, 1000, PATH_BYTES]))] if broadcast else [PATH_BYTES],
        path_bytes_large=[draw(st.sampled_from([3000, PATH_BYTES]))] if broadcast else [PATH_BYTES],
        bus_path_bytes=draw(st.sampled_from([[], [2000.5]])) if broadcast else [],
        parts=parts
        | {"exit_delay": part([16])}
        | {name: starts() for name in START_PARTS}
        | {name: part([1, 16]) for name in DISK_PARTS if disk},
        disk_wait=draw(waits) if disk else [],
        disk_wait_in_a_row=draw(waits) if disk else [],
        nginx_parts={name: part(sizes.get(name, [1, 16])) for name in PARTS if name.startswith("balancer")},
        first_part={name: [draw(st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]))] for name in first},
        speed=draw(looks()),
        crowding=draw(st.sampled_from([[], [1.2], [1.5, 2.0]])),
        wake={name: [draw(st.sampled_from([0.0, 0.3]))] for name in ("client", "node", "haproxy", "nginx", "envoy")},
        time_slice=draw(st.sampled_from([0.0005, 0.003])),
        tick=draw(st.sampled_from([0.0, 0.001, 0.004])),
    )
