import pytest

from twin.rules.refusal import after_answer, seconds_of


@pytest.mark.parametrize(
    ("status", "asked", "fatal", "honours", "then"),
    [
        (429, 60.0, [], True, 60.0),
        (429, 60.0, [], False, None),
        (429, None, [], True, None),
        (429, 60.0, [401, 429], True, "stop"),
        (503, 3.0, [429], True, 3.0),
    ],
)
def test_a_status_stops_a_client_or_tells_it_how_long_to_wait(status, asked, fatal, honours, then):
    assert after_answer(status, asked, fatal, honours) == then


def test_a_header_of_seconds_is_read_and_a_date_is_not():
    assert (seconds_of("60"), seconds_of(None), seconds_of("Wed, 21 Oct 2015 07:28:00 GMT")) == (60.0, None, None)
