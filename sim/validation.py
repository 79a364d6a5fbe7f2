"""Whether a scenario holds its objectives: runs until that can be told, what took the time, and what would help."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from math import inf

from sim.engines import Engine, pick
from sim.estimate import LONG, WORTH_A_PROBE, seconds, spoken, work
from sim.run import simulate
from sim.sampling import APART, Numbers, Sampler
from twin.advice import LintFinding, findings
from twin.advice.times import milliseconds
from twin.analysis.levers import LeverEffect, LeverStep, effect, median_of, ranked, steps
from twin.analysis.objectives import asked, holds, parse_objective, value_of
from twin.analysis.verdicts import ObjectiveVerdict, Validation
from twin.analysis.way_back import WayBack, ways_back
from twin.costs.lacking import warn_of_lacks
from twin.costs.profile import HostProfile
from twin.errors import EngineWarning, ScenarioError
from twin.rules.sequential import Decision, decide, fewest_runs
from twin.scenario.objectives import Objective
from twin.scenario.scenario import Scenario

ERROR = 0.05
"""Greatest probability of a verdict that is wrong: to pass what does not hold, or to fail what does."""

MOST_RUNS = 1000
"""Runs after which an objective is left unknown, if nothing else is asked for."""

FIRST, LARGEST = 8, 64
"""Runs that are made at once: at first, and at most."""

LEVER_RUNS = 4
"""Runs of each step of a lever that changes anything at all in the first one; `CLOSER_RUNS` of those that help most."""
CLOSER_RUNS = 12
CLOSER = 8
"""So many of the best steps are looked at more closely."""

MILLISECONDS = milliseconds.name
"""The rule by whose finding a time may be meant in milliseconds."""

FEW_CLIENTS = 1000
"""Up to so many clients a step is tried that only the SimPy model simulates where the compiled engine ran the rest."""

SHARES = (0.5, 0.99)
"""Whose ways back are looked at: the median client's, and that of the one by whom 99 % are back."""

Shown = Callable[[str, int, int], None]
"""Gets what is being done, how many runs of it are done, and of how many."""


def validate(
    scenario: Scenario,
    objectives: Sequence[str | Objective] = (),
    runs: int = MOST_RUNS,
    profile: HostProfile | None = None,
    engine: Engine = "auto",
    jobs: int = -1,
    levers: bool = True,
    progress: Shown = lambda text, done, total: None,
) -> Validation:
    """Judge whether a scenario holds its objectives.

    Args:
        scenario: what to judge. What it leaves open is assumed and said: an objective, a fault, enough time.
        objectives: in place of the scenario's own ones, as texts like `time_to_99<=30@0.95`, or `Objective`s.
        runs: after so many an objective is left unknown that cannot be told before.
        profile: costs of the host; the scenario's `host.profile` by default.
        engine: see `sim.engines`.
        jobs: threads or processes to use; -1 is one a core.
        levers: whether to try each setting one step either way.
        progress: receives what is being done, runs done, and of how many.

    Raises:
        ScenarioError: an objective is about nothing that a run says, `runs` is not from 1 to 100,000, there is no such
            profile, or the engine does not know the scenario.
    """
    if not 1 <= runs <= 100_000:
        raise ScenarioError(f"runs is {runs}; allowed is 1 to 100000.")
    pick(scenario, engine)
    if objectives:
        wanted = [parse_objective(one) if isinstance(one, str) else one for one in objectives]
        scenario = scenario.vary(objectives=[one.model_dump() for one in wanted])
    profile = profile or HostProfile.for_scenario(scenario)
    scenario, assumed = _asked(scenario, engine, profile)
    profile.must_know(scenario)
    warn_of_lacks(profile, [scenario])
    sampler = Sampler(profile, engine, jobs)
    _warn_of_engine(scenario, sampler, levers)
    made, decided = _sampled(scenario, sampler, runs, progress)
    verdicts = [_verdict(one, made, how) for one, how in zip(scenario.objectives, decided, strict=True)]
    least = min(verdicts, key=_holds_least)
    focus = least.objective
    found = findings(scenario)
    effects, untried = _levers(scenario, focus, made, sampler, found, progress) if levers else ([], [])
    return Validation(
        scenario,
        verdicts,
        assumed,
        focus,
        _ways(scenario, least, made, sampler),
        effects,
        untried,
        found,
        sampler.engine_of(scenario),
        levers,
    )


