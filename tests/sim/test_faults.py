import pytest

from sim import simulate
from tests.strategies import small, small_profile

SOME = [
    {"at": 3.0, "kind": "reload"},
    {"at": 1.0, "kind": "kill", "node": 1},
    {"at": 2.0, "kind": "hang", "node": 2, "duration": 0.5},
    {"at": 4.0, "kind": "restart", "node": 3},
]


def test_every_fault_is_noted_at_its_time_with_its_node_and_kind(profile):
    faults = simulate(small(faults=SOME), 0, profile).select("fault")
    assert faults[["t", "node", "detail"]].to_numpy().tolist() == [
        [1.0, 1, "kill"],
        [2.0, 2, "hang"],
        [3.0, -1, "reload"],
        [4.0, 3, "restart"],
    ]


def test_what_heals_is_noted_and_what_does_not_is_not(profile):
    healed = simulate(small(faults=SOME), 0, profile).select("healed")
    assert healed[["node", "detail"]].to_numpy().tolist() == [[2, "hang"], [3, "restart"]]
    assert healed["t"].iloc[0] == 2.5


@pytest.mark.parametrize("kind", ["kill", "hang", "restart"])
def test_a_fault_touches_the_clients_of_its_own_node_only(kind, profile):
    beat = {"interval": 0.5, "timeout": 0.5}
    balancer = {"retries": 1, "redispatch": 1, "check": {"fall": 1, "inter": 0.1}}
    faults = [{"at": 1.0, "kind": kind, "node": 2}]
    scenario = small(clients={"heartbeat": beat}, balancer=balancer, faults=faults)
    lost = simulate(scenario, 0, profile).select("disconnected")
    assert set(lost["node"]) == {2}
    assert lost["client"].nunique() == 10


def test_a_hang_without_a_duration_lasts_to_the_end(profile):
    record = simulate(small(faults=[{"at": 1.0, "kind": "hang", "node": 1}]), 0, profile)
    assert not len(record.select("healed"))
    assert len(record.select("marked_down"))
    assert not len(record.select("marked_up"))


def test_the_order_in_which_faults_are_written_does_not_matter(profile):
    one, other = (simulate(small(faults=faults), 0, profile).digest() for faults in (SOME, SOME[::-1]))
    assert one == other


def ways(*faults):
    """Return how long each message takes from the publication to each node, as {(node, version): seconds}."""
    data = {"clients": {"count": 3}, "bus": {"kind": "stream"}, "host": {"cores": 8, "placement": "free"}}
    scenario = small(**data, publisher={"rate": 2.0, "stop": 5.9}, duration=7.0, faults=list(faults))
    record = simulate(scenario, 0, small_profile())
    sent = record.select("published").set_index("version")["t"]
    got = record.select("received")
    got = got[got["client"] < 0]
    pairs = zip(got["node"], got["version"], got["t"], strict=True)
    return {(int(node), int(version)): t - sent[version] for node, version, t in pairs}, sent


def test_a_delay_adds_to_the_way_of_its_node_while_it_lasts_and_two_add_up():
    usual, sent = ways()
    slow = {"kind": "delay", "node": 2}
    then, _ = ways(
        slow | {"at": 0.8, "duration": 3.0, "delay": 0.1}, slow | {"at": 1.8, "duration": 1.0, "delay": 0.03}
    )
    assert then.keys() == usual.keys()
    for (node, version), seconds in then.items():
        more = 0.0
        if node == 2 and 0.8 <= sent[version] < 3.8:
            more = 0.13 if 1.8 <= sent[version] < 2.8 else 0.1
        assert seconds == pytest.approx(usual[node, version] + more, abs=0.01), (node, version)


def test_a_partition_holds_what_is_for_its_node_until_it_heals_and_nothing_else():
    usual, sent = ways()
    then, _ = ways({"at": 1.2, "kind": "partition", "node": 2, "duration": 1.0})
    assert then.keys() == usual.keys()
    for (node, version), seconds in then.items():
        held = node == 2 and 1.2 <= sent[version] < 2.2
        assert seconds == pytest.approx(2.2 - sent[version] if held else usual[node, version], abs=0.02)
    assert sum(1.2 <= t < 2.2 for t in sent) == 2
