"""The balancers: the choice rules against the real programs, their view of the nodes, and their configurations."""

import itertools
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.sync.client import ClientConnection, connect

from live.balancer.balancer import binary, start_balancer
from live.balancer.haproxy import HAProxyBalancer
from live.control.messages import Listening
from live.control.process import Stage
from twin.config.base import REQUEST_WITHIN
from twin.config.haproxy import HAPROXY
from twin.config.nginx import NGINX
from twin.errors import ClusterError
from twin.rules.balancing import RULES, Rule
from twin.rules.choice import slowstart_weight
from twin.scenario.addresses import source_address
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

ADDRESSES = 12
CHOICES = [
    ("haproxy", "roundrobin"),
    ("haproxy", "leastconn"),
    ("haproxy", "source"),
    ("haproxy", "consistent"),
    ("nginx", "round_robin"),
    ("nginx", "least_conn"),
    ("nginx", "ip_hash"),
    ("nginx", "hash_consistent"),
]
HAPROXY_CHOICES = [choice for choice in CHOICES if choice[0] == "haproxy"]


def no_draw() -> float:
    raise AssertionError("this rule must not draw")


class Twin:
    """The real balancer and the rule, given the same connections one after the other."""

    def __init__(self, farm: SimpleNamespace, kind: str, algorithm: str, links: ExitStack) -> None:
        self.farm = farm
        self.rule: Rule = RULES[(kind, algorithm)](3)
        self.rule.name_servers([f"127.0.0.1:{port}" for port in farm.node_ports])
        self.usable = [True] * 3
        self.links = links
        self.open: list[tuple[int, ClientConnection]] = []
        self.made = 0

    def connect(self, count: int) -> tuple[list[int], list[int]]:
        """Connect `count` clients; return the nodes they reached and those the rule names."""
        reached, named = [], []
        for _ in range(count):
            address = source_address(self.made, ADDRESSES)
            self.made += 1
            link = self.links.enter_context(
                connect(
                    f"ws://127.0.0.1:{self.farm.port}/",
                    source_address=(address, 0),
                    compression=None,
                    proxy=None,
                    ping_interval=None,
                    close_timeout=1,
                )
            )
            assert link.response is not None
            reached.append(int(link.response.headers["X-Node"]))
            server = self.rule.choose(self.usable, -1, address, no_draw)
            self.rule.take(server)
            named.append(server + 1)
            self.open.append((server, link))
        return reached, named

    def close(self, which: int) -> None:
        """Close one open connection and let the balancer see it; nginx cannot be asked whether it has."""
        server, link = self.open.pop(which)
        link.close()
        self.rule.release(server)
        left, deadline = [[one for one, _ in self.open].count(i) for i in range(3)], time.monotonic() + 10
        while self.farm.balancer.connections() not in (left, None):
            assert time.monotonic() < deadline, f"{self.farm.balancer.connections()} instead of {left}"
            time.sleep(0.01)
        if self.farm.balancer.connections() is None:
            time.sleep(0.1)


@pytest.fixture
def twins(
    farm: Callable[..., SimpleNamespace], balancer_installed: Callable[[str], None]
) -> Iterator[Callable[[str, str], Twin]]:
    with ExitStack() as links:

        def start(kind: str, algorithm: str) -> Twin:
            balancer_installed(kind)
            return Twin(farm(3, kind=kind, algorithm=algorithm), kind, algorithm, links)

        yield start


@pytest.mark.parametrize(("kind", "algorithm"), CHOICES)
def test_the_balancer_sends_clients_to_the_nodes_that_the_rule_names(
    kind: str, algorithm: str, twins: Callable[[str, str], Twin]
) -> None:
    twin = twins(kind, algorithm)
    reached, named = twin.connect(12)
    assert len(set(named)) > 1
    assert reached == named


