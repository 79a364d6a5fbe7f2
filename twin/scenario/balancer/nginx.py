"""nginx as the balancer."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from twin.scenario.balancer.base import FILES, BalancerSettings, Limit
from twin.scenario.fields import Positive
from twin.scenario.rates import RequestRate

WORKER_CONNECTIONS = 512
"""Connections of an nginx worker, to clients and to nodes. Source: nginx 1.22 src/event/ngx_event.c
(`DEFAULT_CONNECTIONS`)."""


OWN = 2
"""Connections that a worker has for itself: the listening socket, and the channel to its master. Source: nginx 1.22,
src/event/ngx_event.c (`ngx_event_process_init`), src/os/unix/ngx_channel.c (`ngx_add_channel_event`)."""


def worker_connections(clients: int) -> int:
    """Return `worker_connections`: two for each client, and some to spare."""
    return 2 * clients + 1000


def worker_files(clients: int) -> int:
    """Return `worker_rlimit_nofile`."""
    return 4 * clients + 1000


class Nginx(BalancerSettings):
    """nginx as the balancer, one worker."""

    program: ClassVar[str] = "nginx"
    idle_field: ClassVar[str] = "read_timeout"
    idle_source: ClassVar[str] = "nginx, ngx_http_proxy_module (`proxy_read_timeout`)"
    answer_field: ClassVar[str] = "read_timeout"
    tries_peers: ClassVar[bool] = True
    relists: ClassVar[bool] = True

    kind: Literal["nginx"] = Field("nginx", description="Program of the balancer: nginx, haproxy, or envoy.")
    algorithm: Literal["round_robin", "least_conn", "ip_hash", "random_two", "hash_consistent"] = Field(
        "round_robin",
        description="Choice rule; random_two is random two least_conn, hash_consistent is hash $remote_addr "
        "consistent.",
    )
    max_fails: Annotated[int, Field(ge=0, le=100)] = Field(
        1, description="Failed connects that take a peer out of rotation; 0 never does."
    )
    fail_timeout: Annotated[int, Field(ge=1, le=3600)] = Field(
        10, description="Seconds a peer stays out of rotation, whole seconds."
    )
    connect_timeout: Positive = Field(
        5.0,
        description="Seconds to wait for a peer to accept a connection. nginx's own default, and that of the preset, "
        "is 60.",
    )
    read_timeout: Positive = Field(
        3600.0,
        description="proxy_read_timeout: seconds without a byte in either direction until a connection is cut. nginx's "
        "own default, and that of the preset, is 60.",
    )
    worker_connections: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0,
        description="worker_connections: connections of the worker, to clients and to nodes; 0: more than there are. "
        "nginx's own default is 512.",
    )
    limit_req: RequestRate | None = Field(
        None, description="limit_req: requests of one source address; left out: as many as come."
    )
    limit_conn: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0, description="limit_conn: connections of one source address at once, further ones get a 429; 0 is no limit."
    )
    hard_stop_after: Annotated[int, Field(ge=0, le=3600)] = Field(
        0, description="worker_shutdown_timeout: seconds after a reload until old tunnels are cut; 0 is never."
    )

    @classmethod
    def plain(cls) -> Self:
        """Return settings that count no failures."""
        return cls(max_fails=0)

    @property
    def idle_timeout(self) -> float:
        """Return `read_timeout`."""
        return self.read_timeout

    @property
    def answer_timeout(self) -> float:
        """Return `read_timeout`."""
        return self.read_timeout

    @property
    def unanswered_within(self) -> float | None:
        """Return `connect_timeout`."""
        return self.connect_timeout

    @property
    def retried_within(self) -> float:
        """Return `fail_timeout`: until then a peer may be tried in vain."""
        return self.fail_timeout

    def rooms(self, nodes: int) -> dict[str, int]:
        """Return half of what `worker_connections` leaves after its own: one to the client and one to the node."""
        return {"worker_connections": (self.worker_connections - OWN) // 2} if self.worker_connections else {}

    @property
    def per_address(self) -> dict[str, int]:
        """Return `limit_conn`, and the first one and the burst of `limit_req`."""
        found = {"limit_conn": self.limit_conn} if self.limit_conn else {}
        return found | ({"limit_req.burst": self.limit_req.burst + 1} if self.limit_req is not None else {})

    def blind(self, silent: bool) -> float:
        """Return `fail_timeout`: it finds out by the attempts themselves."""
        return self.fail_timeout

    def files_of_run(self, clients: int) -> int:
        """Return two files a client and some to spare."""
        return 2 * clients + 1100

    def limits(self, clients: int) -> list[Limit]:
        """Return the connections and the open files of its worker, two a client."""
        need = 2 * clients
        connections = (
            f"An nginx worker has {WORKER_CONNECTIONS} connections by default (worker_connections), and {clients} "
            f"clients need {need}, two each."
        )
        set_connections = f"Set events {{ worker_connections {worker_connections(clients)}; }}."
        files = (
            f"An nginx worker may open {FILES} files by default (the soft limit, ulimit -n), and {clients} clients "
            f"need {need}, two each."
        )
        set_files = f"Set worker_rlimit_nofile {worker_files(clients)};."
        source = "nginx, ngx_core_module, worker_connections"
        found = [Limit(need, FILES, files, set_files, "systemd-system.conf(5), `DefaultLimitNOFILE=`")]
        if self.worker_connections:  # set, and so a limit of the scenario
            return found
        return [Limit(need, WORKER_CONNECTIONS, connections, set_connections, source), *found]
