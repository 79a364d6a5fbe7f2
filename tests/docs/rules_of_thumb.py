"""The numbers of docs/cheat-sheet.md, computed from the scenarios of the labs, by the lab's own rules where it has one.

Each function gives the numbers of one rule's example, inputs and results, in the order of the English sheet.
"""

from itertools import accumulate, count
from math import ceil, sqrt

from twin.costs.profile import HostProfile
from twin.course.sessions import hash_seconds
from twin.course.stalls import waits_by_hand
from twin.rules.autoscaling import Pod, Sample, usage_replicas
from twin.rules.backoff import exponential_delay
from twin.rules.drain import drain_time
from twin.rules.health import detection_bounds as checked
from twin.rules.heartbeat import detection_bounds as silent
from twin.rules.idle import longest_silence, survives
from twin.rules.queues import mean_wait
from twin.scenario.scenario import Scenario


def load(name):
    return Scenario.load(name)


def lost_clients(scenario):
    """Return how many clients are on the node that is killed: the first nodes have one more than the others."""
    return ceil(scenario.clients.count / scenario.nodes.count)


def bounds(policy, n):
    """Return the longest waits before the first `n` attempts."""
    return [exponential_delay(k, policy.base, policy.factor, policy.cap) for k in range(n)]


def blind_time():
    check = load("failover").balancer.check
    low, high = checked(check.inter, check.fall)
    return [check.inter, check.fall, low, high, (low + high) / 2]


def attempts():
    policy = load("failover").clients.reconnect
    means = list(accumulate(bound / 2 for bound in bounds(policy, 5)))
    assert means == [policy.base * (2**k - 1) / 2 for k in range(1, 6)]
    return [policy.base, *means]


def round_robin():
    nodes = load("failover").nodes.count
    return [nodes, 1 / (1 - 1 / nodes)]


def range_of_runs():
    return [number for n in (2, 39) for number in (n, 100 * (n - 1) / (n + 1))]


def loss():
    scenario = load("broadcast-pubsub-no-recovery")
    away = scenario.bus.retry.cap / 2  # after the first failure the bound is the cap, and the wait is uniform
    return [away, scenario.publisher.rate, away * scenario.publisher.rate]


def resends():
    absence, timeouts = 3.0, (3.2, 0.8)
    return [absence, *(number for one in timeouts for number in (ceil(absence / one), one))]


STORM = [exponential_delay(k, 1.0, 2.0, 8.0) for k in range(5)]
"""Bounds of lab 03."""


def spread():
    return [*STORM, sqrt(sum(bound**2 for bound in STORM) / 12), STORM[0] / sqrt(12)]


def peak():
    clients, width = 300, 1.0
    return [clients, width, clients * 0.1 / width]


def in_an_outage():
    outage = 16.5

    def needed(share):
        waits = (share * exponential_delay(k, 1.0, 2.0, 8.0) for k in count())
        return next(k for k, at in enumerate(accumulate(waits), 1) if at >= outage)

    return [outage, 6, needed(1.0), needed(0.5)]


SHARE, CLIENTS, RATE, TARGET = 0.99, 100_000, 500, 60.0
"""Of lab 04."""


def division():
    nodes = SHARE * CLIENTS / (RATE * TARGET)
    return [100 * SHARE, CLIENTS, RATE, TARGET, nodes, ceil(nodes)]


def last_client():
    nodes = ceil(SHARE * CLIENTS / (RATE * TARGET))
    return [nodes, 9, SHARE * CLIENTS / (RATE * nodes), TARGET]


def backlog():
    places = Scenario.model_fields["nodes"].default.backlog
    return [places, RATE, places / RATE]


def silence():
    beat = load("hang").clients.heartbeat
    low, high = silent(beat.interval, beat.timeout)
    return [beat.interval, beat.timeout, low, high, (low + high) / 2, 99, low + 0.99 * (high - low)]


def pings():
    clients = load("hang").clients
    return [clients.count, clients.heartbeat.interval, clients.count / clients.heartbeat.interval]


def patience():
    slow = load("heartbeat-too-slow")
    quiet, short, longer = longest_silence(slow.clients.heartbeat.interval), slow.balancer.tunnel_timeout, 8.0
    assert (survives(short, quiet), survives(longer, quiet)) == (False, True)
    return [quiet, short, longer]