def _asked(scenario: Scenario, engine: Engine, profile: HostProfile) -> tuple[Scenario, list[str]]:
    """Return what is judged, and what was assumed. Where a run that goes on for longer than it has to needs the SimPy
    model, as an idle timeout may end in it, it goes on for just as long as it has to.
    """
    long, short = asked(scenario), asked(scenario, longer=1.0)
    engines = [pick(one, engine, profile)[0] for one, _ in (long, short)]
    return short if engines == ["simpy", "compiled"] else long


def _warn_of_engine(scenario: Scenario, sampler: Sampler, levers: bool) -> None:
    """Say why the SimPy model is used, and how long that will take if it is long."""
    engine, why = pick(scenario, sampler.engine, sampler.profile)
    if engine != "simpy":
        return
    if why:
        warnings.warn(why, EngineWarning, stacklevel=3)
    runs = fewest_runs(max(one.share for one in scenario.objectives), ERROR)
    runs += LEVER_RUNS * len(steps(scenario)) if levers else 0
    if work(scenario) * runs < WORTH_A_PROBE:
        return
    took = seconds(scenario, sampler.profile) * runs / sampler.jobs
    if took >= LONG:
        faster = "fewer clients (--set clients.count=500)" + (" or --no-levers" if levers else "")
        warnings.warn(f"That will take about {spoken(took)}; faster are {faster}.", EngineWarning, stacklevel=3)


def _sampled(
    scenario: Scenario, sampler: Sampler, most_runs: int, progress: Shown
) -> tuple[list[Numbers], list[Decision]]:
    """Make runs until each objective is decided, or there are enough, and return their numbers and the decisions.

    An objective is looked at after each run, in their order, and its first decision counts.
    """
    objectives = scenario.objectives
    decided: list[Decision] = ["unknown"] * len(objectives)
    counts = [[0, 0] for _ in objectives]
    made: list[Numbers] = []
    text = f"judging {scenario.name}"
    while len(made) < most_runs and "unknown" in decided:
        first = len(made)
        last = min(most_runs, first + _wanted(scenario, counts, decided, first))
        progress(text, first, last)
        calls = [(scenario, run) for run in range(first, last)]
        made += sampler(calls, partial(_count_from, progress, text, first, last))
        for numbers in made[first:]:
            for i, objective in enumerate(objectives):
                held = holds(objective, numbers)
                if held is None:
                    continue
                counts[i][not held] += 1
                if decided[i] == "unknown":
                    yes, no = counts[i]
                    decided[i] = decide(yes, no, objective.share, ERROR, ERROR / len(objectives))
        if len(made) >= FIRST and not any(sum(one) for one in counts):
            break  # no run says anything
    return made, decided


def _count_from(progress: Shown, text: str, first: int, last: int, count: int) -> None:
    """Tell that `count` runs from `first` on are done, of `last` in all."""
    progress(text, first + count, last)


def _wanted(scenario: Scenario, counts: Sequence[Sequence[int]], decided: Sequence[Decision], made: int) -> int:
    """Return how many runs to make at once: so many as it takes to tell, if all go on as most of them did."""
    if not made:
        return FIRST
    fewest = LARGEST
    for objective, (held, missed), how in zip(scenario.objectives, counts, decided, strict=True):
        if how != "unknown" or not held + missed:
            continue
        good = held >= objective.share * (held + missed)
        more = 1
        while more < fewest and _then(objective, held, missed, more, good, len(counts)) == "unknown":
            more += 1
        fewest = min(fewest, more)
    return max(FIRST, fewest)


def _then(objective: Objective, held: int, missed: int, more: int, good: bool, count: int) -> Decision:
    """Return the decision if an objective holds, or does not, in so many more runs."""
    return decide(held + more * good, missed + more * (not good), objective.share, ERROR, ERROR / count)


