"""Clients that contend for one row: Brooker's experiment on what backoff and jitter do.

Each client reads the row's version and writes the row once, which succeeds when nobody else has written it in between;
else it waits as its policy says and begins anew. This is no cluster, but the waits are those of `twin.rules.backoff`.

Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, and its simulator
(aws-samples/aws-arch-backoff-simulator).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import simpy

from twin.rules.backoff import Backoff, Jitter, Policy, Reconnect

HOP, HOP_DEVIATION = 0.010, 0.002
"""Seconds of a message on the network: |N(HOP, HOP_DEVIATION)|. Source: `Net(10, 2)` in the simulator, milliseconds."""

BASE, CAP = 0.005, 2.0
"""Seconds. Source: `backoff_cls(5, 2000)` in the simulator."""

PUBLISHED = {
    "none": (2426, 2.031),
    "exponential": (1846, 63.309),
    "equal": (813, 6.540),
    "full": (796, 4.909),
    "decorrelated": (999, 4.780),
}
"""Calls, and seconds until the last of 100 clients is done: means of 100 runs of the simulator."""

PUBLISHED_RUNS = 100
"""Runs behind each published mean."""

T_995 = 2.63
"""99.5 % quantile of Student's t for 100 values. Source: NIST/SEMATECH e-Handbook, table 1.3.6.7.2."""


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


def brookers_table(
    runs: int = 100, names: Sequence[str] = tuple(PUBLISHED), progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """Return our means beside the published ones, one row a policy, for 100 clients.

    Args:
        runs: how many, 2 or more; the half widths are right for about 100 or more.
        names: of the policies.
        progress: receives (runs done, runs of all policies).

    Returns:
        For `calls` and `end (s)`: `ours`, `+-` (half width of the 99 % interval of our mean), `published`, `ratio`, and
        `apart`: the difference over the half width of the 99 % interval of a difference of both means.
    """
    rows, rules, done = {}, policies(), 0
    for name in names:
        contests = []
        for k in range(runs):
            contests.append(contend(rules[name], 100, replication=k))
            done += 1
            if progress is not None:
                progress(done, runs * len(names))
        row: dict[tuple[str, str], float] = {}
        for what, values, published in zip(
            ("calls", "end (s)"), ([c.calls for c in contests], [c.end for c in contests]), PUBLISHED[name], strict=True
        ):
            numbers = np.array(values, dtype=float)
            mean, deviation = float(numbers.mean()), float(numbers.std(ddof=1))
            row[what, "ours"] = mean
            row[what, "+-"] = T_995 * deviation / runs**0.5
            row[what, "published"] = published
            row[what, "ratio"] = mean / published
            both = T_995 * deviation * (1 / runs + 1 / PUBLISHED_RUNS) ** 0.5
            row[what, "apart"] = abs(mean - published) / both
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")


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
