"""What a record says about requests: how many, how many in vain, and how many bytes for a delivery."""

from twin.measures.base import Measure
from twin.record.record import Record

POLLING = {
    "requests_per_second": Measure("1/s", "timer", "requests that were answered, a second, of all clients that poll"),
    "empty_share": Measure("1", "timer", "share of these answers in which there was no message"),
    "messages_per_answer": Measure("1", "timer", "messages of an answer that had any"),
    "bytes_per_delivery": Measure("B", "timer", "bytes of all requests and answers, per message that was applied"),
}


def measure_polling(record: Record) -> dict[str, float]:
    """Return the measures of a scenario whose clients poll; nothing for any other."""
    scenario = record.scenario
    if not scenario.clients.transport.polls:
        return {}
    polled = record.columns.of("polled")
    polled = polled.at(polled.t >= 0.0)
    messages, size = polled.numbers("messages"), polled.numbers("size")
    found = {"requests_per_second": len(polled.t) / scenario.duration}
    if len(messages):
        found["empty_share"] = float((messages == 0).mean())
    if (messages > 0).any():
        found["messages_per_answer"] = float(messages[messages > 0].mean())
    delivered = len(record.columns.where("delivered"))
    if delivered:
        found["bytes_per_delivery"] = float(size.sum()) / delivered
    return found
