"""Which settings of a NATS server do not go together, in one sentence each."""

import pytest

from twin.errors import ScenarioError
from twin.scenario.buses import BUSES, in_words, those
from twin.scenario.scenario import Scenario

OVER = {"kind": "jetstream"}
THREE = {"kind": "jetstream", "jetstream": {"replicas": 3}}
DOWN = {"at": 1.0, "kind": "bus_down", "duration": 1.0}
HANG = {"at": 1.0, "kind": "bus_hang", "duration": 1.0}
APART = {"at": 1.0, "kind": "bus_partition", "duration": 1.0}


def asked(bus, *faults, **more):
    return {"name": "x", "publisher": {}, "bus": bus, "faults": list(faults), **more}


def refused(data):
    with pytest.raises(ScenarioError) as error:
        Scenario.parse(data)
    return str(error.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (asked(OVER | {"max_length": 0}), "bus.max_length is 0; allowed is at least 1 with kind 'jetstream'"),
        (asked({"kind": "stream", "jetstream": {"ack_wait": 1.0}}), "bus.jetstream.ack_wait is 1.0; allowed is only"),
        (asked(OVER | {"commit_interval": 30.0, "jetstream": {"ack_policy": "all"}}), "bus.commit_interval is 30; "),
        (asked(OVER | {"jetstream": {"replicas": 2}}), "bus.jetstream.replicas is 2; allowed is one of 1 or 3"),
        (asked(OVER | {"jetstream": {"ack_policy": "some"}}), "bus.jetstream.ack_policy is 'some'; allowed is"),
        (asked(OVER, {"at": 1.0, "kind": "bus_cut", "node": 1}), "faults.0.kind is 'bus_cut'; allowed is not with"),
        (asked(OVER, DOWN | {"replica": "leader"}), "faults.0.replica is 'leader'; allowed is only with kind"),
        (asked(THREE, {"at": 1.0, "kind": "kill", "node": 1, "replica": "leader"}), "faults.0.replica is 'leader'"),
        (asked(THREE, HANG | {"duration": 4.0}), "faults.0.duration is 4; allowed is less than the 4 s after which"),
        (asked(THREE, APART | {"duration": 4.0}), "faults.0.duration is 4; allowed is less than the 4 s after which"),
        (
            asked(THREE, {"at": 1.0, "kind": "bus_partition"}),
            "faults.0.duration is missing; allowed is more than 0 with",
        ),
        (asked(OVER, APART), "faults.0.kind is 'bus_partition'; allowed is only with bus.jetstream.replicas 3"),
        (asked(THREE, APART, HANG | {"at": 1.5}), "faults.1.at is 1.5; allowed is 2 or later: until then another"),
        (asked(THREE, HANG | {"at": 9.9}, DOWN), "faults.0.at is 9.9; allowed is 10 or later: until then another"),
        (
            asked(THREE, {"at": 1.0, "kind": "bus_down"}, HANG | {"at": 9.9}),
            "faults.1.at is 9.9; allowed is before it: ",
        ),
        (asked(OVER, {"at": 1.0, "kind": "bus_hang"}), "faults.0.duration is missing; allowed is more than 0 with"),
        (
            asked(THREE, {"at": 1.0, "kind": "delay", "node": 1, "delay": 0.1}),
            "faults.0.kind is 'delay'; allowed is not with bus.jetstream.replicas 3",
        ),
        (asked(OVER, registry={}), "bus.servers is 'one'; allowed is 'several' with bus.kind 'jetstream': no registry"),
        (asked(OVER, sessions={"store": "redis"}), "sessions.store is 'redis'; allowed is 'none' or 'memory' with bus"),
        (asked(OVER, nodes={"runtime": "go"}), "nodes.runtime is 'go'; allowed is 'asyncio' with bus.kind 'jetstream'"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(data, said):
    assert refused(data).startswith(f"scenario: {said}")


def test_what_goes_together_is_taken_and_read_back():
    data = asked(THREE, DOWN | {"replica": "follower"}, HANG | {"at": 2.0}, APART | {"at": 3.0}, DOWN | {"at": 4.0})
    one = Scenario.parse(data)
    assert Scenario.parse(one.model_dump()) == one
    assert Scenario.parse(asked(OVER | {"servers": "several"}, registry={})).bus.traits is BUSES["jetstream"]


def test_kinds_are_found_by_what_they_promise():
    assert those(keeps=True) == ("stream", "kafka", "jetstream")
    assert those(broadcasts=True, redis=True) == ("pubsub", "stream")
    assert in_words(those(broadcasts=True, redis=True)) == "'pubsub' or 'stream'"
    assert in_words(those(commits=True)) == "'kafka'"
