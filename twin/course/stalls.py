"""What the lab notebook on what stalls a node computes and checks, so that it holds no logic itself.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from twin.course.explanations import Journey, Shows
from twin.course.extremes import Extreme
from twin.measures import measure_record
from twin.measures.base import Array, percentiles
from twin.measures.handler import answer_times
from twin.record.record import Record
from twin.rules.gil import SWITCH_INTERVAL
from twin.rules.go_program import GoMachine, GoProgram, paced
from twin.rules.queues import mean_wait
from twin.scenario.handler import Task
from twin.scenario.scenario import Scenario

Simulate = Callable[[Scenario, int], Record]
"""Returns the record of a scenario's replication of a number."""

NAMES = {
    "loop": "handler-loop",
    "thread pool": "handler-thread-pool",
    "process pool": "handler-process-pool",
    "4 processes": "workers-reuseport",
    "goroutines": "handler-go",
    "loop, blocking call": "handler-blocking",
}
"""What does the long work, or lets it block, and the scenario of each."""
WHICH = (50, 90, 99)
SLICE = 0.020
"""Seconds for which a goroutine computes that follows another one that was preempted: two looks of `sysmon`."""
BEHIND = 0.8
"""Share of a long request for which a client's usual request has to wait to be behind it."""
PIECE_LIMIT = 0.020
"""Seconds that `short_answer_p99` must stay below where the long work is cut into pieces."""
WORKERS_LIMIT = 0.010
"""Seconds that `short_answer_p90` must stay below with several processes."""
CHECKED = 4.0
"""Length of the runs of the questions."""


def variant(name: str, **changes: object) -> Scenario:
    """Return one of the lab's scenarios by its name in `NAMES`, with some changes."""
    return Scenario.load(NAMES[name]).vary(**changes)


def answers_table(records: Mapping[str, Record]) -> pd.DataFrame:
    """Return how long answers of each run took, in ms: percentiles of short and long requests, and of how late a
    timer of a node is.
    """
    rows = {}
    for name, record in records.items():
        found = measure_record(record)
        some = [f"short_answer_p{which}" for which in WHICH] + ["long_answer_p50", "loop_late_p90"]
        rows[name] = {f"{one.replace('_', ' ')} (ms)": 1000 * found.get(one, np.nan) for one in some}
    return pd.DataFrame.from_dict(rows, orient="index")


def short_answers(record: Record) -> tuple[Array, Array]:
    """Return when each short request of the run was made that got an answer, and after how many seconds it came."""
    asked, took = answer_times(record, "short")
    there = ~np.isnan(took) & (asked >= 0.0)
    return asked[there], took[there]


def long_begins(record: Record) -> Array:
    """Return when the long requests of a run were made, in seconds, in order."""
    return np.sort(answer_times(record, "long")[0])


def waits_by_hand(share: float, longest: float, at: float) -> float:
    """Return the wait in seconds that a share `at` of all requests stays below, where a share of them comes while
    something is under way and waits for what is left of it, any part of `longest` seconds.
    """
    return max(0.0, longest * (1.0 - (1.0 - at) / share)) if share > 0.0 else 0.0


def tails_by_hand(length: float, rate: float, processes: int = 4, waits: Array | None = None) -> pd.DataFrame:
    """Return which share of the short requests waits for longer than so many seconds, by who does the long work.

    Nothing but the long work takes time. In the loop a request waits for what is left of it; beside a thread for the
    interpreter lock, once; among goroutines for what is left of a slice; and with several processes only who is
    connected to the one that works waits.

    Args:
        length: seconds of a long request.
        rate: long requests a second.
        processes: how many.
        waits: seconds at which to look; by default up to `length`.

    Returns:
        One row a wait, one column a way.
    """
    busy = min(1.0, length * rate)
    at = np.linspace(0.0, length, 201) if waits is None else waits
    lock, piece = min(SWITCH_INTERVAL, length), min(SLICE, length)

    def left(whole: float) -> Array:
        return np.clip(1.0 - at / whole, 0.0, 1.0)

    columns = {
        "loop": busy * left(length),
        "goroutines": busy * left(piece),
        f"{processes} processes": busy / processes * left(length),
        "thread pool": np.where(at < lock, busy, 0.0),
    }
    return pd.DataFrame(columns, index=pd.Index(at, name="wait"))


def pollaczek_khinchine(tasks: Iterable[tuple[float, float]]) -> float:
    """Return the mean wait in seconds in front of one server, first come, first served, at Poisson arrivals (M/G/1).

    Args:
        tasks: requests a second and the seconds that each of them takes, one pair a kind.
    """
    some = list(tasks)
    load = sum(rate * seconds for rate, seconds in some)
    return sum(rate * seconds**2 for rate, seconds in some) / (2.0 * (1.0 - load)) if load < 1.0 else float("inf")


def only_task(scenario: Scenario) -> Task:
    """Return the one task of a scenario's nodes, which there is."""
    assert scenario.nodes.handler is not None
    (task,) = scenario.nodes.handler.tasks
    return task


def with_load(scenario: Scenario, load: float) -> Scenario:
    """Return the scenario with Poisson arrivals and exponential work, at a load."""
    task = only_task(scenario)
    changed = task.model_dump() | {"rate": load / task.cpu.mean}
    return scenario.vary(nodes={"handler": {"tasks": [changed]}})


