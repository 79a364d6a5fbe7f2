"""Configurations to take away, in front of real nodes."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from live.balancer.balancer import binary, check_config
from live.control.process import Stage
from live.machine.placement import free_ports
from twin.config.balancer import Site, of_site
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live


@pytest.fixture
def sites(
    stage: Stage, farm: Callable[..., SimpleNamespace], small: Callable[..., Scenario], until: Callable[..., None]
) -> Callable[..., SimpleNamespace]:
    """Starts three nodes and the program with the configuration that a user would take away before them."""

    def start(kind: str, **more: str) -> SimpleNamespace:
        nodes = farm(3)
        port = free_ports(1)[0]
        servers = [f"127.0.0.1:{one}" for one in nodes.node_ports]
        site = Site(f"127.0.0.1:{port}", servers, "/ws", **more)  # type: ignore[arg-type]
        scenario = small(nodes={"count": 3}, balancer={"kind": kind})
        text = of_site(scenario, site)
        assert check_config(kind, text) == ""
        path = stage.folder / f"site-{kind}.{'yaml' if kind == 'envoy' else 'conf'}"
        path.write_text(text)
        if kind == "nginx":
            whole = stage.folder / "whole.conf"
            folder = stage.folder
            temp = " ".join(f"{one}_temp_path {folder}/{one};" for one in ("client_body", "proxy", "fastcgi", "uwsgi"))
            whole.write_text(
                f"daemon off; pid {folder}/site.pid; error_log stderr; events {{}} "
                f"http {{ access_log off; {temp} scgi_temp_path {folder}/scgi; include {path}; }}"
            )
            command = [binary("nginx"), "-c", str(whole), "-p", str(folder)]
        elif kind == "envoy":
            command = [binary("envoy"), "-c", str(path), "--disable-hot-restart", "--log-level", "error"]
        else:
            command = [binary("haproxy"), "-db", "-f", str(path)]
        part = stage.start(f"site {kind}", command, [])

        def reached(cookie: str = "") -> tuple[str, str]:
            """Connect once; return the node and the cookie that the answer sets."""
            headers = {"Cookie": cookie} if cookie else {}
            uri = f"ws://127.0.0.1:{port}/ws"
            with connect(uri, additional_headers=headers, compression=None, proxy=None) as link:
                assert link.ping().wait(10)
                assert link.response is not None
                return link.response.headers["X-Node"], link.response.headers.get("Set-Cookie", "")

        def ready() -> bool:
            assert part.running, part.log.read_text()
            try:
                return bool(reached()[0])
            except (OSError, InvalidStatus):
                return False

        until(ready, 10, "the site does not answer")
        return SimpleNamespace(port=port, reached=reached)

    return start


@pytest.mark.parametrize("kind", ["haproxy", "nginx", "envoy"])
def test_a_websocket_passes_and_all_nodes_are_reached(
    kind: str, sites: Callable[..., SimpleNamespace], balancer_installed: Callable[[str], None]
) -> None:
    balancer_installed(kind)
    one = sites(kind)
    assert {one.reached()[0] for _ in range(12)} == {"1", "2", "3"}


def test_nginx_binds_a_client_to_its_node_by_the_applications_cookie(
    nginx: None, sites: Callable[..., SimpleNamespace]
) -> None:
    one = sites("nginx", sticky="cookie", cookie="user")
    homes = {name: {one.reached(f"user={name}")[0] for _ in range(4)} for name in "abcdefgh"}
    assert all(len(nodes) == 1 for nodes in homes.values())
    assert len(set.union(*homes.values())) > 1
    assert len({one.reached()[0] for _ in range(6)}) == 1  # without a cookie the address binds


def test_envoy_binds_a_client_to_its_node_by_its_own_cookie(envoy: None, sites: Callable[..., SimpleNamespace]) -> None:
    one = sites("envoy", sticky="cookie", cookie="home")
    found = [one.reached() for _ in range(6)]
    assert all(cookie.startswith("home=") for _, cookie in found)
    assert len({node for node, _ in found}) > 1
    for node, cookie in found[:3]:
        assert {one.reached(cookie.split(";")[0])[0] for _ in range(3)} == {node}


def test_haproxy_binds_a_client_to_its_node_by_its_own_cookie(sites: Callable[..., SimpleNamespace]) -> None:
    one = sites("haproxy", sticky="cookie", cookie="home")
    node, cookie = one.reached()
    assert cookie.startswith(f"home=n{node};")
    assert {one.reached(f"home=n{node}")[0] for _ in range(6)} == {node}
    other = str(int(node) % 3 + 1)
    assert {one.reached(f"home=n{other}")[0] for _ in range(6)} == {other}


@pytest.mark.parametrize("kind", ["haproxy", "nginx", "envoy"])
def test_by_address_all_clients_of_one_address_reach_one_node(
    kind: str, sites: Callable[..., SimpleNamespace], balancer_installed: Callable[[str], None]
) -> None:
    balancer_installed(kind)
    one = sites(kind, sticky="address")
    assert len({one.reached()[0] for _ in range(8)}) == 1


@pytest.mark.parametrize(
    ("kind", "text"),
    [("haproxy", "frontend x\n  bind nowhere:y\n"), ("nginx", "upstream {\n"), ("envoy", "static_resources: {x: 1}\n")],
)
def test_what_the_program_does_not_accept_is_told(
    kind: str, text: str, balancer_installed: Callable[[str], None], folder: Path
) -> None:
    balancer_installed(kind)
    assert check_config(kind, text)
