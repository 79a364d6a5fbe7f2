"""Envoy's configuration as people write it; the corpus has whole files."""

import pytest

from tests.commands import ROOT
from twin.config.reading.envoy import read, snake
from twin.config.reading.formats import scenario_of
from twin.config.reading.report import SourceFile
from twin.config.reading.yaml_nodes import documents
from twin.errors import ScenarioError

FOLDER = ROOT / "tests" / "data" / "configs" / "envoy"


def text_of(name, *changes):
    """Return a file of the corpus with some texts replaced."""
    text = (FOLDER / f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def imported(text, backend=""):
    return read([SourceFile("e.yaml", text)], backend)


def balancer(text, backend=""):
    return scenario_of(imported(text, backend), "x").balancer


def lines(text, backend=""):
    """Return verdict and words of each line of the report by its text."""
    return {one.text: (one.verdict, one.words) for one in imported(text, backend).lines}


def assumed(text):
    return {what for what, (verdict, _) in lines(text).items() if verdict == "assumed"}


def test_what_is_left_out_is_envoys_own_default_and_told_as_assumed():
    times = {"timeout", "stream_idle_timeout", "delayed_close_timeout"}
    assert assumed(text_of("defaults")) == {"lb_policy", "health_checks", "clients"} | times
    found = balancer(text_of("defaults"))
    assert (found.retry_policy.num_retries, found.outlier_detection, found.panic_threshold) == (0, None, 50.0)


def test_names_of_json_are_those_of_the_manual():
    (node,) = documents(
        SourceFile("a", '{"lbPolicy": [{"consecutive5xx": 1}], "http2ProtocolOptions": {}, "@type": 1}')
    )
    found = snake(node)
    assert list(found.fields) == ["lb_policy", "http2_protocol_options", "@type"]
    assert list(found.items_at("lb_policy")[0].fields) == ["consecutive_5xx"]


@pytest.mark.parametrize(
    ("share", "setting", "value"),
    [
        ("enforcing_success_rate: 0", "success_rate_minimum_hosts", 1000),
        ("enforcing_consecutive_5xx: 0", "consecutive_5xx", 1000),
        ("enforcing_success_rate: 100", "success_rate_minimum_hosts", 5),
    ],
)
def test_a_reason_that_is_not_enforced_never_ejects_wherever_it_stands(share, setting, value):
    changed = text_of("no-success-rate", ("enforcing_success_rate: 0", f"{share}\n        consecutive_5xx: 7"))
    assert getattr(balancer(changed).outlier_detection, setting) == value


def test_failures_of_a_gateway_count_only_where_they_are_enforced():
    assert balancer(text_of("no-success-rate")).outlier_detection.consecutive_gateway_failure == 4
    never = ("enforcing_consecutive_gateway_failure: 100", "enforcing_consecutive_gateway_failure: 0")
    assert balancer(text_of("no-success-rate", never)).outlier_detection.consecutive_gateway_failure == 0


def test_a_policy_without_a_condition_that_a_dial_meets_retries_nothing():
    assert balancer(text_of("one-retry", ("retry_on: 5xx", "retry_on: cancelled"))).retry_policy.num_retries == 0
    assert balancer(text_of("one-retry", ("retry_on: 5xx", "per_try_timeout: 1s"))).retry_policy.num_retries == 0
    assert balancer(text_of("one-retry")).retry_policy.num_retries == 1


def test_without_the_upgrade_the_report_says_that_no_websocket_passes():
    words = ("not modelled", "without it no WebSocket passes Envoy")
    assert lines(text_of("plain", ("upgrade_type: websocket", "upgrade_type: CONNECT")))["upgrade_configs"] == words
    assert words not in lines(text_of("plain")).values()
    assert words not in lines(text_of("route-idle")).values()


def test_what_stands_around_routes_is_told_too():
    tls = "- transport_socket: {name: envoy.transport_sockets.tls}\n          filters:"
    verdict, words = lines(text_of("plain", ("- filters:", tls)))["transport_socket:"]
    assert (verdict, words[:3]) == ("not modelled", "TLS")
    policy = 'domains: ["*"]\n                      retry_policy: {retry_on: 5xx}'
    assert lines(text_of("plain", ('domains: ["*"]', policy)))["retry_policy:"][0] == "not modelled"


def test_weights_are_those_of_the_first_nodes():
    assert balancer(text_of("weights")).weights == [3, 1, 2]
    assert balancer(text_of("weights", ("weight: 2", "weight: 1"))).weights == [3]


def test_a_hash_of_something_else_than_the_address_is_told_as_assumed():
    assert "route.hash_policy" in assumed(text_of("maglev-cookie"))
    assert "route.hash_policy" not in assumed(text_of("ring"))
    by_header = text_of("ring", ("connection_properties: {source_ip: true}", "header: {header_name: x-user}"))
    assert "route.hash_policy" not in assumed(by_header)
    assert balancer(by_header).hash_policy == "header"


def test_several_clusters_are_asked_for():
    text = text_of("two-clusters")
    with pytest.raises(ScenarioError, match=r"^requests are routed to several clusters: api, chat; say which with"):
        imported(text)
    assert imported(text, "api").data["nodes"]["count"] == 1
    assert lines(text, "api")["cluster chat"] == ("no effect", "it is another cluster")
    with pytest.raises(ScenarioError, match=r"^--backend is 'x'; allowed is api, chat\.$"):
        imported(text, "x")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("cluster: chat", "cluster: other"), r"^there is no cluster 'other' in the file\.$"),
        (("cluster: chat", "cluster_header: x"), r"^there is no route of an HTTP connection manager to a cluster\.$"),
        (("lb_endpoints", "none"), r"^e.yaml:\d+: has 0 endpoints; allowed is 1 to 1000\.$"),
        (("connect_timeout: 1s", "connect_timeout: 1"), r"^e.yaml:\d+: connect_timeout: the time is '1'; allowed is"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(change, sentence):
    with pytest.raises(ScenarioError, match=sentence):
        imported(text_of("plain", change))
