import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.costs.broadcast import PAYLOAD_PARTS, PAYLOADS, SMALL_PAYLOAD, of_payload, payload_part
from twin.costs.parts import PARTS

COSTS = st.lists(st.floats(0.0, 0.01), min_size=len(PAYLOADS), max_size=len(PAYLOADS)).map(sorted)


@given(more=COSTS)
def test_a_measured_payload_costs_what_was_measured_and_a_small_one_nothing_more(more):
    assert [of_payload(size, more) for size in PAYLOADS] == pytest.approx(more)
    assert of_payload(SMALL_PAYLOAD, more) == of_payload(0, more) == 0.0


@given(more=COSTS, sizes=st.lists(st.integers(0, 1_000_000), min_size=2, max_size=2).map(sorted))
def test_more_bytes_never_cost_less_where_they_did_not_when_they_were_measured(more, sizes):
    fewer, further = (of_payload(size, more) for size in sizes)
    assert 0.0 <= fewer <= further + 1e-12


def test_every_payload_part_has_its_part_and_further_messages_cost_their_bytes():
    carrying = {name: payload_part(name) for name in PARTS if payload_part(name) is not None}
    assert set(carrying.values()) == set(PAYLOAD_PARTS)
    assert carrying["client_delivery_more"] == carrying["client_delivery"] == "client_delivery_bytes"
    assert payload_part("node_read") is None
