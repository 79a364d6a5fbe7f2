"""A client's side of its sessions: its token, and what it does when it is refused."""

from collections.abc import Sequence

from sim.connection import Attempt, Refusal, Tunnel
from sim.node.node import Node
from sim.ports import ClientPart, Next, Run
from sim.sessions.tables import Grant, Tables, Ticket
from twin.record.events import SessionLost, SessionResumed, SessionStarted
from twin.rules.session import after_refusal


class ClientSession(ClientPart):
    """One client's side.

    Args:
        run: the replication.
        tables: where the sessions are kept.
        nodes: all nodes.
        number: the client's.
    """

    def __init__(self, run: Run, tables: Tables, nodes: Sequence[Node], number: int) -> None:
        self.run = run
        self.tables = tables
        self.nodes = nodes
        self.number = number
        self.logins = 0
        self.ticket: Ticket | None = None

    def next_name(self) -> str:
        """Return the name of a new session of this client."""
        self.logins += 1
        return f"{self.number}-{self.logins}"

    def begins(self, tunnel: Tunnel, at: float) -> None:
        """Log in before the run, when the connection is opened."""
        node = self.nodes[tunnel.server]
        name = self.next_name()
        self.tables.of(node).start(name, node.number, at)
        self.ticket = Ticket(name, at + self.tables.settings.token_lifetime)
        self.run.rows.append((at, "session_started", self.number, node.number, -1, 1, name))

    def before_connect(self, attempt: Attempt) -> None:
        """Show the token, if there is one."""
        attempt.headers["ticket"] = self.ticket

    def connected(self, tunnel: Tunnel, attempt: Attempt) -> None:
        """The handshake was answered with 101: keep the new token."""
        grant: Grant | None = attempt.headers.get("grant")
        if grant is None:
            return
        self.ticket = Ticket(grant.name, grant.expires)
        event = "session_started" if grant.started else "session_resumed"
        trusted = grant.generation <= 0
        detail = SessionStarted.pack(grant.name) if grant.started else SessionResumed.pack(grant.name, trusted)
        self.run.note(event, self.number, tunnel.server + 1, detail=detail, version=grant.generation)

    def refused(self, attempt: Attempt, refusal: Refusal, answer: str) -> Next | None:
        """The handshake was refused: wait, log in at once, or stop."""
        if not answer.isdigit():
            return "retry"
        then = after_refusal(int(answer), self.ticket is not None, self.tables.settings.on_refusal)
        if self.ticket is not None and then != "retry":
            detail = SessionLost.pack(self.ticket.name, refusal.reason)
            self.run.note("session_lost", self.number, attempt.server + 1, detail=detail)
            self.ticket = None
        return "at once" if then == "login" else then