def _verdict(objective: Objective, made: Sequence[Numbers], how: Decision) -> ObjectiveVerdict:
    """Return the verdict about an objective."""
    said = [holds(objective, numbers) for numbers in made]
    held, missed, unsaid = (said.count(one) for one in (True, False, None))
    known = [value for numbers in made if (value := value_of(objective, numbers)) is not None]
    why = ""
    if not known:
        why = f"No run says {objective.measure}: nothing of its kind happens in this scenario."
    elif not held + missed:
        why = "The runs end before it can be told; set duration longer."
    elif how == "unknown":
        why = f"After {len(made)} runs it cannot be told; more --runs may tell, or it is too near to its share."
    return ObjectiveVerdict(objective, how, held + missed, held, unsaid, median_of(objective, made), why)


def _holds_least(one: ObjectiveVerdict) -> tuple[int, float]:
    """Return what verdicts are sorted by, so that the one that is missed most often comes first."""
    order = {"fail": 0, "unknown": 1, "pass": 2}
    return order[one.verdict], (one.probability if one.probability is not None else 1.0) - one.objective.share


def _ways(scenario: Scenario, focus: ObjectiveVerdict, made: Sequence[Numbers], sampler: Sampler) -> list[WayBack]:
    """Return the ways back of `SHARES` in the run whose result is the median one; if the objective does not pass, of
    those runs that miss it.
    """
    objective = focus.objective
    missed = [run for run, numbers in enumerate(made) if holds(objective, numbers) is False]
    runs = missed if missed and focus.verdict != "pass" else list(range(len(made)))
    values = {run: inf if (value := value_of(objective, made[run])) is None else value for run in runs}
    run = sorted(runs, key=values.__getitem__)[(len(runs) - 1) // 2]
    engine = sampler.engine_of(scenario)
    return ways_back(simulate(scenario, run * APART, sampler.profile, engine=engine), SHARES)


def _levers(
    scenario: Scenario,
    focus: Objective,
    made: Sequence[Numbers],
    sampler: Sampler,
    found: Sequence[LintFinding],
    progress: Shown,
) -> tuple[list[LeverEffect], list[str]]:
    """Return what each lever does to the objective, and the settings that were not tried.

    Each step is run with the random numbers of the first runs. One that changes none of the numbers of the first run
    does nothing; those that help most are run more often.
    """
    milli = {one.field for one in found if one.rule == MILLISECONDS}
    every = steps(scenario, {one.field for one in found} - milli, milli)
    own, many = sampler.engine_of(scenario), scenario.clients.count > FEW_CLIENTS
    tried = [one for one in every if not many or sampler.engine_of(one.scenario) == own]
    untried = sorted({one.setting for one in every} - {one.setting for one in tried})
    known = list(made[:CLOSER_RUNS])
    known += sampler([(scenario, i) for i in range(len(known), CLOSER_RUNS)])

    def rows(some: Sequence[LeverStep], runs: range, text: str) -> list[list[Numbers]]:
        return _rows(some, runs, sampler, partial(progress, text))

    first = rows(tried, range(1), "trying each setting")
    live = [(one, row) for one, row in zip(tried, first, strict=True) if row[0] != known[0]]
    more = rows([one for one, _ in live], range(1, LEVER_RUNS), "trying those that do something")
    runs = [row + further for (_, row), further in zip(live, more, strict=True)]
    effects = [effect(one, focus, known[:LEVER_RUNS], row) for (one, _), row in zip(live, runs, strict=True)]
    best = [one for one in ranked(effects) if one.helps][:CLOSER]
    closer = [i for i, one in enumerate(effects) if any(one is other for other in best)]
    steps_of = [effects[i].step for i in closer]
    last = rows(steps_of, range(LEVER_RUNS, CLOSER_RUNS), "looking closer at those that help most")
    for i, row in zip(closer, last, strict=True):
        effects[i] = effect(effects[i].step, focus, known, runs[i] + row)
    return effects, untried


def _rows(
    tried: Sequence[LeverStep], runs: range, sampler: Sampler, progress: Callable[[int, int], None]
) -> list[list[Numbers]]:
    """Return for each step the numbers of some runs."""
    calls = [(one.scenario, run) for one in tried for run in runs]
    numbers = sampler(calls, lambda count: progress(count, len(calls)))
    return [numbers[i * len(runs) : (i + 1) * len(runs)] for i in range(len(tried))]
