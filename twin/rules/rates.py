"""How balancers count how often somebody comes: HAProxy's sliding counter, and nginx's bucket.

Both count in whole milliseconds. They differ in one thing that decides who gets in again: HAProxy's counter counts what
was refused, too, so somebody who goes on trying stays refused; nginx's bucket does not.

Sources: HAProxy 2.8, src/freq_ctr.c (`update_freq_ctr_period_slow`, `freq_ctr_total`), include/haproxy/freq_ctr.h
(`read_freq_ctr_period`, `freq_ctr_remain_period`, `next_event_delay_period`); nginx 1.22,
src/http/modules/ngx_http_limit_req_module.c (`ngx_http_limit_req_lookup`).
"""


class FrequencyCounter:
    """HAProxy's count of events over a period: those of the present period, and of the one before as much as is left.

    Times are whole milliseconds on one clock.

    Args:
        period: milliseconds.
    """

    def __init__(self, period: int) -> None:
        self.period = period
        self.tick: int | None = None
        self.present = self.past = 0

    def count(self, now: int) -> None:
        """Count an event."""
        if self.tick is not None and now - self.tick < self.period:
            self.present += 1
            return
        next_tick = now if self.tick is None else self.tick + self.period
        if self.tick is None or now - next_tick >= self.period:  # two periods without an event
            self.past, next_tick = 0, now
        else:
            self.past = self.present
        self.present, self.tick = 1, next_tick

    def rate(self, now: int) -> int:
        """Return the events of the last period; one or none is told until another period is over."""
        past, present, left = self._at(now)
        if not present and past <= 1:
            return past
        return (past * left + present * self.period) // self.period

    def remaining(self, now: int, limit: int) -> int:
        """Return how many events may follow at once with at most `limit` a period."""
        past, present, left = self._at(now)
        return max(0, limit - (past * left + present * self.period) // self.period)

    def delay(self, now: int, limit: int) -> int:
        """Return in how many milliseconds the next event may follow."""
        past, present, left = self._at(now)
        over = past * left + (present - limit) * self.period
        return 0 if over < 0 else max(1, over // max(1, limit))

    def _at(self, now: int) -> tuple[int, int, int]:
        """Return the events of the period before and of the present one, and how much of the former counts, in ms."""
        if self.tick is None:
            return 0, 0, 0
        left = self.tick + self.period - now
        if left >= 0:
            return self.past, self.present, left
        left += self.period
        return (self.present, 0, left) if left >= 0 else (0, 0, 0)


UNIT = 1000
"""A request in the bucket counts so much, so that whole numbers do."""


class LeakyBucket:
    """nginx's `limit_req` for one key: what comes in fills it, and it runs out at the rate.

    Args:
        rate: thousandths of a request a second, as `per_second` gives them.
        burst: requests that it holds above one.
    """

    def __init__(self, rate: int, burst: int) -> None:
        self.rate = rate
        self.burst = burst * UNIT
        self.excess = 0
        self.last: int | None = None

    def admit(self, now: int) -> bool:
        """Tell whether a request at a time in milliseconds is let in; one that is not changes nothing."""
        excess = 0
        if self.last is not None:
            excess = max(0, self.excess - self.rate * abs(now - self.last) // 1000 + UNIT)
        if excess > self.burst:
            return False
        self.excess, self.last = excess, now
        return True


def per_second(rate: int, minute: bool) -> int:
    """Return a rate as nginx keeps it, in thousandths of a request a second; `minute`: it was given a minute."""
    return rate * UNIT // (60 if minute else 1)
