import json
import random
import re
from math import inf, nan

import pytest
from pydantic import ValidationError

from tests.strategies import DISK_WAIT, FIRST_PARTS, disk_profile, small_profile
from twin.costs.broadcast import BROADCAST_PARTS
from twin.costs.curve import MOST_REPEATS
from twin.costs.measured import MOST_LOOKS
from twin.costs.profile import REFERENCE, HostProfile
from twin.errors import ScenarioError

ONE = [[1.0]]
LEAVE = "parts.node.asyncio.node_leave"
ODD = [nan, inf, -inf, -1.0, 1e308, 10**30, "x", "", None, True, [], {}, [[[]]], {"a": 1}]


def spoilt_part(**changes):
    """A profile's data in which one part, of one level, is not what it should be."""
    data = small_profile().model_dump()
    data["parts"]["node"]["asyncio"]["node_leave"] = {"levels": [16], "values": ONE, "paces": ONE} | changes
    return data


def spoilt(**changes):
    """A profile's data in which something is not what it should be."""
    return small_profile().model_dump() | changes


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            spoilt_part(values=ONE * 2),
            f"{LEAVE}.values is 2 lists; allowed is one for each of the 1 levels",
        ),
        (
            spoilt_part(levels=[1, 16]),
            f"{LEAVE}.values is 1 lists; allowed is one for each of the 2 levels",
        ),
        (
            spoilt_part(paces=[[1.0, 2.0]]),
            f"{LEAVE}.paces is [2] long; allowed is as many as values",
        ),
        (spoilt_part(levels=[16, 1]), f"{LEAVE}.levels is [16, 1]; allowed is numbers that grow"),
        (
            spoilt_part(levels=[1]),
            f"{LEAVE}.levels is [1]; allowed is numbers that grow, and not 1 alone",
        ),
        (
            spoilt_part(levels=[10**12]),
            f"{LEAVE}.levels.0 is 1000000000000; allowed is at most 1048576",
        ),
        (spoilt_part(values=[[]]), f"{LEAVE}.values.0 is []; allowed is at least 1 entries"),
        (spoilt_part(values=[[nan]]), f"{LEAVE}.values.0.0 is nan; allowed is a finite number"),
        (spoilt_part(values=[[-1e-6]]), f"{LEAVE}.values.0.0 is -1e-06; allowed is at least 0"),
        (spoilt_part(values=[[inf]]), f"{LEAVE}.values.0.0 is inf; allowed is a finite number"),
        (spoilt_part(paces=[[0.0]]), f"{LEAVE}.paces.0.0 is 0.0; allowed is at least 1e-09"),
        (spoilt(node_stop=[nan]), "node_stop.0 is nan; allowed is a finite number"),
        (spoilt(node_stop=[]), "node_stop is []; allowed is at least 1 entries"),
        (spoilt(tick=-1.0), "tick is -1.0; allowed is at least 0"),
        (spoilt(wake={"node": [1.5]}), "wake.node.0 is 1.5; allowed is at most 1"),
        (spoilt(speed=[[[0.0]]]), "speed.0.0.0 is 0.0; allowed is at least 1e-09"),
        (spoilt(path_bytes=[-1.0]), "path_bytes.0 is -1.0; allowed is at least 0"),
    ],
)
def test_a_profile_with_figures_that_nobody_can_have_measured_is_refused(data, said, tmp_path):
    path = tmp_path / "host.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ScenarioError, match=rf"host.json is not a host profile: {re.escape(said)}.*\.$") as caught:
        HostProfile.load(str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_profile_with_a_disk_keeps_the_repeats_of_an_earlier_one_without():
    twice, once = disk_profile().with_earlier(disk_profile()), disk_profile().with_earlier(small_profile())
    assert (twice.disk_wait, once.disk_wait) == ([DISK_WAIT] * 2, [DISK_WAIT])
    assert [len(values) for values in twice.by_name()["bus_sync"].values] == [2, 2]
    assert small_profile().with_earlier(disk_profile()).knows_disk


def test_a_new_calibration_of_the_same_machine_keeps_the_earlier_repeats():
    earlier, later = small_profile(node_stop=[0.3]), small_profile(node_stop=[0.1], made="later")
    merged = later.with_earlier(earlier)
    assert merged.made == "later"
    assert merged.node_stop == [0.1, 0.3]
    assert all(len(values) == 4 for values in merged.by_name()["node_leave"].values)
    assert len(merged.speed) == 2
    for _ in range(90):
        merged = later.with_earlier(merged)
    assert len(merged.node_stop) == MOST_REPEATS
    assert all(len(merged.first_part[name]) == MOST_REPEATS for name in FIRST_PARTS)
    assert len(merged.speed) == MOST_LOOKS


def test_a_further_look_at_the_cores_comes_first_and_pushes_out_the_oldest(profile):
    seen = profile
    for i in range(1, MOST_LOOKS + 2):
        seen = seen.with_look([[float(i)] * 3, [0.5] * 3])
    assert [series[0] for series, _ in seen.speed] == [float(i) for i in range(MOST_LOOKS + 1, 1, -1)]
    assert seen.parts == profile.parts


def test_a_calibration_of_another_machine_is_forgotten():
    earlier = small_profile(node_stop=[0.3], machine={"cpu": "another"})
    assert small_profile().with_earlier(earlier) == small_profile()


def test_parts_of_a_broadcast_that_were_taken_apart_in_another_way_are_not_kept():
    whole = small_profile()
    halves = {name: part for name, part in whole.by_name().items() if name != "node_answer"}
    merged = whole.with_earlier(small_profile(parts=halves))
    assert len(merged.by_name()["node_ack"].values[0]) == len(whole.by_name()["node_ack"].values[0])
    assert len(merged.by_name()["client_open"].values[0]) == 2 * len(whole.by_name()["client_open"].values[0])
    kept = small_profile(parts={name: part for name, part in whole.by_name().items() if name not in BROADCAST_PARTS})
    assert set(kept.with_earlier(whole).by_name()) == set(whole.by_name())


def places(value, here=()):
    """Yield where each value of nested tables and lists stands."""
    yield here
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inside:
        yield from places(one, (*here, name))


def test_one_odd_value_anywhere_in_a_profile_is_one_sentence_or_does_no_harm(tmp_path):
    good = json.loads(REFERENCE.read_text())
    luck, path = random.Random(1), tmp_path / "odd.json"
    everywhere = list(places(good))
    near, said = [place for place in everywhere if len(place) <= 3], list[str]()
    for _ in range(150):
        data, odd = json.loads(REFERENCE.read_text()), luck.choice(ODD)
        *way, last = luck.choice(luck.choice([near, everywhere])) or ("made",)
        table = data
        for name in way:
            table = table[name]
        table[last] = odd
        path.write_text(json.dumps(data))
        try:
            HostProfile.load(str(path))
        except ScenarioError as error:
            said.append(str(error))
    assert len(said) > 100
    for text in said:
        assert re.fullmatch(r"host\.profile is '.*': odd\.json .{10,300}", text)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "-Infinity", "9" * 5000])
