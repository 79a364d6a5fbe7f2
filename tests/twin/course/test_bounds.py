"""What an answer says of a value just beyond its bound: never a number that reads as the bound itself."""

from types import SimpleNamespace

import pandas as pd
import pytest

from tests.twin.course.test_checks import drain_asked, lease_asked, load, logins_asked
from twin.course import registry


def always(**values):
    """Return a predict function that says the same of every scenario."""
    measures = pd.DataFrame({name: [value] * 40 for name, value in values.items()})
    return lambda _: SimpleNamespace(measures=measures, bounds=pd.DataFrame())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            lambda: lease_asked(0.9, 0.3, predict=always(mark_down_delay=1.2001)),
            "1.2 to 1.2001 s; its upper end is not",
        ),
        (
            lambda: registry.check_spread(
                load("autoscale-empty"), 6.0, 0.5, always(new_share=0.9, churn_peak=60.3), 30
            ),
            "and 60.3 clients a second come back at the upper end of the peak; the second must be below 60.",
        ),
        (
            lambda: registry.check_spread(
                load("autoscale-empty"), 6.0, 0.5, always(new_share=0.7996, churn_peak=50.0), 30
            ),
            "carry 0.7996 of the mean at the lower end, and 50 clients a second come back at the upper end of the peak;"
            " the first must be at least 0.8.",
        ),
        (
            lambda: drain_asked(
                2.0, 10.2, predict=always(attempts_per_client=1.0, peak_reconnect_rate=40.2, drain_time=6.0)
            ),
            "at most 40.2 a second, and the node is empty after 6 s; the second must be below 40.",
        ),
        (
            lambda: logins_asked(20.0, 50_000, predict=always(latency_p99=0.10002, undelivered_share=0.0)),
            "latency_p99 is 0.10002 s; that must be below 0.1 s.",
        ),
    ],
)
def test_no_value_reads_as_its_bound_and_is_refused(answer, said):
    found = answer()
    assert not found.right
    assert said in found.why
