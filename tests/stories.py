"""What a record tells of one node, for tests in which several faults act on it in either world."""

from twin.record.record import Record

WORDS = {"fault": "", "no_effect": "no:", "healed": "ok:", "node_started": "", "node_stopped": "", "drained": ""}


def told(record: Record, node: int = 1) -> list[str]:
    """Return what befell a node and became of it, in order: `no:` stands for no effect, `ok:` for healed."""
    rows = of_node(record, node)
    return [
        WORDS[event] + (detail or event.removeprefix("node_"))
        for event, detail in zip(rows["event"], rows["detail"], strict=True)
    ]


def healed(record: Record, node: int = 1) -> list[float]:
    """Return when a fault of a node was over, in seconds, in order."""
    rows = of_node(record, node)
    return rows["t"][rows["event"] == "healed"].tolist()


def of_node(record: Record, node: int):  # type: ignore[no-untyped-def]
    """Return the rows that `told` tells."""
    rows = record.select(*WORDS)
    return rows[rows["node"] == node]


def connected(record: Record) -> list[int]:
    """Return the clients that are connected at the end, in order."""
    last = record.select("connected", "disconnected").groupby("client").last()
    return sorted(last[last["event"] == "connected"].index)