@pytest.mark.parametrize(("kind", "algorithm"), CHOICES)
def test_the_balancer_and_the_rule_agree_when_clients_come_and_go(
    kind: str, algorithm: str, twins: Callable[[str, str], Twin]
) -> None:
    twin = twins(kind, algorithm)
    twin.connect(7)
    for which in (0, 2, 3, 1):
        twin.close(which)
        reached, named = twin.connect(2)
        assert reached == named
    if kind == "haproxy":
        counts = [sum(server == i for server, _ in twin.open) for i in range(3)]
        assert twin.farm.balancer.connections() == counts


@pytest.mark.parametrize(("kind", "algorithm"), HAPROXY_CHOICES)
def test_haproxy_and_the_rule_agree_while_a_server_is_down_and_after_it_came_back(
    kind: str, algorithm: str, twins: Callable[[str, str], Twin], until: Callable[..., None]
) -> None:
    twin = twins(kind, algorithm)
    twin.connect(4)
    twin.farm.nodes[1].process.kill()
    until(lambda: any(event == "marked_down" for _, event, _, _ in twin.farm.notes), 10, "no mark-down")
    for server, _ in twin.open:
        if server == 1:
            twin.rule.release(server)
    twin.usable[1] = False
    reached, named = twin.connect(8)
    assert set(named) <= {1, 3}
    assert reached == named
    twin.farm.node(2).hear(Listening)
    until(lambda: any(event == "marked_up" for _, event, _, _ in twin.farm.notes), 10, "no mark-up")
    twin.usable[1] = True
    reached, named = twin.connect(9)
    assert 2 in named
    assert reached == named


@pytest.mark.parametrize(("kind", "algorithm"), HAPROXY_CHOICES)
def test_haproxy_and_the_rule_agree_over_a_long_history_of_maintenance(
    kind: str, algorithm: str, twins: Callable[[str, str], Twin]
) -> None:
    """Servers leave and come back at any time, as an operator may have them; that needs no checks and no waiting."""
    twin = twins(kind, algorithm)
    chance = random.Random(7)
    for _ in range(40):
        server = chance.randrange(3)
        if chance.random() < 0.4 and (not twin.usable[server] or sum(twin.usable) > 1):
            twin.usable[server] = not twin.usable[server]
            state = "ready" if twin.usable[server] else "maint"
            assert twin.farm.balancer.ask(f"set server cluster/n{server + 1} state {state}") == []
            twin.rule.mark(server, twin.usable[server])
        reached, named = twin.connect(chance.randint(1, 4))
        assert reached == named
        if chance.random() < 0.3:
            twin.close(chance.randrange(len(twin.open)))


