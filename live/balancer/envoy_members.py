"""Envoy's servers: the registrar writes a file of endpoints, which Envoy reads when it is replaced.

Source: Envoy 1.40 API reference, `envoy.config.core.v3.PathConfigSource` (`watched_directory`).
"""

import time
from collections.abc import Mapping
from pathlib import Path

from live.balancer.base import OBEYS_WITHIN
from live.balancer.envoy import ask
from twin.config.envoy import CLUSTER, endpoints
from twin.rules.registry import Changes, Registration


class EnvoyMembers:
    """Envoy's servers.

    Args:
        path: of the file of endpoints.
        admin: path of the administration interface's socket.
    """

    def __init__(self, path: str, admin: str) -> None:
        self.path = Path(path)
        self.admin = Path(admin)

    def apply(self, todo: Changes, members: Mapping[int, Registration]) -> None:
        """Write the list, and wait until Envoy has it.

        Raises:
            OSError: Envoy does not answer, or has not read it in time.
        """
        partial = self.path.with_suffix(".partial")
        partial.write_text(endpoints(members))
        partial.replace(self.path)
        wanted = {member.address for member in members.values()}
        deadline = time.monotonic() + OBEYS_WITHIN
        while self._servers() != wanted:
            if time.monotonic() > deadline:
                raise OSError(f"Envoy has not read its list of servers within {OBEYS_WITHIN:g} s")
            time.sleep(0.001)

    def _servers(self) -> set[str]:
        """Return the addresses of the servers that Envoy has."""
        lines = (line.split("::") for line in ask(self.admin, "/clusters").splitlines())
        return {words[1] for words in lines if len(words) == 4 and words[0] == CLUSTER and words[2] == "rq_active"}
