"""Members of an enumeration are numbers in compiled code, and every word and event has one."""

from enum import auto
from typing import get_args

import numba
import pytest

from sim.compiled.broadcast import vocabulary as broadcast
from sim.compiled.toolchain.jit import jit
from sim.compiled.toolchain.meaning import digest
from sim.compiled.toolchain.numbered import Numbered, Text
from sim.compiled.vocabulary import Event, Pending, Stage, Timer, Word, Work
from twin.record.record import EVENTS
from twin.scenario.faults import FaultKind


class Colour(Numbered):
    RED = auto()
    GREEN = auto()


class Later(Numbered):
    SEEN = len(Colour)
    HEARD = auto()


class Said(Text):
    NOTHING = ""
    YES = "yes"


@jit
def one_more(number):
    return number + 1


def chosen(number):
    if number == Colour.GREEN:
        return one_more(Later.HEARD)
    return one_more(Said.YES) if number in (Colour.RED, Later.SEEN) else one_more(number)


def test_numbers_go_on_from_the_first_which_is_0_or_what_it_is_given():
    assert [int(one) for one in Colour] == [0, 1]
    assert [int(one) for one in Later] == [2, 3]


def test_compiled_code_sees_plain_numbers_so_each_function_is_compiled_once():
    found = numba.njit(chosen, error_model="numpy")
    assert [found(number) for number in range(4)] == [2, 4, 2, 4]
    assert one_more.signatures == [(numba.int64,)]


def test_a_text_has_a_number_and_the_other_way_round():
    assert Said.texts() == ("", "yes")
    assert Said.of("yes") is Said.YES
    with pytest.raises(KeyError):
        Said.of("no")


def test_another_number_makes_another_name_of_compiled_code():
    def named(source):
        scope = {"Numbered": Numbered, "auto": auto}
        exec(source + "\ndef whole(x):\n    return x + Kind.A\n", scope)
        return digest(scope["whole"])

    one = named("class Kind(Numbered):\n    A = auto()\n    B = auto()")
    assert one == named("class Kind(Numbered):\n    A = auto()\n    B = auto()")
    assert one != named("class Kind(Numbered):\n    B = auto()\n    A = auto()")


def test_what_no_word_means_is_0():
    """Rows say "does not apply" with it, and the rules' results are compared with it."""
    assert Word.NONE == 0


def test_kinds_that_share_a_number_line_do_not_meet():
    assert min(Pending) == 3 * len(Timer)
    assert min(broadcast.BroadcastPending) == max(Pending)
    assert min(broadcast.BroadcastWork) == len(Work)
    assert min(broadcast.COLD_STARTS) == broadcast.BroadcastWork.BUS_SYNC
    assert list(broadcast.COLD_STARTS) == list(range(min(broadcast.COLD_STARTS), max(broadcast.COLD_STARTS) + 1))
    assert list(Stage) == [0, 1, 2]


def test_what_lies_in_a_byte_fits_in_one():
    assert max(len(Word), len(Event), len(Work) + len(broadcast.BroadcastWork)) <= 128


def test_every_event_is_one_of_a_record_and_every_fault_that_is_covered_has_a_word():
    assert set(Event.texts()) <= EVENTS
    uncovered = {"blackhole", "join", "store_down"}  # a node joins a registry, a store is that of pools
    assert set(get_args(FaultKind)) - uncovered <= set(Word.texts())
