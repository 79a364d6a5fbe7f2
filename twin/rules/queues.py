"""What queueing theory says of servers that take one customer each: Poisson arrivals, exponential services.

`load` is the offered load in Erlang, arrivals a second times the mean service; a share of `servers` in the steady
state where all are served.

Sources: Erlang, "Solution of some problems in the theory of probabilities of significance in automatic telephone
exchanges", 1917; Kleinrock, "Queueing Systems", vol. 1, 1975, sections 3.5 to 3.7.
"""


def erlang_b(servers: int, load: float) -> float:
    """Return the probability that all servers are busy where nobody waits (M/M/c/c), by its recursion."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """Return the probability that a customer waits where everybody does (M/M/c); 1 if the load is too high."""
    if load >= servers:
        return 1.0
    blocked = erlang_b(servers, load)
    return servers * blocked / (servers - load * (1.0 - blocked))


def mean_wait(servers: int, load: float, service: float) -> float:
    """Return the mean wait in seconds of M/M/c, those who do not wait included; `service` is the mean, in seconds."""
    return erlang_c(servers, load) * service / (servers - load)


def states_bounded(servers: int, places: int, load: float) -> list[float]:
    """Return the probability of each number of customers of M/M/c/K, with `places` in service and in the queue."""
    weights = [1.0]
    for count in range(1, places + 1):
        weights.append(weights[-1] * load / min(count, servers))
    total = sum(weights)
    return [weight / total for weight in weights]


def refused_bounded(servers: int, places: int, load: float) -> float:
    """Return the probability that a customer of M/M/c/K is refused, as every place is taken."""
    return states_bounded(servers, places, load)[-1]
