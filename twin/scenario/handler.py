"""What requests of clients make a node do, and who does it there."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from twin.rules.handler import MOST_TASKS, Arrivals, Distribution, TaskRule
from twin.scenario.fields import Problem, Table, refused

MOST_REQUESTS = 200_000
"""Requests that the clients of one run may make."""

TaskName = Literal["short", "medium", "long"]
"""What a kind of work is called; measures have these names."""

ExecutorKind = Literal["loop", "thread_pool", "process_pool"]
"""Who does the CPU work and the blocking calls of a handler."""


class DrawnTime(Table):
    """Seconds of one kind that a request takes; a number stands for a fixed time."""

    mean: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = Field(0.0, description="Mean, in seconds.")
    distribution: Distribution = Field(
        "fixed", description="fixed: always the mean; exponential; uniform: evenly drawn from 0 to twice the mean."
    )


def fixed_time(given: Any) -> Any:
    """Return a number as the table that it stands for; anything else is returned as it is."""
    return {"mean": float(given)} if isinstance(given, int | float) and not isinstance(given, bool) else given


Drawn = Annotated[DrawnTime, BeforeValidator(fixed_time, json_schema_input_type=float | DrawnTime)]


class Task(Table):
    """One kind of work: how often clients ask for it, and what it takes."""

    name: TaskName = Field("short", description="Its name in the measures: short, medium or long; each one once.")
    rate: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] = Field(
        10.0,
        description="Requests a second of all clients together; one that is due while its client is away is not made.",
    )
    arrivals: Arrivals = Field(
        "even",
        description="even: at equal intervals, the clients in turn; poisson: each client at exponential intervals.",
    )
    cpu: Drawn = Field(DrawnTime(), description="CPU time that a request takes, a number of seconds or a table.")
    blocking: Drawn = Field(
        DrawnTime(),
        description="Time in a blocking call after that, in which the thread does nothing else, a number of seconds or "
        "a table.",
    )
    awaiting: Drawn = Field(
        DrawnTime(),
        description="Time until what is awaited after that is there, while others are served, a number of seconds or a "
        "table.",
    )

    def rule(self) -> TaskRule:
        """Return the task as the rules know it."""
        times = [(one.distribution, one.mean) for one in (self.cpu, self.blocking, self.awaiting)]
        return TaskRule(self.rate, self.arrivals, *times)


class HandlerSettings(Table):
    """What a node does for a request of a client before it answers: CPU work, then a blocking call, then an await."""

    tasks: Annotated[list[Task], Field(min_length=1, max_length=MOST_TASKS)] = Field(
        [Task()], description="The kinds of work, which clients ask for beside each other."
    )
    payload_bytes: Annotated[int, Field(ge=64, le=65_536)] = Field(64, description="Bytes of each request.")
    answer_bytes: Annotated[int, Field(ge=16, le=65_536)] = Field(64, description="Bytes of each answer.")

    @model_validator(mode="after")
    def _check(self) -> "HandlerSettings":
        names = [task.name for task in self.tasks]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise refused(f"tasks.{i}.name", f"'{name}'", "a name that no other task has")
        return self


class Executor(Table):
    """Who does the CPU work and the blocking calls of a handler in a node with an event loop."""

    kind: ExecutorKind = Field(
        "loop",
        description="loop: the event loop itself; thread_pool: threads beside it, under the same interpreter lock; "
        "process_pool: processes beside it.",
    )
    size: Annotated[int, Field(ge=1, le=64)] = Field(4, description="Threads or processes of the pool.")


def handler_problem(handler: HandlerSettings | None, clients: int, duration: float) -> Problem | None:
    """Return what does not fit, or None.

    Args:
        handler: what the scenario asks for.
        clients: how many.
        duration: of a run, in seconds.
    """
    if handler is None:
        return None
    asked = sum(task.rate for task in handler.tasks)
    if asked * duration > MOST_REQUESTS:
        allowed = f"such that at most {MOST_REQUESTS} requests are made"
        return Problem("nodes.handler.tasks.0.rate", f"{handler.tasks[0].rate:g}", allowed)
    return None
