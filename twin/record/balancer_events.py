"""The event of what a balancer has counted, a part of the vocabulary of `twin.record.events`."""

from twin.record.typed import Event, event, own


@event()
class BalancerCounted(Event):
    """What the balancer's program has counted by the end, the connections before the start of the run included: those
    of Envoy's statistics of its cluster that the model has, too (`COUNTERS` in `twin/rules/envoy.py`), if they are not
    0. HAProxy and nginx write none.
    """

    counter: str = own("its name in the program, as `upstream_rq_timeout`")
    count: int = own("how many")
