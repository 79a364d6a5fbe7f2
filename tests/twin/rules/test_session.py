import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twin.rules.session import (
    REFRESHES_AN_EXPIRY,
    REFUSED,
    SessionTable,
    after_refusal,
    refresh_interval,
    without_store,
)

EXPIRY = 10.0


@pytest.mark.parametrize(
    ("status", "with_token", "on_refusal", "then"),
    [
        (401, True, "login", "login"),
        (401, True, "stop", "stop"),
        (401, False, "login", "stop"),  # the password was wrong: asking again changes nothing
        (400, True, "login", "stop"),  # the same request will not be understood later
        (400, False, "stop", "stop"),
        (403, True, "login", "stop"),
        (403, False, "login", "stop"),
        (503, True, "login", "retry"),
        (503, False, "stop", "retry"),
        (502, True, "stop", "retry"),
    ],
)
def test_a_client_logs_in_again_only_if_its_token_was_refused_and_it_may(status, with_token, on_refusal, then):
    assert after_refusal(status, with_token, on_refusal) == then


def test_a_bad_token_or_password_asks_for_another_and_an_unreadable_request_is_400():
    asked = {reason for reason, status in REFUSED.items() if status == 401}
    assert asked == {"missing", "malformed", "forged", "expired", "unknown", "password"}
    assert REFUSED["request"] == 400


def test_without_the_store_a_node_refuses_or_trusts():
    assert REFUSED[without_store("refuse")] == 503
    assert without_store("trust") == ""


@given(st.floats(0.1, 1e5))
def test_a_lost_refresh_does_not_end_a_session(expiry):
    assert (REFRESHES_AN_EXPIRY - 1) * refresh_interval(expiry) < expiry


def test_a_session_ends_an_expiry_after_its_last_use():
    table = SessionTable(EXPIRY)
    assert table.start("a", 1, 0.0) == 1
    assert table.take("a", 2, 9.9) == 2
    assert table.take("a", 1, 19.8) == 3
    assert table.take("a", 1, 29.8) is None
    assert table.find("a", 29.8) is None


def test_only_the_present_owner_keeps_a_session_alive():
    table = SessionTable(EXPIRY)
    table.start("a", 1, 0.0)
    table.take("a", 2, 5.0)
    assert not table.refresh("a", 1, 14.0)
    assert table.refresh("a", 2, 14.0)
    assert table.take("a", 3, 23.9) == 3


def test_a_table_forgets_what_has_expired():
    table = SessionTable(EXPIRY)
    for n in range(100):
        table.start(f"s{n}", 1, float(n))
    assert len(table) == 10
    table.forget()
    assert table.take("s99", 1, 99.0) is None


class Table(RuleBasedStateMachine):
    """A table beside a plain model that remembers every step."""

    def __init__(self):
        super().__init__()
        self.table = SessionTable(EXPIRY)
        self.now = 0.0
        self.used: dict[str, float] = {}
        self.owner: dict[str, int] = {}
        self.given: dict[str, list[int]] = {}

    def alive(self, name):
        return name in self.used and self.used[name] + EXPIRY > self.now

    @rule(seconds=st.sampled_from([0.0, 1.0, 4.0, 10.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(node=st.integers(1, 3))
    def start(self, node):
        name = f"s{len(self.given)}"
        self.given[name] = [self.table.start(name, node, self.now)]
        self.used[name], self.owner[name] = self.now, node

    @precondition(lambda self: self.given)
    @rule(node=st.integers(1, 3), data=st.data())
    def take(self, node, data):
        name = data.draw(st.sampled_from(sorted(self.given)))
        generation = self.table.take(name, node, self.now)
        assert (generation is not None) == self.alive(name)
        if generation is not None:
            self.given[name].append(generation)
            self.used[name], self.owner[name] = self.now, node

    @precondition(lambda self: self.given)
    @rule(node=st.integers(1, 3), data=st.data())
    def refresh(self, node, data):
        name = data.draw(st.sampled_from(sorted(self.given)))
        done = self.table.refresh(name, node, self.now)
        assert done == (self.alive(name) and self.owner[name] == node)
        if done:
            self.used[name] = self.now

    @invariant()
    def generations_count_up_by_one(self):
        for generations in self.given.values():
            assert generations == list(range(1, len(generations) + 1))

    @invariant()
    def who_is_alive_is_found_with_its_owner(self):
        for name in self.given:
            held = self.table.find(name, self.now)
            assert (held is not None) == self.alive(name)
            assert held is None or held.owner == self.owner[name]


test_a_table_does_what_a_plain_model_does = Table.TestCase
