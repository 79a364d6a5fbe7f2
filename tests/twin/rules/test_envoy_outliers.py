"""Envoy's outlier detection, by numbers from its source."""

from types import SimpleNamespace

import pytest

from twin.rules.envoy_outliers import Outliers, success_rate_threshold


def detection(servers=3, **changes):
    usual = {
        "consecutive_5xx": 5,
        "consecutive_gateway_failure": 0,
        "interval": 10.0,
        "base_ejection_time": 30.0,
        "max_ejection_time": 300.0,
        "max_ejection_percent": 100,
        "always_eject_one_host": False,
        "success_rate_minimum_hosts": 5,
        "success_rate_request_volume": 100,
        "success_rate_stdev_factor": 1900,
    }
    return Outliers(servers, SimpleNamespace(**(usual | changes)))


def fail(one, server, times=5, now=0.0, status=503):
    return [one.answered(server, status, now) for _ in range(times)]


def test_five_failures_in_a_row_eject_and_a_success_begins_anew():
    one = detection()
    assert fail(one, 0, 4) == [False] * 4
    one.answered(0, 101, 0.0)
    assert fail(one, 0) == [False] * 4 + [True]
    assert [one.ejected(server) for server in range(3)] == [True, False, False]


def test_one_of_three_is_more_than_ten_percent():
    one = detection(max_ejection_percent=10)
    assert not any(fail(one, 0, 10))
    assert one.counted == {"ejections_enforced_total": 0, "ejections_overflow": 2}
    other = detection(max_ejection_percent=10, always_eject_one_host=True)
    assert fail(other, 0)[-1]
    assert not any(fail(other, 1))


@pytest.mark.parametrize(("status", "after"), [(503, 2), (500, 5)])
def test_failures_of_a_gateway_have_a_count_of_their_own(status, after):
    found = fail(detection(consecutive_gateway_failure=2), 0, 5, status=status)
    assert found.index(True) == after - 1


def test_each_ejection_is_longer_and_ends_at_a_look():
    one = detection()
    fail(one, 0)
    assert [one.look(t).returned for t in (10.0, 20.0, 29.9, 30.0)] == [[], [], [], [0]]
    fail(one, 0, now=31.0)
    assert [one.look(t).returned for t in (40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 91.0)] == [[]] * 6 + [[0]]
    fail(one, 0, now=92.0)
    assert one.look(92.0 + 89.0).returned == []
    assert one.look(92.0 + 90.0).returned == [0]


def test_an_ejection_has_a_longest_time_and_calm_intervals_make_it_shorter():
    one = detection(base_ejection_time=30.0, max_ejection_time=45.0)
    fail(one, 0)
    one.look(30.0)
    fail(one, 0, now=30.0)
    assert one.look(74.0).returned == []
    assert one.look(75.0).returned == [0]
    one.look(80.0)  # 5 s after its return: less than an interval
    one.look(90.0)
    fail(one, 0, now=91.0)
    assert one.look(91.0 + 45.0).returned == [0]
    for t in (150.0, 160.0, 170.0):
        one.look(t)
    fail(one, 0, now=171.0)
    assert one.look(171.0 + 30.0).returned == [0]


def test_a_good_active_check_returns_a_server_at_once():
    one = detection()
    fail(one, 0)
    assert one.healthy(0, 1.0)
    assert not one.healthy(0, 2.0)
    assert not one.ejected(0)
    assert fail(one, 0, 4, 2.0) == [False] * 4, "its failures are forgotten"


def test_the_threshold_of_success_rates_is_that_of_envoys_own_example():
    """Source: the comment of `DetectorImpl::successRateEjectionThreshold`: mean 90, standard deviation 20."""
    assert success_rate_threshold([50, 100, 100, 100, 100], 1.9) == pytest.approx(52.0)


def test_a_low_success_rate_ejects_where_enough_servers_have_enough_requests():
    def rated(servers, requests):
        one = detection(servers, consecutive_5xx=10**6)
        for server in range(servers):
            for number in range(requests):
                one.answered(server, 500 if server == 0 and number % 2 else 101, 0.0)
        return one.look(10.0).ejected

    assert rated(5, 100) == [0]
    assert rated(4, 100) == []
    assert rated(5, 99) == []
