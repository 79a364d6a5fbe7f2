"""Resources of Istio as people write them."""

import pytest

from twin.config.reading.formats import scenario_of
from twin.config.reading.istio import read
from twin.config.reading.report import SourceFile
from twin.errors import ScenarioError

ROUTE = "    - route:\n        - destination:\n            host: chat\n"


def rule(policy, host="chat", more=""):
    """Return a DestinationRule with a traffic policy in the flow style."""
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: x}\n"
        f"spec:\n  host: {host}\n  trafficPolicy: {policy}\n{more}"
    )


def service(http=ROUTE):
    return f"apiVersion: networking.istio.io/v1\nkind: VirtualService\nspec:\n  hosts: [a]\n  http:\n{http}"


def imported(*texts, host=""):
    return read([SourceFile("i.yaml", "---\n".join(texts))], host)


def balancer(*texts, host=""):
    return scenario_of(imported(*texts, host=host), "x").balancer


def lines(*texts, host=""):
    """Return verdict and words of each line of the report by its text."""
    return {one.text: (one.verdict, one.words) for one in imported(*texts, host=host).lines}


def test_what_is_left_out_is_istios_own_default_and_told_as_assumed():
    found = balancer(service())
    assert (found.algorithm, found.timeout, found.connect_timeout) == ("least_request", 86_400.0, 10.0)
    policy = found.retry_policy
    assert (policy.num_retries, policy.previous_hosts, policy.host_selection_retry_max_attempts) == (2, True, 5)
    assert (policy.retry_on, policy.retriable_status_codes) == (["connect-failure", "retriable-status-codes"], [503])
    assert set(found.circuit_breakers.model_dump(include={"max_connections", "max_retries"}).values()) == {10_000_000}
    assert found.outlier_detection is None
    assert found.panic_threshold == 50.0
    told = {text for text, (verdict, _) in lines(service()).items() if verdict == "assumed"}
    assert told == {"timeout", "retries", "outlierDetection", "active checks", "endpoints", "clients"}


def test_ejections_are_those_of_istio_without_success_rates_and_without_panic():
    found = balancer(rule("{outlierDetection: {baseEjectionTime: 1h}}"))
    detection = found.outlier_detection
    assert (detection.consecutive_5xx, detection.interval, detection.max_ejection_percent) == (5, 10.0, 10)
    assert (detection.base_ejection_time, detection.max_ejection_time) == (3600.0, 3600.0)
    assert (detection.success_rate_minimum_hosts, detection.success_rate_request_volume) == (1000, 100_000)
    assert found.panic_threshold == 0.0
    policy = "{outlierDetection: {consecutive5xxErrors: 0}}"
    assert balancer(rule(policy)).outlier_detection.consecutive_5xx == 1000
    assert lines(rule(policy))["outlierDetection.consecutive5xxErrors: 0"][0] == "assumed"


@pytest.mark.parametrize(
    ("words", "conditions", "codes"),
    [
        ("5xx,reset", ["5xx", "reset"], []),
        ("gateway-error, connect-failure, refused-stream", ["gateway-error", "connect-failure"], []),
        ("503, 502", ["retriable-status-codes"], [503, 502]),
        ("reset-before-request", ["connect-failure"], []),
        ("5xx,reset-before-request,retriable-status-codes,429", ["5xx", "retriable-status-codes"], [429]),
    ],
)
def test_the_conditions_of_retries_are_those_that_a_dial_meets(words, conditions, codes):
    policy = balancer(service(f"{ROUTE}      retries: {{attempts: 1, retryOn: '{words}'}}\n")).retry_policy
    assert (policy.num_retries, policy.retry_on, policy.retriable_status_codes) == (1, conditions, codes)


def test_retries_that_no_dial_can_meet_are_none():
    text = service(f"{ROUTE}      retries: {{attempts: 4, retryOn: 'cancelled,new-word'}}\n")
    assert balancer(text).retry_policy.num_retries == 0
    assert lines(text)["... cancelled"] == ("no effect", "no dial of a WebSocket meets it")
    assert lines(text)["... new-word"] == ("not modelled", "the lab does not know it")


