"""The kinds of balancers that can be run: one module each, listed here."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from live.balancer.base import Balancer, Note
from live.balancer.envoy import EnvoyBalancer
from live.balancer.haproxy import HAProxyBalancer
from live.balancer.nginx import NginxBalancer
from live.control.folder import temporary
from live.control.process import Stage, surroundings
from twin.scenario.scenario import Scenario

KINDS: dict[str, type[Balancer]] = {one.kind: one for one in (HAProxyBalancer, NginxBalancer, EnvoyBalancer)}


def start_balancer(
    stage: Stage, scenario: Scenario, port: int, node_ports: Sequence[int], cpus: Sequence[int], note: Note
) -> Balancer:
    """Start the scenario's balancer; see `Balancer` for the arguments.

    Raises:
        HostError: its program is not installed.
    """
    return KINDS[scenario.balancer.kind](stage, scenario, port, node_ports, cpus, note)


def binary(kind: str) -> str:
    """Return the path of a kind's program.

    Raises:
        HostError: it is not installed.
    """
    return KINDS[kind].binary()


def check_config(kind: str, text: str) -> str:
    """Let the real program read a configuration to take away; return what it complains about, or an empty text.

    Raises:
        HostError: the program is not installed.
    """
    program = binary(kind)
    with tempfile.TemporaryDirectory(prefix="stormlab-", dir=temporary()) as name:
        command = KINDS[kind].check_command(program, text, Path(name))
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20, env=surroundings())
        return "" if done.returncode == 0 else done.stderr.strip().replace(f"{name}/", "")
