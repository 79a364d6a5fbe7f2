"""Messages that nobody can get any more, or that come twice."""

from collections.abc import Iterator

from twin.advice.finding import Bite, rule
from twin.rules.backoff import longest_delay
from twin.scenario.scenario import Scenario


@rule("history", 'Centrifugo manual, "History and recovery"; Valkey manual, XADD MAXLEN; docs/model.md, Names')
def history(scenario: Scenario) -> Iterator[Bite]:
    """Yield a log that is shorter than clients may be away."""
    publisher, clients = scenario.publisher, scenario.clients
    if publisher is None or not clients.recovers or clients.transport.polls:
        return
    held = scenario.bus.max_length * (publisher.batch.count if publisher.batch is not None else 1) / publisher.rate
    away = longest_delay(clients.reconnect.rule()) + scenario.balancer.blind(False)
    if held >= away:
        return
    yield Bite(
        "bus.max_length",
        f"{scenario.bus.max_length}",
        f"The bus keeps {held:.3g} s of messages (bus.max_length at publisher.rate), and a client may be away for "
        f"{away:.3g} s: who comes back later than that cannot get what it missed.",
        f"Set bus.max_length to {away * publisher.rate:.0f} or more.",
    )


@rule("at-most-once", "Redis manual, Pub/Sub (at-most-once delivery); docs/cheat-sheet.md, rule 4")
def at_most_once(scenario: Scenario) -> Iterator[Bite]:
    """Yield a bus that keeps nothing, with clients that ask for nothing."""
    if scenario.publisher is None or scenario.bus.kind != "pubsub" or scenario.clients.recovers:
        return
    yield Bite(
        "bus.kind",
        "pubsub",
        "bus.kind is 'pubsub' and clients do not recover: what is published while a client is away, or a node's link "
        "to the bus is down, is lost for them.",
        "Set clients.recovery.recover to true, or bus.kind to 'stream'.",
        "note",
    )


@rule("idempotency-window", "redis-py 8, retry.py, backoff.py; docs/model.md, Names and Publishing")
def idempotency_window(scenario: Scenario) -> Iterator[Bite]:
    """Yield a memory of keys that ends before the publisher gives up: a repeated message counts as a new one."""
    if scenario.publisher is None:
        return
    retry, window = scenario.bus.retry, scenario.bus.idempotency_window
    longest = retry.retries * (retry.timeout + retry.cap)
    if longest <= window:
        return
    yield Bite(
        "bus.idempotency_window",
        f"{window:g}",
        f"bus.idempotency_window is {window:g} s, and a publish may be repeated for {longest:g} s (bus.retry): a "
        "message that was stamped before its answer was lost may be stamped once more.",
        f"Set bus.idempotency_window to {longest:g} s or more.",
    )


RULES = (history, at_most_once, idempotency_window)
