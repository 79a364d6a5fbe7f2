"""What the consumers of a JetStream stream promise: how often a message comes to a node."""

from collections import Counter, defaultdict
from math import floor, inf

from twin.invariants.case import Case, Finding, catch_up
from twin.measures.broadcast import settles_in

NO_ACKNOWLEDGEMENTS = "with ack_policy 'none' a message comes at most once"
NOT_KEPT = "the stream was in memory, and its server was killed"


def at_least_once(case: Case) -> Finding:
    """With acknowledgements, every message that the stream acknowledged comes to each node on which no fault acted:
    when it is published, or after what kept it away is over and `ack_wait` has passed.
    """
    scenario = case.scenario
    bus, faults = scenario.bus, scenario.faults
    if bus.kind != "jetstream":
        return Finding()
    if bus.jetstream.ack_policy == "none":
        return Finding(skipped=NO_ACKNOWLEDGEMENTS)
    if not bus.persist and bus.jetstream.replicas == 1 and any(fault.kind == "bus_down" for fault in faults):
        return Finding(skipped=NOT_KEPT)
    touched = {fault.node for fault in faults} | case.stopped
    nodes = [number for number in range(1, scenario.nodes.count + 1) if number not in touched]
    got: dict[int, set[int]] = defaultdict(set)
    received, published = case.messages["received"], case.messages["published"]
    for client, node, place in zip(received.client, received.node, received.place, strict=True):
        if client < 0:
            got[int(node)].add(int(place))
    grace = settles_in(scenario) if not faults else catch_up(scenario) + bus.jetstream.ack_wait
    since = case.healed_at if case.healed_at > -inf else 0.0
    missing = [
        (int(at), node, int(version))
        for at, t, place, version in zip(published.at, published.t, published.place, published.version, strict=True)
        if place >= 0 and max(float(t), since) + grace <= case.end
        for node in nodes
        if int(place) not in got[node]
    ]

    def say(i: int) -> str:
        _, node, version = missing[i]
        return f"version {version} was acknowledged by the stream and never came to node {node}"

    return case.found("at_least_once", [at for at, *_ in missing], say)


def again_after_wait(case: Case) -> Finding:
    """A message comes to a node once, and once more for each time that the publisher sent it again, that `ack_wait` has
    passed since it was published, that a server of the stream was killed, or that a process of the node began; with
    `ack_policy` 'none' it does not come again for want of an acknowledgement.
    """
    scenario = case.scenario
    if scenario.bus.kind != "jetstream":
        return Finding()
    stream = scenario.bus.jetstream
    published, resent, received = (case.messages[name] for name in ("published", "resent", "received"))
    asked = {int(place): float(t) for place, t in zip(published.place, published.t, strict=True) if place >= 0}
    resends = Counter(int(place) for place in resent.place)
    starts = Counter(int(node) for node in case.record.select("node_started")["node"])
    kills = sum(fault.kind == "bus_down" for fault in scenario.faults)
    times: Counter[tuple[int, int]] = Counter()
    broken: list[int] = []
    said: list[str] = []
    for at, t, client, node, place, version in zip(
        *(getattr(received, name) for name in ("at", "t", "client", "node", "place", "version")), strict=True
    ):
        if client >= 0 or int(place) not in asked:
            continue
        times[int(node), int(place)] += 1
        waited = 0 if stream.ack_policy == "none" else floor((float(t) - asked[int(place)]) / stream.ack_wait)
        allowed = 1 + resends[int(place)] + waited + kills + starts[int(node)]
        if times[int(node), int(place)] > allowed:
            broken.append(int(at))
            said.append(f"version {version} came to node {node} more than {allowed} times")
    return case.found("again_after_wait", broken, lambda i: said[i])
