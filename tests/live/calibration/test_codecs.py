"""What codecs and compression cost: each kind measured once, on this machine."""

import pytest

from live.calibration import codecs
from live.calibration.codec_bench import of_codec, of_context
from live.calibration.workbench import MeasuredCosts
from live.codec.codecs import CODECS
from twin.costs.codec import CODEC_PARTS, CONTEXTS, DEFLATE_PARTS, GATHER_LEVEL
from twin.costs.parts import LONE_OF_MEMORY
from twin.rules.deflate import deflate_memory
from twin.scenario.scenario import Scenario


def test_every_kind_is_measured() -> None:
    assert set(codecs.KINDS["codec"]) == set(CODECS)
    assert codecs.KINDS["deflate"] == tuple(CONTEXTS)


@pytest.mark.live
@pytest.mark.timeout(120)
def test_each_part_has_a_figure_at_each_level_and_larger_texts_cost_more() -> None:
    found = {"codec": {"json": codecs.nothing()["codec"]["json"]}, "deflate": codecs.nothing()["deflate"]}
    found["deflate"] = {"9-1": found["deflate"]["9-1"]}
    lone: dict[str, list[float]] = {name: [] for name in LONE_OF_MEMORY}
    gather = MeasuredCosts()
    codecs.measure(Scenario.parse({"name": "codecs"}), found, lone, gather)
    assert 1e-7 < gather["client_gather"][GATHER_LEVEL][0] < 0.002
    assert {name: len(values) for name, values in lone.items() if values} == {"context_bytes_9_1": 1}
    assert deflate_memory(9, 1) / 2 < lone["context_bytes_9_1"][0] < 40_000
    parts = codecs.parts_of(found)
    assert set(parts["codec"]["json"]) == set(CODEC_PARTS)
    assert set(parts["deflate"]["9-1"]) == set(DEFLATE_PARTS)
    for name, part in (*parts["codec"]["json"].items(), *parts["deflate"]["9-1"].items()):
        assert tuple(part.levels) == codecs.levels_of(name)
        assert all(0.0 <= value < 0.02 for values in part.values for value in values), name
        assert [len(paces) for paces in part.paces] == [1] * len(part.levels)
    for name in ("codec_decode", "codec_encode"):
        small, _, large = (values[0] for values in parts["codec"]["json"][name].values)
        assert large > small > 0.0
    assert parts["deflate"]["9-1"]["deflate_kept_bytes"].values[-1][0] > 0.0


def test_a_bench_gives_names_of_parts_with_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TEXTS_MEASURED", (16,)), ("CONTENTS", (32, 64)), ("CONNECTIONS", (2,)), ("LONE", 1)):
        monkeypatch.setattr(f"live.calibration.codec_bench.{name}", value)
    monkeypatch.setattr("live.calibration.codec_bench.LARGE_CONNECTIONS", 2)
    assert {name: len(values) for name, values in of_codec("json").items()} == dict.fromkeys(CODEC_PARTS, 1)
    assert {name: len(values) for name, values in of_context((9, 1)).items()} == dict.fromkeys(DEFLATE_PARTS, 1)
