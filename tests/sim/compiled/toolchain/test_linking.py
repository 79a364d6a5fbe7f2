"""A linked function calls others in place of some, wherever they are called, and leaves the first one as it was."""

import types

import numba

from sim.compiled.toolchain.jit import jit
from sim.compiled.toolchain.linking import linked
from sim.compiled.toolchain.meaning import digest


@jit
def hook(x):
    return 0


@jit
def between(x):
    return x + hook(x)


elsewhere = types.ModuleType("elsewhere")
elsewhere.between = between


@jit
def by_module(x):
    return elsewhere.between(x) * 10


def whole(x):
    return by_module(x) + between(x)


@jit
def real(x):
    return 100 * x


@jit
def other(x):
    return 1000 * x


def test_what_is_called_by_others_and_in_modules_is_replaced():
    found = numba.njit(linked(whole, {hook: real}))
    assert found(1) == 1010 + 101
    assert numba.njit(whole)(1) == 10 + 1


def test_two_linked_functions_do_not_get_in_each_others_way():
    first, second = (numba.njit(linked(whole, {hook: one})) for one in (real, other))
    assert (first(1), second(1)) == (1111, 11011)


def test_a_linked_function_has_a_name_of_its_own():
    names = {digest(one) for one in (whole, linked(whole, {hook: real}), linked(whole, {hook: other}))}
    assert len(names) == 3
    assert digest(linked(whole, {})) == digest(whole)
