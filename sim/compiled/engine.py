"""Run a scenario in the kernel, and read what it noted."""

from typing import Any

import numpy as np

from sim.compiled.kernel import run
from sim.compiled.state import State
from sim.compiled.vocabulary import Event, Exit, Word
from twin.measures.connection import Course, half_open, mark_downs, unevenness
from twin.record.columns import Events, Row, Words
from twin.record.events import ServerConnections

Array = np.ndarray[Any, Any]


class KernelRun(State):
    """One replication in the kernel. Its arguments are those of `sim.compiled.state.State`."""

    def go(self) -> "KernelRun":
        """Run to the end of the scenario."""
        fresh, kernel = True, run
        if self.broadcast is not None:
            from sim.compiled.broadcast.kernel import run_broadcast as kernel
        while kernel(self.world[0], fresh) != Exit.FINISHED:
            fresh = False
            self.make_room()
        if not self.world[0]["full"]:
            self.forget()
        return self

    @property
    def processed(self) -> int:
        """Number of events that the kernel has processed."""
        return int(self.world[0]["processed"])

    def course(self) -> Course:
        """Return what was counted of connections; the run must not be a full one."""
        w, noted, scenario = self.world[0], self._noted(), self.scenario
        held = {server + 1: int(count) for server, count in enumerate(self.kept["held"])}
        failed = {Word.texts()[i]: int(self.kept["failed"][i]) for i in np.flatnonzero(self.kept["failed"])}
        losses = self.kept["losses"][: w["losses"]["used"]]
        faults = noted.of("fault").t
        running = set(range(scenario.nodes.count))
        for event, server in zip(noted.event.spelled().tolist(), noted.node.tolist(), strict=True):
            if event == "node_stopped":
                running.discard(server - 1)
            elif event == "node_started":
                running.add(server - 1)

        def time_to(wanted: int) -> float:
            if int(w["least_connected"]) >= wanted:
                return 0.0
            if int(w["connected"]) < wanted:
                return float("nan")
            return float(self.kept["last_rise"][wanted] - faults[0])

        return Course(
            faults,
            scenario.duration,
            scenario.clients.count,
            losses["t"],
            losses["client"],
            np.where(losses["back"] < 0, np.nan, losses["back"]),
            half_open(noted, held),
            int(w["tried"]),
            int(w["peak"]),
            failed,
            int(w["gave_up"]),
            int(w["connected"]),
            time_to,
            unevenness([held[server + 1] for server in sorted(running)]),
            mark_downs(noted, scenario),
        )

    def curve(self) -> Array:
        """Return the number of connected clients at each `curve_times` of the run; the run must not be a full one."""
        found: Array = np.cumsum(self.kept["curve"])[: len(self.times)]
        return found

    def attempts(self) -> Array:
        """Return the attempts to connect in each `PEAK_WINDOW` of the run, which must not be a full one."""
        return self.kept["tries"][:-1]

    def noted(self) -> Array:
        """Return the events that were noted, in order."""
        last = self.kept["rows"][: self.world[0]["rows"]["used"]]
        return np.concatenate([*self.blocks, last]) if self.blocks else last

    def _noted(self) -> Events:
        """Return the events that were noted, in order."""
        noted = self.noted()
        client, node, attempt = (noted[name].astype(np.int64) for name in ("client", "node", "attempt"))
        version, detail = np.full(len(noted), -1), Words(noted["detail"], Word.texts())
        if self.broadcast is not None:
            attempt, version, detail = self.broadcast.told(noted)
        return Events(noted["t"], Words(noted["event"], Event.texts()), client, node, attempt, version, detail)

    def events(self) -> Events:
        """Return the events in order of time as a record takes them, the balancer's counts at the end among them."""
        more = self.broadcast.unfinished() + self.broadcast.buffers() if self.broadcast is not None else []
        more += [
            (self.scenario.duration, "server_connections", -1, number, -1, -1, ServerConnections.pack(count))
            for number, count in enumerate(self.connections(), 1)
        ]
        return self._noted().in_order().among(Events.of_rows(more))

    def rows(self) -> list[Row]:
        """Return the events as rows."""
        return self.events().rows()

    def connections(self) -> list[int]:
        """Return how many connections each node holds whose client has not left."""
        tunnels = self.kept["tunnels"][: self.world[0]["tunnels"]["used"]]
        held = tunnels["listed"] & ~tunnels["client_left"] & (tunnels["refs"] > 0)
        return np.bincount(tunnels["server"][held], minlength=self.scenario.nodes.count).tolist()