def loads_table(
    scenario: Scenario,
    simulate: Simulate,
    loads: Sequence[float],
    replications: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Return the mean time from a request to its answer at several loads, in ms, one row a load: by the formula of
    M/M/1, and simulated: the mean of the replications' means, and their least and largest.

    Args:
        scenario: with one task of Poisson arrivals and exponential work.
        simulate: returns the record of a replication.
        loads: shares of the time in which the node works.
        replications: of each.
        progress: receives (replications done, all of them).
    """
    rows = {}
    for i, load in enumerate(loads):
        varied, means = with_load(scenario, load), []
        task = only_task(varied)
        for k in range(replications):
            means.append(1000 * float(short_answers(simulate(varied, k))[1].mean()))
            progress(i * replications + k + 1, len(loads) * replications)
        by_hand = 1000 * (task.cpu.mean + mean_wait(1, load, task.cpu.mean))
        rows[load] = {"M/M/1 (ms)": by_hand, "simulated (ms)": float(np.mean(means)), "least (ms)": min(means),
                      "largest (ms)": max(means)}  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("load")


def offsets_table(record: Record) -> pd.DataFrame:
    """Return for each client how long after the last long request it makes its first short ones, in ms, one row a
    client.
    """
    begins, asked = long_begins(record), record.select("requested")
    mine = asked[(asked["task"] == "short") & (asked["t"] >= begins[0])]
    rows = {}
    for client, times in mine.groupby("client")["t"]:
        some = times.to_numpy()[:3]
        since = some - begins[np.searchsorted(begins, some, side="right") - 1]
        rows[int(client)] = {f"request {k}": 1000 * one for k, one in enumerate(since, 1)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("client").sort_index()


def short_times(journey: Journey, name: str) -> pd.Series:
    """Return when a client's events of a name happened that are of short tasks, in seconds, by their numbers."""
    events = journey.record.columns.of(name)
    mine = events.at((events.client == journey.client) & (events.t >= 0.0) & events.words("task").isin("short"))
    return pd.Series(mine.t, index=mine.version)


def always_behind(record: Record) -> Shows:
    """Return a mechanism: a client's requests come just after a long one has begun, each time, so that it waits for
    nearly all of it.
    """
    length = (
        max(task.cpu.mean for task in record.scenario.nodes.handler.tasks) if record.scenario.nodes.handler else 0.0
    )

    def shows(journey: Journey) -> tuple[bool, str]:
        took = (short_times(journey, "answered") - short_times(journey, "requested")).dropna()
        if not len(took):
            return False, "has got no answer"
        usual = float(took.median())
        return usual >= BEHIND * length, f"usually gets its answer after {1000 * usual:.1f} ms"

    return shows


def go_table(length: float = 0.1, every: float = 0.008, idle: float = 0.2) -> pd.DataFrame:
    """Return how long short requests wait that come while a long one has the only P of a program in Go: by its
    scheduler alone, where nothing else takes time.

    Args:
        length: seconds of the long one.
        every: seconds between two short ones.
        idle: seconds before the long one comes, in which the program rests.

    Returns:
        One row a request: ms from the begin of the long one to its coming and to its begin, and its wait.
    """
    count = int(length / every)
    requests = [(idle, length, 0.0), *((idle + every * k, 0.0002, 0.0) for k in range(1, count + 1))]
    maker, tasks = paced(requests)
    GoProgram(GoMachine(1)).run([], [maker], idle + 2.0 * length + 1.0)
    began = tasks[0].began
    rows = []
    for (due, *_), task in zip(requests[1:], tasks[1:], strict=True):
        times = (1000 * (due - began), 1000 * (task.began - began), 1000 * (task.began - due))
        rows.append(dict(zip(("comes (ms)", "begins (ms)", "waits (ms)"), times, strict=True)))
    return pd.DataFrame(rows)


def in_pieces(scenario: Scenario, seconds: float) -> Scenario:
    """Return the scenario with its long work cut into pieces: as much of it a second, in more requests."""
    tasks = [task.model_dump() for task in scenario.nodes.handler.tasks] if scenario.nodes.handler is not None else []
    for task in tasks:
        if task["name"] == "long":
            work = task["rate"] * task["cpu"]["mean"]
            task |= {"cpu": task["cpu"] | {"mean": seconds}, "rate": work / seconds}
        else:
            task["arrivals"] = "poisson"  # so that no beat of both decides
    return scenario.vary(nodes={"handler": {"tasks": tasks}})


def largest_piece(lab: Scenario) -> Extreme:
    """Return the lab's question: how long may the pieces be into which the loop's long work is cut?

    Args:
        lab: the scenario in which the loop does it.
    """
    other = lab.vary(duration=CHECKED)
    return Extreme(
        scenario=other,
        setting="piece in s",
        varied=lambda seconds: in_pieces(other, seconds),
        measure="short_answer_p99",
        bound=PIECE_LIMIT,
        least=0.001,
        most_allowed=0.2,
        interval="range",
        hint="Two in five short requests come while a piece is under way. Which share of its length do 99 % of all "
        "requests stay below?",
    )


def harder(lab: Scenario) -> Extreme:
    """Return the harder question: how few processes on one port do, where the long work stays whole?

    Args:
        lab: the scenario in which the loop does it.
    """
    other = Scenario.load(NAMES["4 processes"]).vary(seed=lab.seed, duration=CHECKED)
    return Extreme(
        scenario=other,
        setting="nodes.workers.count",
        varied=lambda count: other.vary(nodes={"workers": {"count": int(count)}}),
        measure="short_answer_p90",
        bound=WORKERS_LIMIT,
        least=1,
        most_allowed=40,
        largest=False,
        integer=True,
        interval="range",
        hint="A process with a long request holds up only its own clients. Which share of all requests may be held up "
        "if nine of ten are not, and how unevenly does a hash spread 50 clients?",
        lab=lab.vary(duration=CHECKED),
    )


def of_answers(record: Record) -> Array:
    """Return the percentiles `WHICH` of the time from a short request to its answer, in seconds."""
    return np.array(percentiles(short_answers(record)[1], *WHICH))