def empty_node():
    nodes = load("node-returns").nodes.count
    return [nodes, nodes / (nodes - 1)]


def rush():
    scenario, limit = load("node-returns"), 40
    base = scenario.clients.reconnect.base
    gone = scenario.clients.count // (scenario.nodes.count - 1)
    return [gone, base, gone * 0.1 / base, limit, gone * 0.1 / limit]


def logins():
    scenario = load("sessions-memory")
    gone, iterations = lost_clients(scenario), scenario.sessions.login_iterations
    return [gone, iterations, gone * hash_seconds(HostProfile.load("reference"), iterations)]


def queue():
    clients, away = load("offline-queue").clients, 2.2
    wanted = away * clients.sends.rate
    return [away, clients.sends.rate, wanted, min(wanted, clients.offline.messages)]


def lease():
    one = load("registry-death").registry
    low, high = one.ttl - one.heartbeat, one.ttl + one.sync
    return [one.ttl, one.heartbeat, one.sync, low, high, (low + high) / 2]


def heartbeats_of_a_lease():
    beat = load("registry-death").registry.heartbeat
    return [beat, 3 * beat]


def autoscaler():
    scenario = load("autoscale-empty")
    nodes, each = scenario.nodes.count, scenario.clients.count // scenario.nodes.count
    pods = [Pod(str(one)) for one in range(nodes)]
    samples = {pod.name: Sample(1000 * each) for pod in pods}
    wanted = usage_replicas(nodes, 1000 * scenario.autoscaling.target, pods, samples).replicas
    return [nodes, each, scenario.autoscaling.target, wanted]


def churn():
    scenario = load("autoscale-lifetime")
    return [
        scenario.clients.count,
        scenario.nodes.lifetime.mean,
        scenario.clients.count / scenario.nodes.lifetime.mean,
    ]


def drain():
    lead, pace, connections = load("rolling-restart").faults[0].lead, 25, 75
    took = lead + connections / pace
    assert 0 <= took - drain_time(connections, lead, pace) <= 1 / pace + 1e-9  # to the last close frame
    return [connections, pace, lead, took]


def lead():
    check = load("rolling-restart").balancer.check
    return [check.inter, check.fall, check.inter * check.fall]


def busy():
    pace, iterations = 20.0, 50_000
    return [pace, iterations, 100 * pace * hash_seconds(HostProfile.load("reference"), iterations)]


def outage_of_the_bus():
    scenario = load("whole")
    (down,) = (fault for fault in scenario.faults if fault.kind == "bus_down")
    rate = scenario.publisher.rate
    due = rate * (scenario.duration - 1.0)
    return [down.duration, rate, due, 100 * down.duration * rate / due]


def age_of_a_poll():
    interval = load("transport-poll").clients.transport.interval
    return [interval, 0.5 * interval, 0.9 * interval]


def requests():
    waiting, poll = load("transport-long-poll"), load("transport-poll")
    clients, rate, interval = waiting.clients.count, waiting.publisher.rate, poll.clients.transport.interval
    each = [clients * one.clients.transport.requests(rate) for one in (waiting, poll)]
    return [clients, rate, each[0], interval, each[1]]


def rest_of_the_work():
    task = load("handler-loop").nodes.handler.tasks[1]
    length = task.cpu.mean
    return [1000 * length, task.rate, 1000 * waits_by_hand(length * task.rate, length, 0.9)]


def load_of_a_queue():
    task = load("handler-poisson").nodes.handler.tasks[0]
    work, loads = task.cpu.mean, (task.rate * task.cpu.mean, 0.9)
    found = [1000 * work]
    for one in loads:
        found += [1000 * (work + mean_wait(1, one, work)), one]
    return found


RULES = (
    *(blind_time, attempts, round_robin),
    *(loss, resends),
    *(spread, peak, in_an_outage),
    *(division, last_client, backlog, range_of_runs),
    *(silence, pings, patience),
    *(empty_node, rush, logins, queue),
    *(lease, heartbeats_of_a_lease, autoscaler, churn, drain, lead),
    *(busy, outage_of_the_bus),
    *(age_of_a_poll, requests, rest_of_the_work, load_of_a_queue),
)
"""In the order of the sheet, a line for each of its tables."""
