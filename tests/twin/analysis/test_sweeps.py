import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import small
from twin.analysis.sweeps import PART, Store, Sweep, assemble, label, parse_vary, parts_of, variants
from twin.errors import ScenarioError
from twin.figures.style import save
from twin.rules.presets import CLIENTS


@pytest.mark.parametrize(
    ("text", "path", "values"),
    [
        ("clients.reconnect.cap=5,10,30", "clients.reconnect.cap", [5, 10, 30]),
        ("nodes.count=3:6", "nodes.count", [3, 4, 5, 6]),
        ("nodes.count = 2:10:4", "nodes.count", [2, 6, 10]),
        ("clients.reconnect=phoenix,socket.io", "clients.reconnect", ["phoenix", "socket.io"]),
        ("clients.reconnect.jitter=none, full", "clients.reconnect.jitter", ["none", "full"]),
        ("balancer.check.inter=0.5,1e0", "balancer.check.inter", [0.5, 1.0]),
        ("clients.reconnect.delays=[[1, 2], [3]]", "clients.reconnect.delays", [[1, 2], [3]]),
        ("seed=-1", "seed", [-1]),
    ],
)
def test_values_are_given_one_by_one_as_a_range_or_as_a_list(text, path, values):
    assert parse_vary(text) == (path, values)


@pytest.mark.parametrize(
    "text", ["nodes.count", "=3", "nodes.count=", "nodes..count=3", "a=5:3", "a=1:9:0", "a=1:99999"]
)
def test_what_is_no_list_of_values_gives_one_sentence(text):
    with pytest.raises(ScenarioError, match=r"^--vary .*\.$") as caught:
        parse_vary(text)
    assert "\n" not in str(caught.value)


def test_every_combination_is_a_variant_and_the_last_setting_changes_fastest():
    found = variants(small(), {"nodes.count": [2, 3], "clients.reconnect.cap": [1, 2.5]})
    assert [list(one.labels.values()) for one in found] == [[2, 1], [2, 2.5], [3, 1], [3, 2.5]]
    assert found[2].scenario == small(nodes={"count": 3}, clients={"reconnect": {"cap": 1}})
    assert {one.scenario.seed for one in found} == {small().seed}  # common random numbers


def test_a_later_setting_is_laid_over_an_earlier_one():
    found = variants(small(), {"clients.reconnect": ["phoenix"], "clients.reconnect.stable_time": [1, 2]})
    assert [one.scenario.clients.reconnect.delays for one in found] == [CLIENTS["phoenix"].reconnect["delays"]] * 2
    assert [one.scenario.clients.reconnect.stable_time for one in found] == [1, 2]


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        ({}, "0 variants; allowed is 1 to 10000"),
        ({"nodes.count": []}, "nodes.count has no values"),
        ({"nodes.count": [3, 3]}, "nodes.count has the value 3 twice"),
        ({"seed": range(200), "nodes.backlog": range(1, 100)}, "19800 variants; allowed is 1 to 10000"),
        ({"nodes.cuont": [3]}, "sweep, nodes.cuont=3: nodes.cuont = 3 is not a known setting"),
        ({"nodes.count": [3, 9999]}, "sweep, nodes.count=9999: nodes.count is 9999; allowed is at most"),
        ({"clients.reconnect.cap": [0.01]}, "clients.reconnect.cap is 0.01; allowed is at least base"),
    ],
)
def test_a_sweep_that_is_not_possible_gives_one_sentence_before_anything_runs(vary, words):
    with pytest.raises(ScenarioError) as caught:
        variants(small(), vary)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")


@given(st.integers(1, 1000))
def test_the_parts_cover_all_replications_once(replications):
    seen = [n for first, count in parts_of(replications) for n in range(first, first + count)]
    assert seen == list(range(replications))
    assert all(first % PART == 0 for first, _ in parts_of(replications))  # more replications later: the same parts


def test_a_part_is_there_entirely_or_not_at_all(tmp_path):
    store = Store(tmp_path)
    table = pd.DataFrame({"replication": [0, 1], "time_to_99": [0.1 + 0.2, np.nan]})
    assert not store.has("a", 0, 2)
    store.save("a", 0, table)
    assert store.has("a", 0, 2)
    pd.testing.assert_frame_equal(store.load("a", 0, 2), table, check_exact=True)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["a-000000-2.parquet"]
    store.path("a", 0, 2).write_bytes(b"half")
    with pytest.raises(ScenarioError, match="is not a part of a sweep; remove it"):
        store.load("a", 0, 2)


