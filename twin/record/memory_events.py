"""Events of the memory of nodes."""

from twin.record.typed import Event, event, own


@event("node")
class NodeMemory(Event):
    """The resident memory of the node's process shortly before the end of the run, and before its clients connected.
    Only where that is asked for (`host.memory`), nodes have a limit or something decides how messages travel, and not
    of a process that is not there all the time. Simulated, `before` is 0 where the host profile does not know it.
    """

    before: int = own("bytes before its clients connected", "B")
    after: int = own("bytes shortly before the end", "B")
    connections: int = own("connections that it has then")


@event("node")
class OutOfMemory(Event):
    """The node has reached `nodes.memory_limit`, and its process is killed; `node_stopped` follows."""


OF_MEMORY: tuple[type[Event], ...] = (NodeMemory, OutOfMemory)
