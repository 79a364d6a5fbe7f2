"""Configurations that the lab writes are read back: the balancer and the number of nodes are the scenario's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands import ROOT
from tests.strategies import small
from twin.config.balancer import CONFIGURATIONS, Site
from twin.config.reading import formats
from twin.config.reading.report import SourceFile
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario

SHIPPED = sorted((ROOT / "scenarios").glob("*.toml"))
MAIN = {"haproxy": "", "nginx": "worker_shutdown_timeout {stop}s;\nhttp {{\n{text}}}\n"}


def taken_away(scenario, site=None):
    """Return the configuration of a scenario, with what belongs into nginx.conf around it."""
    balancer, kind = scenario.balancer, scenario.balancer.kind
    servers = tuple(f"10.0.0.{n % 250}:{9000 + n}" for n in range(scenario.nodes.count))
    text = CONFIGURATIONS[kind].of_site(scenario, site or Site(servers=servers))
    if kind == "nginx" and balancer.hard_stop_after:
        text = MAIN["nginx"].format(stop=balancer.hard_stop_after, text=text)
    return SourceFile(f"{kind}.cfg", text)


def read_back(scenario):
    """Return the scenario that its configuration makes."""
    source = taken_away(scenario)
    assert formats.format_of(source) == scenario.balancer.kind
    found = formats.READERS[scenario.balancer.kind]([source], "")
    return formats.scenario_of(found, "back"), found


NOT_READ = (
    *("maxconn", "server_maxconn", "queue_timeout", "session_rate", "address_rate", "source_ports"),
    *("worker_connections", "limit_req", "limit_conn"),
)
"""Limits, which are written, and named in the report when they are read."""


def test_every_shipped_scenario_is_read_back():
    for path in SHIPPED:
        scenario = Scenario.load(path)
        back, _ = read_back(scenario)
        given = scenario.balancer.model_dump()
        plain = {name: None if isinstance(given[name], dict) else 0 for name in NOT_READ if given.get(name)}
        assert back.balancer == scenario.balancer.model_copy(update=plain), path.stem
        assert back.nodes.count == scenario.nodes.count, path.stem


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("haproxy", {"hard_stop_after": 3.0}),
        ("nginx", {"hard_stop_after": 3}),
        ("envoy", {"delayed_close_timeout": 0.0}),
    ],
)
def test_the_configuration_of_a_live_run_is_read_back_too(kind, settings, tmp_path):
    scenario = small(balancer={"kind": kind, **settings}, nodes={"count": 4})
    text = CONFIGURATIONS[kind].of_run(scenario, 8080, [9001, 9002, 9003, 9004], tmp_path)
    back = formats.scenario_of(formats.READERS[kind]([SourceFile("run", text)], ""), "back")
    assert back.balancer == scenario.balancer
    assert back.nodes.count == 4


def milliseconds(low, high):
    return st.integers(low, high).map(lambda ms: ms / 1000)


HAPROXY = st.fixed_dictionaries(
    {
        "algorithm": st.sampled_from(["roundrobin", "leastconn", "source", "consistent", "random"]),
        "slowstart": st.integers(0, 3600),
        "check": st.fixed_dictionaries(
            {
                "inter": milliseconds(50, 3_600_000),
                "fall": st.integers(1, 100),
                "rise": st.integers(1, 100),
                "timeout": milliseconds(1, 86_400_000),
            }
        ),
        "retries": st.integers(0, 100),
        "redispatch": st.integers(-1, 1),
        "connect_timeout": milliseconds(1, 86_400_000),
        "tunnel_timeout": milliseconds(1000, 86_400_000),
        "server_timeout": milliseconds(1, 86_400_000),
        "on_marked_down": st.sampled_from(["none", "shutdown-sessions"]),
        "hard_stop_after": milliseconds(1, 86_400_000) | st.just(0.0),
    }
)
NGINX = st.fixed_dictionaries(
    {
        "kind": st.just("nginx"),
        "algorithm": st.sampled_from(["round_robin", "least_conn", "ip_hash", "random_two", "hash_consistent"]),
        "max_fails": st.integers(0, 100),
        "fail_timeout": st.integers(1, 3600),
        "connect_timeout": milliseconds(1, 86_400_000),
        "read_timeout": milliseconds(1000, 86_400_000),
        "hard_stop_after": st.integers(0, 3600),
    }
)


ENVOY = st.fixed_dictionaries(
    {
        "kind": st.just("envoy"),
        "algorithm": st.sampled_from(["round_robin", "least_request", "random", "ring_hash", "maglev"]),
        "panic_threshold": st.integers(0, 100),
        "update_merge_window": milliseconds(0, 9000) | st.just(1.0),
        "hash_policy": st.sampled_from(["source_ip", "header"]),
        "weights": st.just([]) | st.just([2]),
        "check": st.fixed_dictionaries(
            {
                "interval": milliseconds(50, 3_600_000),
                "timeout": milliseconds(1, 86_400_000),
                "unhealthy_threshold": st.integers(1, 100),
                "no_traffic_interval": milliseconds(50, 3_600_000),
            },
            optional={"unhealthy_interval": st.just(0.061), "healthy_edge_interval": st.just(0.073)},
        ),
        "outlier_detection": st.none()
        | st.fixed_dictionaries({"consecutive_gateway_failure": st.integers(0, 9), "interval": milliseconds(50, 9000)}),
        "retry_policy": st.fixed_dictionaries(
            {
                "num_retries": st.integers(1, 9),
                "retry_on": st.sampled_from([["5xx"], ["connect-failure", "reset"], ["retriable-status-codes"]]),
                "per_try_timeout": milliseconds(0, 9000),
                "base_interval": milliseconds(1, 500),
                "previous_hosts": st.booleans(),
            }
        ),
        "circuit_breakers": st.fixed_dictionaries({"max_connections": st.integers(1, 10**6)}),
        "connect_timeout": milliseconds(1, 86_400_000),
        "stream_idle_timeout": milliseconds(1000, 86_400_000),
        "timeout": milliseconds(1, 86_400_000),
        "delayed_close_timeout": milliseconds(0, 9000),
        "max_stream_duration": milliseconds(0, 9000),
    }
)


@settings(max_examples=25, deadline=None)
@given(HAPROXY | NGINX | ENVOY, st.integers(1, 40))
def test_what_is_written_is_read_back_for_any_settings(balancer, nodes):
    scenario = small(balancer=balancer, nodes={"count": nodes})
    back, found = read_back(scenario)
    assert back.balancer == scenario.balancer
    assert back.nodes.count == nodes
    assert not [one for one in found.lines if one.words == "the lab does not know it"]


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_each_line_of_an_own_configuration_has_a_verdict(kind):
    source = taken_away(small(balancer={"kind": kind}))
    found = formats.READERS[kind]([source], "")
    told = {one.place.line for one in found.lines if one.place.line}
    for number, line in enumerate(source.text.splitlines(), 1):
        if line.strip(" }") and not line.lstrip().startswith("#"):
            assert number in told, line
    places = [one.place for one in found.in_order()]
    assert places == sorted(places, key=lambda one: one.line or 10_000)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("# a comment\nglobal\n  daemon\n", "haproxy"),
        ("frontend x\n  http-request set-header a b;\n", "haproxy"),
        ("upstream a { server b:1; }\n", "nginx"),
        ("user www;\n", "nginx"),
        ("# x\nstatic_resources:\n  clusters: []\n", "envoy"),
        ('{"staticResources": {}}\n', "envoy"),
        ("# x\nkind: Gateway\napiVersion: networking.istio.io/v1\n", "istio"),
        ('{"kind": "Gateway", "apiVersion": "networking.istio.io/v1"}\n', "istio"),
    ],
)
def test_a_file_is_recognized_by_its_first_line_and_its_signs(text, kind):
    assert formats.format_of(SourceFile("a", text)) == kind


@pytest.mark.parametrize("text", ["", "# nothing\n", "name = 'a'\n", "{\n  'a': 1\n", "\n\n"])
def test_what_is_of_no_program_is_refused_in_one_sentence(text):
    if text.startswith("{"):
        text = "[a]\n"
    with pytest.raises(ScenarioError, match=r"^a: is no configuration of haproxy, nginx, envoy or istio\.$"):
        formats.format_of(SourceFile("a", text))


def test_files_of_two_programs_are_refused(tmp_path):
    (tmp_path / "a").write_text("global\n")
    (tmp_path / "b").write_text("user www;\n")
    with pytest.raises(ScenarioError, match="of several programs"):
        formats.imported([tmp_path / "a", tmp_path / "b"])


@pytest.mark.parametrize(
    ("path", "name"), [("/etc/haproxy/HA Proxy.cfg", "ha-proxy"), ("...", "imported"), ("é", "imported")]
)
def test_a_scenario_is_called_as_the_file_is(path, name):
    assert formats.name_of(path) == name


ALPHABET = st.sampled_from(
    [" ", "\n", "#", '"', "'", "\\", "$", "{", "}", ";", "0", "9" * 20, "é", "\x0b", "server", "defaults"]
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["haproxy", "nginx", "envoy"]), st.data())
def test_a_mutated_file_gives_a_report_or_one_sentence(kind, data):
    text = taken_away(small(balancer={"kind": kind})).text
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        until = min(len(text), at + data.draw(st.integers(0, 30)))
        text = text[:at] + data.draw(ALPHABET) + text[until:]
    said = "."
    try:
        formats.scenario_of(formats.READERS[kind]([SourceFile("a", text)], ""), "mutated")
    except ScenarioError as error:
        said = str(error)
    assert said.endswith(".")
    assert "\n" not in said