def throttle(balancer: HAProxyBalancer, server: str) -> int:
    """Return the effective weight that HAProxy gives to a server just now, out of 16."""
    header, *lines = balancer.ask("show stat")
    names = header.lstrip("# ").split(",")
    line = next(line.split(",") for line in lines if line.split(",")[names.index("svname")] == server)
    told = line[names.index("throttle")]
    return next(weight for weight in range(1, 17) if -(-100 * weight // 16) == int(told)) if told else 16


@pytest.mark.parametrize("algorithm", ["leastconn", "roundrobin", "consistent"])
def test_haproxy_and_the_rule_agree_while_a_server_starts_slowly(
    algorithm: str, farm: Callable[..., SimpleNamespace], until: Callable[..., None]
) -> None:
    with ExitStack() as links:
        twin = Twin(farm(3, algorithm=algorithm, slowstart=4), "haproxy", algorithm, links)
        twin.connect(30)
        twin.farm.nodes[1].process.kill()
        until(lambda: any(event == "marked_down" for _, event, _, _ in twin.farm.notes), 10, "no mark-down")
        for server, _ in twin.open:
            if server == 1:
                twin.rule.release(server)
        twin.usable[1] = False
        twin.rule.mark(1, False)
        twin.connect(2)
        twin.farm.node(2).hear(Listening)
        until(lambda: any(event == "marked_up" for _, event, _, _ in twin.farm.notes), 10, "no mark-up")
        up = next(t for t, event, _, _ in twin.farm.notes if event == "marked_up")
        twin.usable[1] = True
        twin.rule.mark(1, True)
        seen: dict[int, float] = {}
        while (weight := throttle(twin.farm.balancer, "n2")) < 16 or not seen:
            if weight not in seen:
                seen[weight] = time.monotonic() - up
                twin.rule.weigh(1, weight)
                reached, named = twin.connect(7)
                assert reached == named
                assert throttle(twin.farm.balancer, "n2") == weight, "the machine was too slow for this test"
            time.sleep(0.02)
        twin.rule.weigh(1, 16)
        reached, named = twin.connect(9)
        assert reached == named
        assert list(seen) == [slowstart_weight(steps, 4) for steps in range(4)]
        assert all(after > steps - 0.5 for steps, after in enumerate(seen.values()))  # later on a machine that is busy


def test_haproxy_tells_when_a_node_goes_down_and_comes_back(
    farm: Callable[..., SimpleNamespace], until: Callable[..., None]
) -> None:
    one = farm(2)
    killed = time.monotonic()
    one.nodes[1].process.kill()
    until(lambda: len(one.notes) == 1, 10, "no mark-down")
    one.nodes[1].wait(10)
    one.node(2).hear(Listening)
    until(lambda: len(one.notes) == 2, 10, "no mark-up")
    (down, *first), (up, *second) = one.notes
    assert (first, second[:2]) == (["marked_down", 2, "Layer4 connection problem"], ["marked_up", 2])
    assert killed < down < up < time.monotonic()


def test_nginx_tells_when_it_takes_a_node_out_of_rotation(
    nginx: None, farm: Callable[..., SimpleNamespace], until: Callable[..., None]
) -> None:
    one = farm(2, kind="nginx")
    one.nodes[0].process.kill()
    one.nodes[0].wait(10)
    nodes = []
    for _ in range(2):
        with connect(f"ws://127.0.0.1:{one.port}/", compression=None, proxy=None) as link:
            assert link.response is not None
            nodes.append(link.response.headers["X-Node"])
    assert nodes == ["2", "2"]
    until(lambda: one.notes, 10, "no mark-down")
    assert [note[1:] for note in one.notes] == [("marked_down", 1, "passive")]
    assert one.balancer.connections() is None


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_reload_keeps_old_tunnels_and_serves_new_clients(
    kind: str,
    farm: Callable[..., SimpleNamespace],
    balancer_installed: Callable[[str], None],
    until: Callable[..., None],
) -> None:
    balancer_installed(kind)
    one = farm(2, kind=kind)
    options = {"compression": None, "proxy": None}
    with connect(f"ws://127.0.0.1:{one.port}/", **options) as old:  # type: ignore[arg-type]
        before = one.balancer.part.pid
        one.balancer.reload()
        assert (one.balancer.part.pid != before) == (kind == "haproxy")
        until(lambda: one.balancer.part.running, 10)
        one.balancer.wait_ready(10)
        for _ in range(10):
            with connect(f"ws://127.0.0.1:{one.port}/", **options) as new:  # type: ignore[arg-type]
                assert new.ping().wait(10)
        assert old.ping().wait(10)


def test_the_cpu_time_is_that_of_the_process_that_forwards(nginx: None, farm: Callable[..., SimpleNamespace]) -> None:
    one = farm(1, kind="nginx")
    before, master = one.balancer.cpu_ns(), one.balancer.part.cpu_ns()
    for _ in range(20):
        with connect(f"ws://127.0.0.1:{one.port}/", compression=None, proxy=None):
            pass
    assert one.balancer.cpu_ns() > before
    assert one.balancer.part.cpu_ns() - master < 1e6


def test_a_balancer_whose_port_is_taken_is_an_error_that_says_so(stage: Stage, small: Callable[..., Scenario]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        balancer = start_balancer(stage, small(), port, [port], [], lambda t, e, n, d: None)
        with pytest.raises(ClusterError, match=r"^haproxy ended with exit status 1: .*listen"):
            balancer.wait_ready(10)
        balancer.close()


@pytest.mark.parametrize(
    ("algorithm", "redispatch", "cut", "stop"),
    [
        *itertools.product(["roundrobin", "leastconn", "source", "consistent", "random"], [0, -1, 2], ["none"], [0.0]),
        ("leastconn", 0, "shutdown-sessions", 0.3),
    ],
)
def test_haproxy_accepts_the_configuration_of_every_setting(
    algorithm: str, redispatch: int, cut: str, stop: float, folder: Path, small: Callable[..., Scenario]
) -> None:
    changes = {"retries": 3, "redispatch": redispatch, "on_marked_down": cut, "hard_stop_after": stop}
    changes["slowstart"] = 7 if stop else 0
    scenario = small(balancer={"kind": "haproxy", "algorithm": algorithm, **changes})
    path = folder / "haproxy.conf"
    path.write_text(HAPROXY.of_run(scenario, 20000, [20001, 20002], folder))
    done = subprocess.run([binary("haproxy"), "-c", "-f", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    text = path.read_text()
    rule = {"random": "random(2)", "consistent": "source\n    hash-type consistent"}.get(algorithm, algorithm)
    assert f"balance {rule}\n" in text
    assert text.count(" slowstart 7s\n") == (2 if stop else 0)
    assert ("option redispatch" in text) == (redispatch != 0)
    assert ("on-marked-down shutdown-sessions" in text) == (cut != "none")
    assert ("hard-stop-after 300ms" in text) == (stop > 0)


@pytest.mark.parametrize("algorithm", ["round_robin", "least_conn", "ip_hash", "random_two"])
def test_nginx_accepts_the_configuration_of_every_rule(
    nginx: None, algorithm: str, folder: Path, small: Callable[..., Scenario]
) -> None:
    scenario = small(balancer={"kind": "nginx", "algorithm": algorithm, "hard_stop_after": 2, "max_fails": 3})
    path = folder / "nginx.conf"
    path.write_text(NGINX.of_run(scenario, 20000, [20001, 20002], folder))
    command = [binary("nginx"), "-t", "-c", str(path), "-p", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert path.read_text().count("max_fails=3 fail_timeout=10s;") == 2
    assert "worker_shutdown_timeout 2s;" in path.read_text()


def test_the_provenance_of_a_balancer_names_its_version_and_configuration(
    farm: Callable[..., SimpleNamespace],
) -> None:
    one = farm(1)
    told = one.balancer.describe()
    assert told["kind"] == "haproxy"
    assert told["version"].startswith("HAProxy version 2.")
    assert f"server n1 127.0.0.1:{one.node_ports[0]} check inter 200ms fall 2 rise 1\n" in told["configuration"]


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_who_never_ends_its_request_is_cut_after_a_while_and_keeps_nobody_out(
    kind: str, farm: Callable[..., SimpleNamespace], balancer_installed: Callable[[str], None]
) -> None:
    balancer_installed(kind)
    port = farm(1, kind=kind).port
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 10) as slow:
        slow.settimeout(0.5)
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        while time.monotonic() - began < REQUEST_WITHIN + 20:
            try:
                slow.sendall(b"a")
                if not slow.recv(1000):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("it was not cut")
    assert time.monotonic() - began > REQUEST_WITHIN - 1
    with connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None) as link:
        assert link.ping().wait(10)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_signal_to_nginx_is_ordered_only_if_its_sender_is_trusted(
    trusted: bool, nginx: None, farm: Callable[..., SimpleNamespace], until: Callable[..., None]
) -> None:
    balancer = farm(1, kind="nginx").balancer
    command = ["sh", "-c", f"read go; kill -HUP {balancer.part.pid}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as sender:
        if trusted:
            balancer.trust(sender.pid)
        sender.communicate(b"go\n")
    said = f"signal 1 (SIGHUP) received from {sender.pid}"
    until(lambda: said in balancer.part.log.read_text(), 10, "nginx got no signal")
    until(lambda: bool(balancer.disturbed()) != trusted, 5, "its log was not read")
    time.sleep(0.05)  # the reader has the line by then
    assert (f"was sent SIGHUP by process {sender.pid}" in balancer.disturbed()) != trusted
