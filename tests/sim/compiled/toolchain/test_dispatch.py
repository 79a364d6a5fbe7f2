"""A table of functions is called by kind, each with as much as it takes."""

import numba
import numpy as np
import pytest

from sim.compiled.toolchain.dispatch import dispatch
from sim.compiled.toolchain.jit import jit
from sim.compiled.toolchain.linking import linked


@jit
def alone(w):
    w[0] = 1


@jit
def with_one(w, a):
    w[0] = 10 + a


@jit
def with_two(w, a, b):
    w[0] = 100 * a + b


@jit
def with_kind(w, kind, a, b):
    w[0] = 1000 * kind + b


@jit
def with_kind_too(w, kind, a, b):
    w[0] = -kind


@jit
def instead(w, a):
    w[0] = 20 + a


TABLE = {5: alone, 2: with_one, 7: with_two, 8: with_two, 9: with_kind}
FULL = dispatch(TABLE, otherwise=with_kind_too)
BARE = dispatch(TABLE)


def call(function, kind):
    w = np.array([-99])
    numba.njit(lambda w, kind, a, b: function(w, kind, a, b), error_model="numpy")(w, kind, 3, 4)
    return int(w[0])


@pytest.mark.parametrize(("kind", "found"), [(5, 1), (2, 13), (7, 304), (8, 304), (9, 9004), (1, -1), (44, -44)])
def test_each_kind_has_its_function_and_the_rest_another_one(kind, found):
    assert call(FULL, kind) == found


def test_without_another_one_nothing_is_done_for_the_rest():
    assert call(BARE, 1) == -99
    assert call(BARE, 2) == 13


def test_what_a_table_calls_can_be_replaced():
    def whole(w, kind, a, b):
        FULL(w, kind, a, b)

    w = np.array([-99])
    numba.njit(linked(whole, {with_one: instead}))(w, 2, 3, 4)
    assert w[0] == 23
