"""A client that polls: it asks for what came after its cursor, again and again, and is away when nobody answers."""

from sim.client.client import Client
from sim.ports import Work
from sim.transport.poll import ANSWERED, CLOSED, Poll
from sim.transport.polls import Polls
from twin.draws import Purpose
from twin.record.events import Delivered, Gap, Received, Recovered
from twin.record.poll_events import Polled
from twin.record.record import row
from twin.rules.delivery import Message, Position, RecoveryAnswer
from twin.rules.poll_wire import exchange_bytes
from twin.rules.polling import first_poll, hold_ends, next_poll


class PollingClient(Client):
    """One client that asks. It counts as connected from its first answer until a request fails.

    Attributes:
        polls: what it shares with the others; whoever builds the run sets it.
        position: what it has applied.
        home: number of the node that answered first since it was away.
        kept: whether its connection to the balancer is open.
    """

    polls: Polls
    position: Position
    home = 0
    kept = True

    def warm_up(self, at: float) -> None:
        """Be connected when the run starts: its first request was answered at a time, in seconds after the start. A
        long poll asked again at once, and a node holds it.
        """
        polls, settings, rows = self.polls, self.polls.settings, self.run.rows
        self.position = Position(settings.cursor)
        self.attempts = 1
        self.since = at
        held: Poll | None = None
        if settings.held:
            period = min(settings.held, polls.answer_timeout)
            asked = hold_ends(at, period, 0.0) - period
            held = polls.request(self, self.cursor, False, -asked)
            self.home = polls.held_at_start(held, asked + settings.held)
        else:
            self.home = polls.answered_at_start(self)
        rows.append(row(at, "attempt_connect", self.number, attempt=1))
        rows.append(row(at, "connected", self.number, self.home, attempt=1))
        self.env.process(self.ask_on(held))

    @property
    def cursor(self) -> tuple[int, int] | None:
        """What a request says of where the client stands."""
        return (self.position.epoch, self.position.version) if self.polls.settings.cursor else None

    def ask_on(self, held: Poll | None) -> Work[None]:
        """Ask again and again; `held` is a request that is under way when the run starts."""
        env, every = self.env, self.polls.settings.every
        due = first_poll(self.run.draw(self.number, Purpose.POLL_PHASE, 0), every)
        while True:
            rested = held is None and due > env.now
            if rested:
                yield self.process.sleep(due - env.now)
            reason = yield from self.poll(held, rested)
            held = None
            if not reason:
                due = next_poll(due, env.now, every)
                continue
            self.run.note("disconnected", self.number, self.home, detail=reason)
            wait = self.backoff.after_loss(env.now - self.since, self.draw())
            if not (yield from self.come_back(wait)):
                return
            due = next_poll(self.since, self.since, every)

    def come_back(self, wait: float | None) -> Work[bool]:
        """Try again until a request is answered; False when the client gives up."""
        while wait is not None:
            if wait > 0:
                yield self.process.sleep(wait)
            self.attempts += 1
            self.run.note("attempt_connect", self.number, attempt=self.attempts)
            reason = yield from self.poll(None, wait > 0, again=True)
            if not reason:
                self.since = self.env.now
                return True
            self.run.note("connect_failed", self.number, attempt=self.attempts, detail=reason)
            wait = self.backoff.after_failure(self.draw())
        self.run.note("gave_up", self.number, attempt=self.attempts)
        return False

    def poll(self, held: Poll | None, rested: bool, again: bool = False) -> Work[str]:
        """Ask once and take the answer; return why there was none, or an empty text.

        Where a connection that was kept ends without an answer, the client's library asks once more over a new one.
        Source: aiohttp 3.14, aiohttp/client.py (`retry_persistent_connection`).

        Args:
            held: a request that is under way already.
            rested: a timer woke the client, else it goes on from an answer or a failure.
            again: whether the client was away.
        """
        reason = ""
        for _ in range(2):
            attempt = held or (yield from self.send(rested, again))
            if attempt is None:
                return "refused"
            self.attempt, held = attempt, None
            reason = yield attempt.answer
            self.attempt = None
            if reason == ANSWERED:
                assert attempt.refusal is not None
                yield self.process.work(attempt.refusal.read)
                self.kept = True
                self.take(attempt, again)
                return ""
            yield self.process.work(self.costs.refused)
            self.kept = rested = False
            if reason != CLOSED:
                break
        return "reset" if reason == CLOSED else reason

    def send(self, rested: bool, again: bool) -> Work[Poll | None]:
        """Send a request, over a new connection if none is open; None if nobody listens."""
        polls, first = self.polls, not self.kept
        begin = self.process.work if rested else self.process.carry_on
        if first:
            yield begin(self.costs.dial)
            if not self.balancer.listening:
                yield self.process.work(self.costs.refused)
                return None
            self.balancer.accept()
        yield self.process.work(polls.costs.client_get) if first else begin(polls.costs.client_get)
        attempt = polls.request(self, self.cursor, first)
        attempt.waits = attempt.waits and not again
        if self.balancer.listening:
            self.env.process(polls.serve(attempt))
        else:
            attempt.fail("reset")
        return attempt

    def cut_off(self) -> None:
        """Balancer and nodes are gone: the client's kernel learns that its connection is broken."""
        self.kept = False
        if self.attempt is not None:
            self.attempt.fail("reset")

    # What the answer says

    def take(self, attempt: Poll, again: bool) -> None:
        """Apply what has come; who was away is connected from now on."""
        node, answer = attempt.server + 1, attempt.told
        size = exchange_bytes(attempt.position is not None, [len(one.payload) for one in answer.messages], node)
        if again:
            self.home = node
            self.run.note("connected", self.number, node, attempt=self.attempts)
        self.run.note("polled", self.number, node, detail=Polled.pack(len(answer.messages), size))
        if attempt.position is None:
            for message in answer.messages:
                self.arrive(message, node)
        else:
            self.apply(answer, node)

    def apply(self, answer: RecoveryAnswer, node: int) -> None:
        """Apply all that followed the cursor, or jump to a snapshot."""
        answered = self.position.answer(answer)
        if answered.snapshot:
            text = Recovered.pack(answer.epoch, "snapshot")
            self.run.note("recovered", self.number, node, -1, text, answer.version)
        self.deliver(answered.deliver, node)

    def arrive(self, message: Message, node: int) -> None:
        """Apply a message that came without a cursor."""
        epoch = self.position.epoch
        arrival = self.position.arrive(message)
        if arrival.kind != "next":
            text = Received.pack(message.epoch, message.key, arrival.kind)
            self.run.note("received", self.number, node, -1, text, message.version)
        if arrival.gap:
            text = Gap.pack(epoch, message.epoch, message.version)
            self.run.note("gap", self.number, node, -1, text, arrival.gap)
        self.deliver(arrival.deliver, node)

    def deliver(self, messages: tuple[Message, ...], node: int) -> None:
        """Note what is applied."""
        for one in messages:
            text = Delivered.pack(one.epoch, one.key)
            self.run.note("delivered", self.number, node, -1, text, one.version)
