"""Formulas of queueing theory against published numbers."""

import pytest

from twin.rules.queues import erlang_b, erlang_c, mean_wait, refused_bounded, states_bounded


@pytest.mark.parametrize(("servers", "load", "blocked"), [(10, 4.46, 0.01), (20, 12.03, 0.01), (10, 6.22, 0.05)])
def test_erlang_b_is_as_in_his_table(servers, load, blocked):
    """Load in Erlang that so many trunks carry at a grade of service of 1 % and of 5 %.

    Source: ITU-D Study Group 2, "Teletraffic Engineering Handbook", table of Erlang's first formula.
    """
    assert erlang_b(servers, load) == pytest.approx(blocked, rel=0.005)


@pytest.mark.parametrize(
    ("servers", "share", "waits", "wait"), [(1, 0.9, 0.9, 9.0), (2, 0.8, 0.71111, 1.77778), (4, 0.8, 0.59643, 0.74554)]
)
def test_erlang_c_is_as_published(servers, share, waits, wait):
    """Source: Kleinrock, "Queueing Systems", vol. 1, 1975, section 3.5 (M/M/1, M/M/2 and M/M/4 at these loads)."""
    assert erlang_c(servers, share * servers) == pytest.approx(waits, abs=1e-5)
    assert mean_wait(servers, share * servers, 1.0) == pytest.approx(wait, abs=1e-5)


def test_too_high_a_load_lets_everybody_wait():
    assert erlang_c(3, 3.0) == erlang_c(3, 4.0) == 1.0


def test_no_queue_is_erlangs_loss_and_a_long_one_is_his_wait():
    assert refused_bounded(10, 10, 8.0) == pytest.approx(erlang_b(10, 8.0))
    long = states_bounded(10, 2000, 8.0)
    assert sum(long[10:]) == pytest.approx(erlang_c(10, 8.0))
    assert long[-1] < 1e-100


def test_one_place_in_the_queue_of_one_server():
    """M/M/1/2 at load 1: three states, all as likely (Kleinrock, section 3.6)."""
    assert states_bounded(1, 2, 1.0) == pytest.approx([1 / 3] * 3)
