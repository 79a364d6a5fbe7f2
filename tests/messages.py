"""A small broadcast in which all goes well, and the means to spoil it."""

from tests.strategies import small
from twin.record.record import Record, row

HOMES = (1, 2, 1, 3)
WARM = [row(-0.4 + 0.1 * i, name, i, node if name == "connected" else -1, 1)
        for i, node in enumerate(HOMES) for name in ("attempt_connect", "connected")]  # fmt: skip


def scenario(**changes):
    """Four clients on three nodes hear three messages over a stream in a run of six seconds."""
    settings = {"clients": {"count": 4}, "duration": 6.0, "bus": {"kind": "stream"}}
    settings["publisher"] = {"rate": 1.0, "start": 1.0, "messages": 3}
    return small(**(settings | changes))


def good_rows():
    """Message k is published at k s; each node has it 10 ms later, client i applies it (i + 1) * 20 ms later, node n
    has acknowledged it n * 100 ms later.
    """
    rows = list(WARM)
    for k in (1, 2, 3):
        detail = f"1 {k}"
        rows.append(row(k, "published", attempt=1, version=k, detail=f"{detail} acknowledged 3"))
        for node in (1, 2, 3):
            rows.append(row(k + 0.01, "received", node=node, version=k, detail=detail))
            rows.append(row(k + 0.1 * node, "acked", node=node, version=k, detail=detail))
        rows += [row(k + 0.02 * (i + 1), "delivered", i, HOMES[i], version=k, detail=detail) for i in range(4)]
        rows.append(row(k + 0.3, "consistent", version=k, detail=detail))
    return rows


def good_end():
    """What the balancer counts at the end."""
    return [row(6.0, "server_connections", node=node, detail=str(HOMES.count(node))) for node in (1, 2, 3)]


def record(rows, world="sim", **changes):
    """Return a record of these rows."""
    return Record.of(rows, {"world": world, "scenario": scenario(**changes).model_dump(exclude_none=True)})


def without(rows, event, **values):
    """Return the rows but those of the event whose columns have the values."""
    names = ("t", "event", "client", "node", "attempt", "version", "detail")

    def hit(one):
        data = dict(zip(names, one, strict=True))
        return data["event"] == event and all(data[name] == value for name, value in values.items())

    left = [one for one in rows if not hit(one)]
    assert len(left) < len(rows)
    return left
