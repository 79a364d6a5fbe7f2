"""The message that codecs encode."""

from hypothesis import given
from hypothesis import strategies as st

from twin.rules.chat import TEXTS, WORDS, chat, text


@given(st.integers(0, 10**6), st.integers(0, 3000))
def test_a_text_has_the_bytes_that_it_should_have_and_is_of_common_words(number, size):
    found = chat(number, size)
    assert len(found.text.encode()) == size
    assert set(found.text.split(" ")[:-1]) <= set(WORDS)
    assert chat(number, size) == found


def test_different_numbers_say_different_things_until_the_texts_are_used_up():
    assert len({text(number, 200) for number in range(TEXTS)}) == TEXTS
    assert chat(TEXTS + 3, 50).text == chat(3, 50).text
    assert chat(TEXTS + 3, 50) != chat(3, 50)


def test_an_author_is_the_same_in_each_message_of_his():
    assert {chat(number, 10, 7).sender for number in range(5)} == {"user-0007"}
    assert len({chat(number, 10).sender for number in range(5)}) == 5
