"""Clients that contend for one row: Brooker's experiment on what backoff and jitter do.

Each client reads the row's version and writes the row once, which succeeds when nobody else has written it in between;
else it waits as its policy says and begins anew. This is no cluster, but the waits are those of `twin.rules.backoff`.

Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, and its simulator
(aws-samples/aws-arch-backoff-simulator).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import simpy

from twin.rules.backoff import Backoff, Jitter, Policy, Reconnect

HOP, HOP_DEVIATION = 0.010, 0.002
"""Seconds of a message on the network: |N(HOP, HOP_DEVIATION)|. Source: `Net(10, 2)` in the simulator, milliseconds."""

BASE, CAP = 0.005, 2.0
"""Seconds. Source: `backoff_cls(5, 2000)` in the simulator."""


@dataclass(frozen=True)
class Contest:
    """What happened: how many writes were tried, and when the last client was done, in seconds."""

    calls: int
    end: float


def policies() -> dict[str, Reconnect]:
    """Return the five policies of the experiment by name.

    The simulator counts failures from 1, so that its first wait is bounded by twice `BASE`; that of `decorrelated` by
    three times `BASE`.
    """

    def one(policy: Policy, base: float, jitter: Jitter) -> Reconnect:
        return Reconnect(policy, base, 2.0, CAP, jitter, "backoff", 0, 0.0)

    return {
        "none": one("immediate", BASE, "none"),
        "exponential": one("exponential", 2 * BASE, "none"),
        "equal": one("exponential", 2 * BASE, "equal"),
        "full": one("exponential", 2 * BASE, "full"),
        "decorrelated": one("exponential", BASE, "decorrelated"),
    }


class _Row:
    def __init__(self) -> None:
        self.version = 0
        self.calls = 0


def contend(rule: Reconnect, clients: int, seed: int = 1, replication: int = 0) -> Contest:
    """Let all clients begin at once, and return what it took until everyone has written.

    Args:
        rule: the policy of all clients, without a limit of attempts.
        clients: how many.
        seed: of all random numbers, with `replication`: Philox, in the order in which they are used.
        replication: number of the run.
    """
    env = simpy.Environment()
    row = _Row()
    random = np.random.Generator(np.random.Philox(key=[seed, replication]))
    hop = iter(_hops(random)).__next__
    draw = iter(_uniforms(random)).__next__
    for _ in range(clients):
        env.process(_client(env, row, Backoff(rule), hop, draw))
    env.run()
    return Contest(row.calls, float(env.now))


def _client(
    env: simpy.Environment, row: _Row, backoff: Backoff, hop: Callable[[], float], draw: Callable[[], float]
) -> "simpy.events.ProcessGenerator":
    yield env.timeout(hop())
    while True:
        version = row.version
        yield env.timeout(hop() + hop())  # the answer to the read, and the write
        row.calls += 1
        if row.version == version:
            row.version += 1
            yield env.timeout(hop())
            return
        wait = backoff.after_failure(draw())
        assert wait is not None
        yield env.timeout(hop() + wait + hop())  # the answer to the write, the wait, and the next read


def _hops(random: np.random.Generator) -> Iterator[float]:
    while True:
        yield from np.abs(random.normal(HOP, HOP_DEVIATION, 4096)).tolist()


def _uniforms(random: np.random.Generator) -> Iterator[float]:
    while True:
        yield from random.random(1024).tolist()
