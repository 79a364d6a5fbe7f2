"""The labs' transfer questions by lab, to ask again what an exported sheet says: a sheet is a file of its reader's."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twin.analysis.comparison import Predicted
from twin.costs.profile import HostProfile
from twin.course import (
    balancing,
    broadcast,
    drain,
    failover,
    heartbeats,
    planted,
    registry,
    sessions,
    sizing,
    stalls,
    storm_checks,
    storms,
    transports,
    whole,
)
from twin.course.answers import Answer
from twin.course.profiles import OF_THE_RUNS, profile_for
from twin.errors import LabError
from twin.record.record import Record
from twin.scenario.scenario import Scenario

Question = Callable[[int, Mapping[str, Any], Any], Answer]
"""Judges the settings of an answer, with what was expected, under a seed, as the lab's last cell does."""


def _planted(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    return _named(seed, settings.get("number"), {str(settings.get("setting")): settings.get("value")}, expected)


def _planted_two(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    named = settings.get("named")
    return _named(seed, settings.get("number"), named if isinstance(named, Mapping) else {}, expected)


def _named(seed: int, chosen: Any, named: Mapping[str, Any], expected: Any) -> Answer:
    import sim

    profile = HostProfile.for_this_machine()

    def foresee(model: planted.Model) -> Predicted:
        return sim.predict(model.scenario, 200, model.profile(profile))

    return planted.check_planted(Scenario.load("failover").vary(seed=seed), chosen, named, foresee, expected)


def _failover(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    scenario = Scenario.load("failover").vary(seed=seed)
    inter, fall = settings.get("inter"), settings.get("fall")
    return failover.check_answer(scenario, inter, fall, _predicts(200), expected)


def _broadcast(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    slow = broadcast.with_slow_bus(Scenario.load("broadcast-pubsub-no-recovery").vary(seed=seed))
    timeout, most = settings.get("ack_timeout"), settings.get("max_resends")
    return broadcast.check_resends(slow, timeout, most, _predicts(100, "broadcast"), expected)


def _outage(seed: int) -> Scenario:
    one = storms.outage(clients=300, nodes=3, seconds=20, after=40, base=1.0, cap=8.0, jitter="full")
    return one.vary(seed=seed)


def _large_outage(seed: int, nodes: int, cap: float) -> Scenario:
    one = storms.outage(100_000, nodes, 30.0, 150.0, inter=5.0, base=1.0, cap=cap, jitter="full")
    return one.vary(seed=seed)


def _storm(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    outage = _outage(seed)
    policy = {name: settings.get(name) for name in ("base", "cap", "jitter")}
    predict = _predicts_with(200, storms.given_host(200))
    return storm_checks.check_storm(outage, 24, 12.0, predict, expected, **policy)


def _size(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    build, predict = partial(_large_outage, seed), _predicts_with(2, storms.given_host(500.0, 20_000.0))
    return sizing.check_size(build, settings.get("nodes"), settings.get("cap"), 60.0, predict, 500.0, expected)


def _heartbeat(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    hang = Scenario.load("hang").vary(seed=seed)
    fault = {"at": 2.0, "kind": "hang", "node": 1}
    for_good = hang.vary(duration=26.0, balancer={"tunnel_timeout": 10.0}, faults=[fault])
    interval, timeout = settings.get("interval"), settings.get("timeout")
    return heartbeats.check_heartbeat(for_good, interval, timeout, _predicts(40, "nginx"), expected, lab=hang)


def _balancing(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    import sim

    scenario, profile = Scenario.load("node-returns").vary(seed=seed), HostProfile.for_this_machine("nginx")

    def simulate(varied: Scenario, k: int) -> Record:
        return sim.simulate(varied, k, profile)

    balancer, reconnect = settings.get("balancer"), settings.get("reconnect")
    quick = balancing.quick_checks(scenario)
    return balancing.check_balancing(quick, simulate, 40, balancer or {}, reconnect, expected, scenario)


def _store(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    scenario = Scenario.load("sessions-store-down").vary(seed=seed)
    store, persist, cap = (settings.get(name) for name in ("store", "persist", "cap"))
    return sessions.check_store(scenario, store, persist, cap, _predicts(40, "broadcast", "sessions"), expected)


def _drain(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    scenario = drain.single_drain(Scenario.load("rolling-restart").vary(seed=seed), 25.0, 2.5)
    return drain.check_drain(scenario, settings.get("lead"), settings.get("pace"), _predicts(40, "broadcast"), expected)


def _lease(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    scenario = Scenario.load("registry-death").vary(seed=seed)
    ttl, heartbeat = settings.get("ttl"), settings.get("heartbeat")
    return registry.check_lease(scenario, ttl, heartbeat, _predicts(40, "nginx"), expected)


def _lifetime(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    scenario = Scenario.load("autoscale-empty").vary(seed=seed)
    return registry.check_spread(scenario, settings.get("mean"), settings.get("jitter"), _predicts(40), expected)


def _logins(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    scenario = Scenario.load("whole").vary(seed=seed)
    predict = _predicts_with(6, HostProfile.load("reference"))
    return whole.check_logins(scenario, settings.get("pace"), settings.get("iterations"), predict, expected)


def _failover_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = failover.harder(Scenario.load("failover").vary(seed=seed))
    return question.check(settings.get("base"), _predicts(200), expected)


def _broadcast_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = broadcast.harder(Scenario.load("broadcast-pubsub-no-recovery").vary(seed=seed))
    return question.check(settings.get("cap"), _predicts(100, "broadcast"), expected)


def _lease_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = registry.harder_lease(Scenario.load("registry-death").vary(seed=seed))
    return question.check(settings.get("sync"), _predicts(40, "nginx"), expected)


def _spread_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = registry.harder_spread(Scenario.load("autoscale-rebalance").vary(seed=seed))
    return question.check(settings.get("pace"), _predicts(40), expected)


def _logins_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = whole.harder(Scenario.load("whole").vary(seed=seed))
    return question.check(settings.get("pace"), _predicts_with(6, HostProfile.load("reference")), expected)


def _balancing_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = balancing.harder(Scenario.load("node-returns").vary(seed=seed))
    return question.check(settings.get("base"), _predicts(40, "nginx"), expected)


def _sessions_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = sessions.harder(Scenario.load("sessions-reload").vary(seed=seed))
    return question.check(settings.get("iterations"), _predicts(40, "broadcast", "sessions"), expected)


def _drain_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = drain.harder(drain.single_drain(Scenario.load("rolling-restart").vary(seed=seed), 25.0, 2.5))
    return question.check(settings.get("lead"), _predicts(40, "broadcast"), expected)


def _interval(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = transports.gentlest(Scenario.load("transport-poll").vary(seed=seed))
    return question.check(settings.get("interval"), _predicts_with(5, profile_for(False, host=OF_THE_RUNS)), expected)


def _interval_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = transports.harder(Scenario.load("transport-poll").vary(seed=seed))
    return question.check(settings.get("interval"), _predicts_with(5, profile_for(False, host=OF_THE_RUNS)), expected)


def _piece(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = stalls.largest_piece(stalls.variant("loop", seed=seed))
    return question.check(settings.get("piece"), _predicts_with(6, profile_for(False, host=OF_THE_RUNS)), expected)


def _piece_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    question = stalls.harder(stalls.variant("loop", seed=seed))
    return question.check(settings.get("count"), _predicts_with(6, profile_for(False, host=OF_THE_RUNS)), expected)


def _predicts(replications: int, *needs: str) -> Callable[[Scenario], Predicted]:
    return _predicts_with(replications, HostProfile.for_this_machine(*needs))


def _predicts_with(replications: int, profile: HostProfile) -> Callable[[Scenario], Predicted]:
    import sim

    return lambda scenario: sim.predict(scenario, replications, profile)


QUESTIONS: dict[str, Question] = {
    "00-when-a-comparison-fails": _planted,
    "01-failover": _failover,
    "02-broadcast": _broadcast,
    "03-backoff-storms": _storm,
    "04-sizing": _size,
    "05-heartbeats": _heartbeat,
    "06-balancing": _balancing,
    "07-sessions": _store,
    "08-registry": _lease,
    "09-autoscaling": _lifetime,
    "10-drain": _drain,
    "11-whole": _logins,
    "12-transports": _interval,
    "13-stalls": _piece,
}
"""Replications are those of the notebooks."""


def _storm_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    predict = _predicts_with(200, storms.given_host(200))
    return storm_checks.harder(_outage(seed)).check(settings.get("count"), predict, expected)


def _size_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    predict = _predicts_with(2, storms.given_host(500.0, 20_000.0))
    return sizing.check_queue(_large_outage(seed, 4, 15.0), settings.get("backlog"), 60.0, predict, expected)


def _heartbeat_harder(seed: int, settings: Mapping[str, Any], expected: Any) -> Answer:
    hang = Scenario.load("hang").vary(seed=seed)
    return heartbeats.harder(hang).check(settings.get("open_timeout"), _predicts(40, "nginx"), expected)


HARDER: dict[str, Question] = {
    "00-when-a-comparison-fails": _planted_two,
    "01-failover": _failover_harder,
    "02-broadcast": _broadcast_harder,
    "03-backoff-storms": _storm_harder,
    "04-sizing": _size_harder,
    "05-heartbeats": _heartbeat_harder,
    "08-registry": _lease_harder,
    "09-autoscaling": _spread_harder,
    "11-whole": _logins_harder,
    "06-balancing": _balancing_harder,
    "07-sessions": _sessions_harder,
    "10-drain": _drain_harder,
    "12-transports": _interval_harder,
    "13-stalls": _piece_harder,
}
"""The same for the questions of level 2."""


def asked_again(data: Mapping[str, Any], level: int = 1) -> str:
    """Return the verdict of the last answer of a sheet when its lab's check runs again; empty where none can.

    The prediction is made with the profile of this machine, so an answer at the very edge may fall to the other side;
    a lab that judges with the reference machine's profile has it here, too.

    Args:
        data: a sheet, from `twin.course.grading.sheet_of`.
        level: of the question, 1 or 2.
    """
    question = {1: QUESTIONS, 2: HARDER}[level].get(data["lab"])
    answers = [one for one in data["answers"] if one.get("level", 1) == level]
    if question is None or not answers:
        return ""
    last = answers[-1]
    try:
        return "right" if question(data["seed"], last["settings"], last.get("expected")).right else "not yet"
    except LabError as error:
        return f"not asked: {error}"