def test_a_folder_that_cannot_be_written_gives_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ScenarioError, match=r"cannot be written \(.*\)\.$"):
        Store(tmp_path / "file").save("a", 0, pd.DataFrame({"replication": [0]}))


def a_sweep(vary, value=lambda n, *values: float(n)):
    """Return a sweep of three replications whose time_to_99 is a function of replication and values."""
    found = variants(small(), vary)
    parts = [
        pd.DataFrame({"replication": range(3), "time_to_99": [value(n, *one.labels.values()) for n in range(3)]})
        for one in found
    ]
    return assemble(small(), vary, list(zip(found, [[part] for part in parts], strict=True)))


def test_the_table_is_tidy_and_the_bands_have_one_row_a_variant():
    sweep = a_sweep({"nodes.count": [2, 3], "clients.reconnect.jitter": ["none", "full"]}, lambda n, k, j: 10.0 * k + n)
    assert list(sweep.table.columns) == ["nodes.count", "clients.reconnect.jitter", "replication", "time_to_99"]
    assert len(sweep.table) == 12
    bands = sweep.bands("time_to_99")
    assert bands["median"].tolist() == [21.0, 21.0, 31.0, 31.0]
    assert bands["low"].iloc[0] == 20.0  # of three runs the range
    assert sweep.as_dict()["variants"][3]["values"] == {"nodes.count": 3, "clients.reconnect.jitter": "full"}
    assert sweep.as_dict()["variants"][3]["measures"]["time_to_99"]["median"] == 31.0
    with pytest.raises(ScenarioError, match=r"^measure is 'speed'; allowed is one of time_to_99\.$"):
        sweep.bands("speed")


def test_a_measure_that_no_run_defines_has_no_band():
    sweep = a_sweep({"nodes.count": [2, 3]}, lambda n, k: np.nan if k == 2 else 1.0)
    assert sweep.bands("time_to_99")["median"].isna().tolist() == [True, False]
    assert sweep.as_dict()["variants"][0]["measures"]["time_to_99"]["median"] is None


def test_the_figure_has_a_line_for_each_combination_of_the_other_settings(tmp_path):
    sweep = a_sweep({"nodes.count": [2, 4], "clients.reconnect": ["phoenix", "nats", "classic"]}, lambda n, k, r: k + n)
    axes = sweep.plot("time_to_99").axes[0]
    assert axes.get_xlabel() == "nodes.count"
    assert [line.get_label() for line in axes.lines] == [
        f"clients.reconnect {name}" for name in ("phoenix", "nats", "classic")
    ]
    assert axes.lines[0].get_xdata().tolist() == [2.0, 4.0]
    assert axes.lines[0].get_ydata().tolist() == [3.0, 5.0]
    by_name = sweep.plot("time_to_99", "clients.reconnect", {"nodes.count": 4}, target=5).axes[0]
    assert [tick.get_text() for tick in by_name.get_xticklabels()] == ["phoenix", "nats", "classic"]
    assert len(by_name.lines) == 2  # one line, and the target
    assert save(sweep.plot("time_to_99"), tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("against", "where", "words"),
    [
        ("nodes.backlog", {}, "nodes.backlog was not varied; allowed is one of nodes.count, seed"),
        (None, {"nodes.backlog": 1}, "nodes.backlog was not varied"),
        (None, {"seed": 99}, r"seed is 99; allowed is one of \[0, 1"),
        (None, {}, "8 lines cannot be told apart, at most 7; fix one of seed with --where PATH=VALUE"),
    ],
)
def test_a_picture_that_cannot_be_drawn_gives_one_sentence(against, where, words):
    sweep = a_sweep({"nodes.count": [2, 3], "seed": list(range(8))})
    with pytest.raises(ScenarioError, match=words):
        sweep.plot("time_to_99", against, where)


def test_a_list_or_flag_is_shown_as_json_and_numbers_beside_names_as_names():
    assert [label(value) for value in (3, 2.5, "a", True, [1, [2, 3]])] == [3, 2.5, "a", "true", "[1, [2, 3]]"]
    vary = {"clients.reconnect.policy": ["list"], "clients.reconnect.delays": [[1, [2, 3]], [4]]}
    assert a_sweep(vary).vary["clients.reconnect.delays"] == ["[1, [2, 3]]", "[4]"]
    assert isinstance(a_sweep(vary), Sweep)
