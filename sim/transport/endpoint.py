"""A node's side of polling: it keeps what came over the bus, answers from that, and holds who has to wait."""

from collections.abc import Callable

import simpy

from sim.broadcast.fanout import Fanout
from sim.connection import Attempt, Refusal
from sim.machine.process import Cost, Item
from sim.node.node import Node
from sim.ports import End, Gate, NodePart, Run, Work
from sim.transport.poll import ANSWERED, KeptConnections, Poll
from twin.rules.delivery import Message, RecoveryAnswer
from twin.rules.frames import answer_body
from twin.rules.polling import RecentMessages
from twin.rules.slow_consumer import is_too_large


class PollCosts:
    """What a poll costs node, balancer and client; `more` is what each message of its answer costs besides."""

    def __init__(self, cost: Callable[[str], Cost]) -> None:
        self.client_get = cost("client_get")
        self.client_got = WithMessages(cost("client_got"), cost("client_got_more"))
        self.balancer_get = cost("balancer_get")
        self.balancer_got = WithMessages(cost("balancer_got"), cost("balancer_got_more"))
        self.node_get = WithMessages(cost("node_get"), cost("node_get_more"))
        self.node_hold = cost("node_hold")
        self.node_release = WithMessages(cost("node_release"), cost("node_get_more"))


class WithMessages:
    """What something costs with so many messages in it."""

    def __init__(self, none: Cost, more: Cost) -> None:
        self.none = none
        self.more = more
        self._known = {0: none}

    def __call__(self, messages: int) -> Cost:
        """Return the cost with some messages."""
        if messages not in self._known:
            curves = zip(self.none.curves, self.more.curves, strict=True)
            costs = [curve.plus(messages * more(messages)) for curve, more in curves]
            self._known[messages] = Cost(costs, self.none.first_part, self.none.hops)
        return self._known[messages]


class Endpoint(NodePart, Gate):
    """What one node does; a new process of it begins with nothing.

    Args:
        run: the replication.
        node: whose.
        fanout: tells of messages, and asks the bus.
        costs: of a poll.
        pool: the balancer's idle connections to nodes.

    Attributes:
        recent: what the node can tell.
        held: who waits for a message, in the order in which they came, and from which position.
    """

    def __init__(self, run: Run, node: Node, fanout: Fanout, costs: PollCosts, pool: KeptConnections) -> None:
        self.run = run
        self.env = run.env
        self.node = node
        self.fanout = fanout
        self.costs = costs
        self.pool = pool
        self.hold: float = run.scenario.clients.transport.held
        self.limit: int = run.scenario.slow_consumer.limit_bytes
        self.recent = RecentMessages()
        self.held: dict[Poll, tuple[tuple[int, int], simpy.Event]] = {}
        fanout.listeners.append(self.take)

    # Its life

    def ended(self, how: End) -> None:
        """The node's process ends, and what it kept with it."""
        self.recent = RecentMessages()
        self.held.clear()

    # Messages

    def take(self, message: Message) -> None:
        """Keep a message, and let all go on who wait for one."""
        if self.recent.add(message):
            self._wake()

    def _wake(self) -> None:
        held, self.held = self.held, {}
        for position, event in held.values():
            event.succeed(self._release(position))

    def _release(self, position: tuple[int, int]) -> Item:
        """Begin to answer a request that was held."""
        return self.node.process.work(self.costs.node_release(_count(self.recent.answer(*position))))

    # Requests

    def admit(self, attempt: Attempt) -> Work[Refusal | None]:
        """Answer a request: at once, when there is something to tell or it does not wait, else when there is, or with
        nothing after a hold.
        """
        assert isinstance(attempt, Poll)
        life = self.node.life
        waits = attempt.waits and self.hold > 0.0
        position = attempt.position or self.recent.without_cursor(waits)
        known = self.recent.answer(*position)
        cost = self.costs.node_hold if waits and _is_empty(known) else self.costs.node_get(_count(known))
        yield self.node.process.work(cost)
        if life != self.node.life:
            return None
        answer = yield from self._answer(position)
        if life != self.node.life:
            return None
        if waits and _is_empty(answer):
            return (yield from self.until(attempt, position, self.env.now + self.hold))
        return self._told(attempt, answer)

    def until(self, attempt: Poll, position: tuple[int, int], end: float) -> Work[Refusal | None]:
        """Hold a request until there is a message, or until a time in seconds, and answer it."""
        life = self.node.life
        event = self.env.event()
        self.held[attempt] = position, event
        yield event | self.node.process.sleep(end - self.env.now)
        self.held.pop(attempt, None)
        if life != self.node.life:
            return None
        item: Item | None = event.value if event.triggered else self._release(position)
        assert item is not None
        yield item
        if life != self.node.life:
            return None
        answer = yield from self._answer(position)
        return self._told(attempt, answer) if life == self.node.life else None

    def begin(self, attempt: Poll, end: float) -> Work[None]:
        """Have a request that is held when the run starts, until a time in seconds."""
        self.node.opening += 1
        position = attempt.position or self.recent.without_cursor(waits=True)
        refusal = yield from self.until(attempt, position, end)
        if refusal is not None:
            attempt.refusal = refusal
            self.node.denied(attempt, refusal)

    def _answer(self, position: tuple[int, int]) -> Work[RecoveryAnswer]:
        """Return what there is to tell, from the bus where the node does not know; nothing if that does not answer, as
        the client will ask again.
        """
        answer = self.recent.answer(*position)
        if answer is None:
            answer = yield from self.fanout.recover(position)
            if answer is None:
                return RecoveryAnswer(True, *position)
            if self.recent.learn(answer.epoch, answer.version):
                self._wake()
        if is_too_large(answer_body(len(one.payload) for one in answer.messages), self.limit):
            return RecoveryAnswer(False, answer.epoch, answer.version)
        return answer

    def _told(self, attempt: Poll, answer: RecoveryAnswer) -> Refusal:
        """Return an answer as what the node says in place of a 101."""
        attempt.told = answer
        if not attempt.answer.triggered:  # else the connection ends
            self.pool.give_back(self.node.number, self.node.life)
        count = _count(answer)
        return Refusal(ANSWERED, "", self.costs.balancer_got(count), self.costs.client_got(count))


def _count(answer: RecoveryAnswer | None) -> int:
    """Return the messages of an answer."""
    return 0 if answer is None else len(answer.messages)


def _is_empty(answer: RecoveryAnswer | None) -> bool:
    """Tell whether an answer says nothing; None does not say it."""
    return answer is not None and answer.recovered and not answer.messages
