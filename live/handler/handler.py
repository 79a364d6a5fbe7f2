"""What the lab tells about requests that make nodes work: the nodes who does it, and the clients what to ask for."""

from typing import TYPE_CHECKING, Any

from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster
    from twin.scenario.handler import HandlerSettings


class Handlers(ClusterPart):
    """The handlers of one run.

    Args:
        cluster: the cluster.
        settings: `nodes.handler`.
    """

    nodes_tell = True

    def __init__(self, cluster: "Cluster", settings: "HandlerSettings") -> None:
        scenario = cluster.scenario
        self.node = {
            "answer_bytes": settings.answer_bytes,
            "executor": scenario.nodes.executor.kind,
            "size": scenario.nodes.executor.size,
        }
        self.clients = {
            "tasks": [[task.name, *vars(task.rule()).values()] for task in settings.tasks],
            "clients": scenario.clients.count,
            "payload_bytes": settings.payload_bytes,
        }

    def of_node(self, number: int) -> dict[str, Any]:
        """Return who does the work, and how large an answer is; each request says what it takes."""
        return {"handler": self.node}

    def of_clients(self) -> dict[str, Any]:
        """Return what the clients ask for."""
        return {"handler": self.clients}


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster whose nodes have a handler."""
    if cluster.scenario.nodes.handler is not None:
        cluster.add(Handlers(cluster, cluster.scenario.nodes.handler))
