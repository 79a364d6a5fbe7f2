"""Envoy's outlier detection: which servers it ejects for what they answer, and for how long.

What is counted is the status of each answer; a connection that cannot be made, or ends before the answer, counts as a
503, an answer that does not come in time as a 504, and the 101 of a WebSocket as a success. An open WebSocket is an
answer that goes on: when the node's side of it ends first, by its death or by a close handshake, that counts as a 503,
too. Source: Envoy 1.40 `source/common/upstream/outlier_detection_impl.cc`, `Filter::onUpstreamReset` in
`source/common/router/router.cc`.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple, Protocol

Cause = Literal["consecutive_5xx", "consecutive_gateway_failure", "success_rate"]

GATEWAY = (502, 503, 504)
"""Statuses of a gateway that has no answer. Source: `CodeUtility::isGatewayError` in source/common/http/codes.h."""

LOCAL_ORIGIN = 503
"""What a connection counts as that cannot be made, or that a server ends too early. Source:
`DetectorHostMonitorImpl::resultToHttpCode`."""


class OutlierSettings(Protocol):
    """The settings, by Envoy's names; times in seconds, percents from 0 to 100.

    Attributes:
        consecutive_5xx: answers of 5xx in a row that eject a server.
        consecutive_gateway_failure: answers of 502, 503 or 504 in a row that eject a server; 0: they do not.
        interval: between two looks at who may return and at the success rates.
        base_ejection_time: length of a first ejection, and what each further one is longer by.
        max_ejection_time: most that an ejection lasts.
        max_ejection_percent: servers of the cluster that may be ejected.
        always_eject_one_host: eject one server whatever `max_ejection_percent`.
        success_rate_minimum_hosts: servers with enough requests from which success rates are compared.
        success_rate_request_volume: requests in an interval from which a server has a success rate.
        success_rate_stdev_factor: standard deviations below the mean, in thousandths, that eject a server.
    """

    @property
    def consecutive_5xx(self) -> int: ...  # noqa: D102
    @property
    def consecutive_gateway_failure(self) -> int: ...  # noqa: D102
    @property
    def interval(self) -> float: ...  # noqa: D102
    @property
    def base_ejection_time(self) -> float: ...  # noqa: D102
    @property
    def max_ejection_time(self) -> float: ...  # noqa: D102
    @property
    def max_ejection_percent(self) -> int: ...  # noqa: D102
    @property
    def always_eject_one_host(self) -> bool: ...  # noqa: D102
    @property
    def success_rate_minimum_hosts(self) -> int: ...  # noqa: D102
    @property
    def success_rate_request_volume(self) -> int: ...  # noqa: D102
    @property
    def success_rate_stdev_factor(self) -> int: ...  # noqa: D102


@dataclass
class _Monitor:
    """What is known of one server.

    Attributes:
        failures: answers of 5xx in a row.
        gateway_failures: the same of a gateway's.
        ejected: since when it is ejected, in seconds; None if it is not.
        backoff: ejections that count for the length of the next one.
        returned: when it returned last.
        requests, successes: in the present interval.
    """

    failures: int = 0
    gateway_failures: int = 0
    ejected: float | None = None
    backoff: int = 0
    returned: float | None = None
    requests: int = 0
    successes: int = 0


class Review(NamedTuple):
    """What a look at all servers has changed: who is ejected from now on, and who has returned."""

    ejected: list[int]
    returned: list[int]


class Outliers:
    """The servers of a cluster, as its outlier detection sees them.

    Args:
        servers: how many there are.
        settings: of the detection.

    Attributes:
        counted: statistics by their names, without `outlier_detection.` before them.
    """

    def __init__(self, servers: int, settings: OutlierSettings) -> None:
        self.settings = settings
        self.monitors = [_Monitor() for _ in range(servers)]
        self.counted = {"ejections_enforced_total": 0, "ejections_overflow": 0}

    def ejected(self, server: int) -> bool:
        """Tell whether a server is ejected."""
        return self.monitors[server].ejected is not None

    def answered(self, server: int, status: int, now: float) -> bool:
        """Count an answer; return whether it ejects its server.

        A run of failures that ejects nobody, because too many are ejected already, begins anew.
        """
        one, settings = self.monitors[server], self.settings
        one.requests += 1
        if status < 500:
            one.successes += 1
            one.failures = one.gateway_failures = 0
            return False
        one.failures += 1
        one.gateway_failures = one.gateway_failures + 1 if status in GATEWAY else 0
        found = False
        if settings.consecutive_gateway_failure and one.gateway_failures == settings.consecutive_gateway_failure:
            found = self._eject(server, now)
            one.gateway_failures = 0
        if one.failures == settings.consecutive_5xx:
            found = self._eject(server, now) or found
            one.failures = 0
        return found

    def _eject(self, server: int, now: float) -> bool:
        """Eject a server if it is not, and not too many are."""
        one, settings = self.monitors[server], self.settings
        if one.ejected is not None:
            return False
        already = sum(other.ejected is not None for other in self.monitors)
        share = 100.0 * (already + 1) / len(self.monitors)
        if share > settings.max_ejection_percent and not (settings.always_eject_one_host and not already):
            self.counted["ejections_overflow"] += 1
            return False
        self.counted["ejections_enforced_total"] += 1
        one.ejected = now
        if one.backoff * settings.base_ejection_time < settings.max_ejection_time + settings.base_ejection_time:
            one.backoff += 1
        return True

    def healthy(self, server: int, now: float) -> bool:
        """A server has passed an active check, and is not marked unhealthy: it returns at once. Return whether it was
        ejected.
        """
        if not self.ejected(server):
            return False
        self._return(server, now)
        return True

    def _return(self, server: int, now: float) -> None:
        one = self.monitors[server]
        one.ejected, one.returned = None, now
        one.failures = one.gateway_failures = 0

    def look(self, now: float) -> Review:
        """Look at all servers, as Envoy does once in an interval."""
        settings, back = self.settings, []
        for server, one in enumerate(self.monitors):
            lasts = min(settings.base_ejection_time * one.backoff, settings.max_ejection_time)
            if one.ejected is not None and lasts <= now - one.ejected + 1e-9:
                self._return(server, now)
                back.append(server)
        gone = [server for server in self._unsuccessful() if self._eject(server, now)]
        for one in self.monitors:
            one.requests = one.successes = 0
            calm = one.returned is not None and now - one.returned + 1e-9 >= settings.interval
            if one.ejected is None and calm and one.backoff:
                one.backoff -= 1
        return Review(gone, back)

    def _unsuccessful(self) -> list[int]:
        """Return the servers whose success rate lies too far below the mean."""
        settings = self.settings
        rates = {
            server: 100.0 * one.successes / one.requests
            for server, one in enumerate(self.monitors)
            if one.ejected is None and one.requests and one.requests >= settings.success_rate_request_volume
        }
        if not rates or len(rates) < settings.success_rate_minimum_hosts:
            return []
        threshold = success_rate_threshold(list(rates.values()), settings.success_rate_stdev_factor / 1000)
        return [server for server, rate in rates.items() if rate < threshold]


def success_rate_threshold(rates: list[float], factor: float) -> float:
    """Return the success rate in percent below which a server is an outlier: so many standard deviations below the
    mean. Source: `DetectorImpl::successRateEjectionThreshold`.
    """
    mean = sum(rates) / len(rates)
    return mean - factor * sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates))
