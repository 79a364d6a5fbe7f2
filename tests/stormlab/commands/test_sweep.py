"""The table of `./lab sweep`."""

from math import inf

from stormlab.commands.sweep import print_sweep, short_names
from stormlab.tables import broken
from tests.stormlab.test_tables import printed
from tests.twin.analysis.test_sweeps import a_sweep


def test_the_table_fits_80_columns_with_short_names_a_legend_and_units():
    sweep = a_sweep({"clients.reconnect.cap": [1.5, 30.0], "nodes.count": [3, 4]})
    for name in ("peak_attempts", "attempts_per_client", "gave_up_share"):
        sweep.table[name] = 0.123456
    text = printed(print_sweep, sweep, ["time_to_99", "peak_attempts", "attempts_per_client", "gave_up_share"])
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for word in ("cap", "count", "(s)", "(1/100 ms)", "cap: clients.reconnect.cap", "count: nodes.count"):
        assert word in text


def test_whole_numbers_are_written_as_such():
    text = printed(print_sweep, a_sweep({"nodes.count": [3, 4], "clients.reconnect.cap": [1.5, 2.0]}), ["time_to_99"])
    rows = [line.split() for line in text.splitlines()]
    assert [row[0] for row in rows if len(row) == 3 and row[0] in ("3", "4", "3.0", "4.0")] == ["3", "3", "4", "4"]


def test_a_setting_keeps_as_much_of_its_name_as_tells_it_from_the_others():
    assert short_names(["nodes.count", "clients.count", "clients.reconnect.cap"]) == {
        "nodes.count": "nodes.count",
        "clients.count": "clients.count",
        "clients.reconnect.cap": "cap",
    }
    assert short_names(["count", "nodes.count"]) == {"count": "count", "nodes.count": "nodes.count"}


def test_long_names_are_broken_behind_underscores():
    assert broken("attempts_per_client") == "attempts_\nper_client"
    assert broken("time_to_99") == "time_to_99"
    assert broken("resends_per_message").split("\n") == ["resends_per_", "message"]


def test_what_a_variant_did_not_reach_is_said_below_the_table():
    sweep = a_sweep({"nodes.count": [2, 3]}, lambda n, k: inf if k == 2 else 5.0)
    sweep.table["time_to_99.not_within"] = [7.0] * 3 + [float("nan")] * 3
    text = printed(print_sweep, sweep, ["time_to_99"])
    assert ">7..>7" in text
    assert "count 2: time_to_99 not within 7 s in 3 of 3 runs" in text
    assert "range of 3 runs" in text
    data = sweep.as_dict()["variants"][0]["measures"]["time_to_99"]
    assert (data["median"], data["censored"], data["bound"]) == (None, True, 7.0)
    figure = sweep.plot("time_to_99")
    assert "not within 7 s" in figure.axes[0].get_xlabel()
