"""The table of runtimes, by figures made by hand."""

from math import isnan

import numpy as np
import pytest

from tests.costs import cost_of
from tests.footprints import memory_profile
from tests.strategies import small
from twin.analysis.runtimes import BEGIN, COLUMNS, END, NODES, RuntimeFigures, cells, figures_of, mixed, with_table
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario


def of(name):
    return figures_of(name, small(nodes=NODES[name]), memory_profile())


def test_a_row_has_the_parts_of_the_profile_and_the_memory_of_a_plain_node():
    found = of("asyncio")
    assert found.recipient == pytest.approx(cost_of("node_fanout"))
    assert found.handshake == pytest.approx(cost_of("node_accept", "node_handshake"))
    assert found.connection == 1e5
    assert isnan(found.predicted)
    assert of("asyncio, 4 threads").recipient == found.recipient


def test_processes_cost_what_their_workers_do():
    found = of("processes")
    assert (found.recipient, found.connection) == (of("asyncio").recipient, of("asyncio").connection)


@pytest.mark.parametrize("name", ["threads", "go"])
def test_what_the_profile_does_not_know_is_not_there(name):
    found = of(name)
    assert not found.known
    assert cells(found) == [name, "-", "-", "-", "-", "-"]


def test_a_row_is_written_in_microseconds_bytes_and_milliseconds():
    plain = RuntimeFigures("asyncio", 14e-6, 0.35e-3, 13_400.0)
    full = plain.predicting(np.array([0.09, 0.1, 0.11, np.nan])).measuring([0.2, 0.104, 0.1])
    assert cells(plain) == ["asyncio", "14", "350", "13400", "-", "-"]
    assert cells(full)[-2:] == ["100 (90..110)", "104"]
    assert len(cells(full)) == len(COLUMNS)
    assert full.measuring([]) == full
    assert full.as_dict()["measured"] == 0.104


def test_every_row_is_a_node_that_there_can_be():
    handler = {"handler": {"tasks": [{"name": "short", "rate": 1.0, "cpu": 0.001}]}}
    for changes in NODES.values():
        assert Scenario.parse({"name": "any", "nodes": changes | handler}).nodes.runtime == changes["runtime"]


def test_the_scenario_needs_short_tasks_and_others():
    tasks = [{"name": name, "rate": 1.0, "cpu": 0.001} for name in ("short", "long")]
    assert mixed(small(nodes={"handler": {"tasks": tasks}})) == "short"
    with pytest.raises(
        ScenarioError, match=r"nodes\.handler\.tasks of small has short; needed are 'short' and another"
    ):
        mixed(small(nodes={"handler": {"tasks": tasks[:1]}}))
    with pytest.raises(ScenarioError, match=r"nodes\.handler\.tasks of small has nothing"):
        mixed(small())


def test_a_table_takes_the_place_of_the_one_before_and_of_nothing_else():
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_table(text, "doc", "new\n") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ScenarioError, match="doc has no lines"):
        with_table("nothing", "doc", "new\n")
