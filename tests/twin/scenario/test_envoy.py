"""What the settings of Envoy promise to those who do not ask which balancer it is."""

from twin.advice import findings
from twin.scenario.balancer.envoy import Envoy
from twin.scenario.scenario import Scenario


def rules(**balancer):
    """Return the names of the rules that bite with an Envoy so configured."""
    scenario = Scenario.parse({"name": "x", "balancer": {"kind": "envoy", **balancer}})
    return {one.rule for one in findings(scenario)}


def test_without_retries_a_dead_node_is_answered_at_once_and_nothing_stays_with_it():
    assert Envoy().retried_within == 0.0
    assert Envoy(retry_policy={"num_retries": 1}, timeout=7.0).retried_within == 7.0
    assert "retries-stay" not in rules()


def test_a_node_is_chosen_in_vain_until_its_health_takes_effect_and_clients_know():
    check = {"interval": 1.0, "no_traffic_interval": 1.0, "unhealthy_threshold": 2, "timeout": 0.5}
    assert Envoy(check=check, update_merge_window=0.0, delayed_close_timeout=0.0).blind(silent=False) == 2.0
    assert Envoy(check=check, update_merge_window=0.0).blind(silent=False) == 3.0
    assert Envoy(check=check).blind(silent=False) == 4.0
    assert Envoy(check=check).blind(silent=True) == 5.0


def test_retries_at_a_time_are_those_of_the_breaker_or_of_the_budget():
    retries = {"num_retries": 1}
    assert Envoy().retries_at_a_time(200) is None
    assert Envoy(retry_policy=retries).retries_at_a_time(200) == ("circuit_breakers.max_retries", 3, 3)
    budget = Envoy(retry_policy=retries, circuit_breakers={"budget_percent": 20.0})
    assert budget.retries_at_a_time(200) == ("circuit_breakers.budget_percent", 20.0, 40)
    assert "few-retries" in rules(retry_policy=retries)
    assert "few-retries" not in rules(retry_policy=retries, circuit_breakers={"budget_percent": 50.0})


def test_few_addresses_are_no_trouble_where_the_header_is_hashed():
    assert "address-hash" in rules(algorithm="maglev")
    assert "address-hash" not in rules(algorithm="maglev", hash_policy="header")


def test_a_node_is_ejected_for_closing_only_if_one_of_so_many_may_be():
    ejects = Envoy(outlier_detection={"consecutive_5xx": 4})
    assert ejects.ejects_after(9) is None
    assert ejects.ejects_after(10) == ("outlier_detection.consecutive_5xx", 4)
    assert Envoy(outlier_detection={"always_eject_one_host": True}).ejects_after(3) is not None
    assert Envoy().ejects_after(10) is None