def test_a_number_that_json_cannot_say_or_nobody_means_is_refused(number, tmp_path):
    path = tmp_path / "odd.json"
    text = json.dumps(json.loads(REFERENCE.read_text()) | {"tick": "here"})
    path.write_text(text.replace('"here"', number))
    with pytest.raises(ScenarioError, match=r"odd\.json is not a host profile: (tick is -?(inf|nan)|a number has too)"):
        HostProfile.load(str(path))


def test_a_list_of_very_many_wrong_entries_has_one_error(tmp_path):
    """An error of each would take a minute for some megabytes."""
    path = tmp_path / "odd.json"
    for name, entry in {"crowding": "x", "speed": [["x"]], "disk_wait": -1, "path_bytes": {}}.items():
        path.write_text(json.dumps(json.loads(REFERENCE.read_text()) | {name: [entry] * 1000}))
        with pytest.raises(ScenarioError, match=rf"odd\.json is not a host profile: {name}\.0"):
            HostProfile.load(str(path))
        with pytest.raises(ValidationError) as caught:
            HostProfile.model_validate_json(path.read_text())
        assert caught.value.error_count() == 1


def test_figures_beside_paces_that_were_read_in_another_way_are_not_mixed():
    old, new = small_profile(), small_profile().model_copy(update={"warm_paces": True})
    assert not old.warm_paces  # a profile of an earlier lab does not say how its paces were read
    once, twice = new.with_earlier(old), new.with_earlier(new)
    assert once.warm_paces
    for profile, count in ((once, 1), (twice, 2)):
        part, measured = profile.of("node")["node_leave"], new.of("node")["node_leave"]
        assert [len(repeats) for repeats in part.values] == [count * len(repeats) for repeats in measured.values]
    only = new.model_copy(update={"parts": {"node": new.parts["node"]}}).with_earlier(old)
    assert only.of("client") == old.of("client")  # what was not measured anew is kept
