"""Limits of this machine, beside what the lab asks of them."""

import resource

import pytest

from live.doctor import bounds
from live.limits import MOST_CLIENTS
from twin.scenario.balancer.base import BACKLOG
from twin.scenario.balancer.kinds import KINDS


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A folder of kernel settings."""
    monkeypatch.setattr(bounds, "PROC", tmp_path)

    def written(name, value):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
        return {one.name: one for one in bounds.bounds()}

    return written


def test_a_limit_of_files_is_that_of_every_kind_of_balancer():
    clients = bounds.clients_within(20_000)
    needs = [[kind(kind=name).files_of_run(count) for name, kind in KINDS.items()] for count in (clients, clients + 1)]
    assert max(needs[0]) <= 20_000 < max(needs[1])
    assert bounds.clients_within(10) == 0


@pytest.mark.parametrize(("hard", "enough"), [(1024, False), (100_000, True), (resource.RLIM_INFINITY, True)])
def test_few_files_are_told_with_the_clients_that_they_are_enough_for(hard, enough, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, hard))
    (found,) = [one for one in bounds.bounds() if one.name.startswith("open files")]
    assert found.enough == enough
    if hard == 100_000:
        assert f"enough for {MOST_CLIENTS} clients" in found.means


@pytest.mark.parametrize(("value", "enough"), [(128, False), (BACKLOG - 1, False), (BACKLOG, True)])
def test_a_short_accept_queue_of_the_kernel_is_told(proc, value, enough):
    found = proc("net/core/somaxconn", value)["net.core.somaxconn"]
    assert (found.value, found.enough) == (f"{value}", enough)


@pytest.mark.parametrize(("ports", "enough"), [("32768 60999", True), ("60000 60999", False), ("1024 65535", False)])
def test_a_range_of_ports_has_to_leave_some_on_both_sides(proc, ports, enough):
    found = proc("net/ipv4/ip_local_port_range", ports)["net.ipv4.ip_local_port_range"]
    assert found.enough == enough
    low, high = map(int, ports.split())
    assert found.means.startswith(f"{high - low + 1} connections from one address to one port, ")


def test_a_kernel_with_another_retransmission_of_syns_is_told(proc):
    name = "net.ipv4.tcp_syn_linear_timeouts"
    assert proc("net/ipv4/tcp_syn_linear_timeouts", 4)[name].enough
    assert not proc("net/ipv4/tcp_syn_linear_timeouts", 0)[name].enough


def test_where_there_are_no_kernel_settings_nothing_is_said_of_them(monkeypatch, tmp_path):
    monkeypatch.setattr(bounds, "PROC", tmp_path / "none")
    assert not [one for one in bounds.bounds() if one.name.startswith("net.")]
