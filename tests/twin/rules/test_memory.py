"""What a node's memory is made of, by hand."""

import pytest

from twin.rules.memory import FEW, MemoryUse, data_limit, newest


def test_a_node_takes_its_own_memory_that_of_its_connections_and_what_waits():
    memory = MemoryUse(1000.0, 10.0, 2.0, True)
    assert memory.resident(0) == 1000.0
    assert memory.resident(7, 33.0) == 1103.0


def test_the_first_connections_take_less():
    memory = MemoryUse(1000.0, 10.0, 2.0, True, 3.0)
    assert memory.resident(FEW) - memory.resident(0) == 7 * FEW
    assert memory.resident(FEW + 5) - memory.resident(FEW) == 50.0


def test_a_frame_that_waits_for_several_clients_is_kept_once():
    queues = [[(1, 100), (2, 100), (3, 100)], [(2, 100), (3, 100)], [(3, 100), (4, 50)]]
    assert MemoryUse(0.0, 0.0, 2.0, True).waiting(queues) == 350 + 7 * 2.0
    assert MemoryUse(0.0, 0.0, 2.0, False).waiting(queues) == 650 + 7 * 2.0
    assert MemoryUse(0.0, 0.0, 2.0, True).waiting([]) == 0.0


@pytest.mark.parametrize(
    ("room", "kept"), [(0, [1, 2, 3]), (99, [1, 2, 3]), (100, [2, 3]), (250, [3]), (300, []), (1000, [])]
)
def test_what_the_way_to_a_client_holds_is_not_in_the_node(room, kept):
    queue = [(1, 100), (2, 100), (3, 100)]
    assert [who for who, _ in newest(queue, room)] == kept


def test_a_limit_of_resident_bytes_is_what_may_be_added_to_what_the_kernel_counts():
    assert data_limit(100, 40, 70) == 130
    assert data_limit(40, 40, 70) == data_limit(30, 40, 70) == 70
