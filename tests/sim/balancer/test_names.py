"""Names of the servers: a port each, drawn anew for each run."""

from hypothesis import given
from hypothesis import strategies as st

from sim.balancer.names import LEAST_PORT, OUTGOING, server_names
from twin.draws import Purpose, uniform


@given(st.integers(0, 2**63 - 1), st.integers(0, 1000), st.integers(1, 300))
def test_each_server_has_a_port_of_its_own_that_the_lab_may_listen_on(seed, replication, servers):
    names = server_names(seed, replication, servers)
    ports = [int(name.removeprefix("127.0.0.1:")) for name in names]
    assert len(set(ports)) == servers
    assert all(LEAST_PORT <= port < OUTGOING for port in ports)
    assert server_names(seed, replication, servers) == names  # a run replays
    assert server_names(seed, replication, servers + 1)[:-1] == names


def test_a_port_that_is_taken_already_is_the_next_one():
    ports = [int(name.split(":")[1]) for name in server_names(1, 0, 2000)]
    drawn = [LEAST_PORT + int((OUTGOING - LEAST_PORT) * uniform(1, 0, i, Purpose.NODE_PORT)) for i in range(2000)]
    moved = [(port, one) for port, one in zip(ports, drawn, strict=True) if port != one]
    assert len(set(drawn)) < 2000, "no port is drawn twice"
    assert moved
    assert all(1 <= port - one <= 5 for port, one in moved)


def test_each_run_has_other_ports():
    assert server_names(1, 0, 3) != server_names(1, 1, 3) != server_names(2, 1, 3)
