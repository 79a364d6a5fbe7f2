"""What a node does for a broadcast, and what it costs."""

from collections.abc import Callable

import simpy

from sim.machine.cold_start import ColdStart
from sim.machine.process import Cost


class FanOutCosts:
    """What a node does for a broadcast, and what it costs."""

    def __init__(self, env: simpy.Environment, cost: Callable[[str], Cost]) -> None:
        self.poll = ColdStart(env, cost("node_poll"))
        self.receive = ColdStart(env, cost("node_receive"))
        self.acknowledge = ColdStart(env, cost("node_ack"))
        self.answer = ColdStart(env, cost("node_answer"))
        self.fanout = cost("node_fanout")
        self.more = cost("node_fanout_more")