@pytest.mark.parametrize(
    ("policy", "algorithm", "elsewhere"),
    [
        ("{loadBalancer: {simple: LEAST_CONN}}", "least_request", True),
        ("{loadBalancer: {consistentHash: {useSourceIp: true}}}", "ring_hash", False),
        ("{loadBalancer: {consistentHash: {maglev: {}, httpHeaderName: x}}}", "maglev", False),
        ("{loadBalancer: {simple: PASSTHROUGH}}", "least_request", True),
    ],
)
def test_a_retry_goes_to_another_node_unless_a_key_is_hashed(policy, algorithm, elsewhere):
    found = balancer(rule(policy))
    assert (found.algorithm, found.retry_policy.previous_hosts) == (algorithm, elsewhere)


def test_a_key_that_is_not_the_address_is_told_as_assumed():
    found = lines(rule("{loadBalancer: {consistentHash: {httpQueryParameterName: user}}}"))
    verdict, words = found["loadBalancer.consistentHash.httpQueryParameterName: user"]
    assert verdict == "assumed"
    assert words.endswith("set clients.addresses to clients.count")
    assert balancer(rule("{loadBalancer: {consistentHash: {httpHeaderName: x-user}}}")).hash_policy == "header"


def test_the_subset_that_the_route_leads_to_has_its_own_policy_part_by_part():
    subsets = "  subsets:\n    - {name: v1}\n    - name: v2\n      trafficPolicy: {loadBalancer: {simple: RANDOM}}\n"
    policy = "{loadBalancer: {simple: ROUND_ROBIN}, connectionPool: {tcp: {maxConnections: 7}}}"
    texts = (rule(policy, more=subsets), service(f"{ROUTE}            subset: v2\n"))
    found = balancer(*texts)
    assert (found.algorithm, found.circuit_breakers.max_connections) == ("random", 7)
    assert lines(*texts)["loadBalancer"] == ("no effect", "the subset has its own")
    assert lines(*texts)["subset v1"] == ("no effect", "it is another subset")
    assert balancer(texts[0], service()).algorithm == "round_robin"


def test_the_destination_with_most_of_the_weight_counts():
    http = (
        "    - route:\n        - {destination: {host: chat, subset: new}, weight: 5}\n"
        "        - {destination: {host: chat, subset: old}, weight: 95}\n"
    )
    subsets = (
        "  subsets:\n    - {name: new, trafficPolicy: {loadBalancer: {simple: RANDOM}}}\n"
        "    - {name: old, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}\n"
    )
    texts = (rule("{}", more=subsets), service(http))
    assert balancer(*texts).algorithm == "round_robin"
    assert lines(*texts)["route"][0] == "not modelled"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("mirror: {host: y}", "Envoy never mirrors an upgrade"),
        ("fault: {abort: {httpStatus: 500}}", "faults that Envoy injects: dials that are delayed, or refused"),
        ("rewrite: {uri: /}", "a path"),
    ],
)
def test_what_a_websocket_does_not_meet_is_named(field, words):
    assert words in {told for _, told in lines(service(f"{ROUTE}      {field}\n")).values()}


def test_a_timeout_of_zero_is_none():
    assert balancer(service(f"{ROUTE}      timeout: 0s\n")).timeout == 86_400.0
    assert balancer(service(f"{ROUTE}      timeout: 1m30s\n")).timeout == 90.0


def test_several_hosts_are_asked_for():
    texts = (rule("{loadBalancer: {simple: RANDOM}}", "a"), rule("{}", "b"))
    with pytest.raises(ScenarioError, match=r"^requests are sent to several hosts: a, b; say which with --backend\.$"):
        imported(*texts)
    assert (balancer(*texts, host="a").algorithm, balancer(*texts, host="b").algorithm) == ("random", "least_request")
    assert lines(*texts, host="b")["trafficPolicy:"] == ("no effect", "it is of another host")
    with pytest.raises(ScenarioError, match=r"^--backend is 'c'; allowed is a, b\.$"):
        imported(*texts, host="c")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("apiVersion: networking.istio.io/v1\nkind: Gateway\n", r"^there is no DestinationRule with a host, and"),
        (
            rule("{connectionPool: {tcp: {maxConnections: lots}}}"),
            r"^i.yaml:6: connectionPool.tcp.maxConnections is 'lo",
        ),
        (
            rule("{connectionPool: {tcp: {connectTimeout: 5}}}"),
            r"^i.yaml:6: connectionPool.tcp.connectTimeout: the",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(text, sentence):
    with pytest.raises(ScenarioError, match=sentence):
        imported(text)
