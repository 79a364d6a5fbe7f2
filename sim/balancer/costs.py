"""What a balancer does, and what it costs."""

from collections.abc import Callable

from sim.machine.process import Cost


class BalancerCosts:
    """What the balancer does, and what it costs. To accept a connection is no task: it has no reading before."""

    def __init__(self, cost: Callable[[str], Cost]) -> None:
        self.accept = cost("balancer_accept").in_one_step()
        self.request = cost("balancer_request")
        self.refuse = cost("balancer_refused").less(self.request)
        self.relay = cost("balancer_response")
        self.frame = cost("balancer_frame")
        self.close = cost("balancer_close")
        self.release = cost("balancer_release")
        self.cut = self.close
        self.abandoned = cost("balancer_abandoned")
