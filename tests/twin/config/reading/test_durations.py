"""Times as HAProxy and nginx write them."""

import pytest

from twin.config.reading.durations import MOST, go_time, haproxy_time, nginx_time
from twin.errors import ScenarioError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500", 0.5), ("250us", 0.00025), ("20ms", 0.02), ("5s", 5.0), ("2m", 120.0), ("1h", 3600.0), ("9d", MOST)],
)
def test_haproxy_counts_milliseconds_where_no_unit_is(text, seconds):
    assert haproxy_time(text, "x") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60.0), ("20ms", 0.02), ("5s", 5.0), ("1h30m", 5400.0), ("1h 30m", 5400.0), ("1M", MOST), ("1w", MOST)],
)
def test_nginx_counts_seconds_where_no_unit_is_and_adds_parts(text, seconds):
    assert nginx_time(text, "x") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30ms", 0.03), ("0.5s", 0.5), ("1h30m", 5400.0), ("1m0.25s", 60.25), ("5us", 5e-6), ("48h", MOST)],
)
def test_go_asks_for_a_unit_and_adds_parts(text, seconds):
    assert go_time(text, "x") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "1d", "-1s", "1.s", "1s 2s", "٣s", "1s" * 9])
def test_what_is_no_time_of_go_is_refused(text):
    with pytest.raises(ScenarioError, match=r"^here: the time is '"):
        go_time(text, "here")


@pytest.mark.parametrize("text", ["", "5 s", "-1", "1.5s", "s", "9" * 16, "1hh", "٣s"])
def test_what_is_no_time_is_refused_with_place_and_value(text):
    for read in (haproxy_time, nginx_time):
        with pytest.raises(ScenarioError, match=r"^here: the time is '"):
            read(text, "here")
