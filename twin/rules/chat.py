"""The message that codecs encode: a line of a chat, five fields of three sorts, the same for the same number.

Its text is drawn from a few common words, so that compression finds in it about what it finds in plain English, and not
the run of one byte that a filling would be.
"""

from dataclasses import dataclass
from functools import lru_cache
from random import Random

BEGAN = 1_767_225_600_000
"""Milliseconds since 1970 at which message 0 says that it was sent: 2026-01-01."""
APART = 137
"""Milliseconds between two messages, by what they say."""
ROOMS = ("general", "lunch", "support", "releases")
_WORDS = (
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but "
    "not what all were we when your can said there use an each which she do how their if will up other about out many "
    "then them these so some her would make like him into time has look two more write go see number no way could "
    "people my than first water been call who oil its now find long down day did get come made may part"
)
WORDS = tuple(_WORDS.split())
"""Common words of written English. Source: Fry, "The New Instant Word List", The Reading Teacher 34, 1980, its first
hundred without "a" and "I"."""
TEXTS = 1024
"""Different texts; message 1024 says again what message 0 said, which is out of the reach of any window by then."""


@dataclass(frozen=True, slots=True)
class ChatLine:
    """A line of a chat.

    Attributes:
        number: of the message.
        room, sender: where it is said, and by whom.
        sent: milliseconds since 1970.
        text: what is said, in ASCII.
    """

    number: int
    room: str
    sender: str
    sent: int
    text: str


def chat(number: int, text_bytes: int, author: int = -1) -> ChatLine:
    """Return a message.

    Args:
        number: of it, at least 0.
        text_bytes: bytes of its text.
        author: number of who says it; below 0 it is somebody else each time.
    """
    who = author if author >= 0 else number * 7919
    room = ROOMS[number % len(ROOMS)]
    return ChatLine(number, room, f"user-{who % 10_000:04d}", BEGAN + APART * number, text(number % TEXTS, text_bytes))


@lru_cache(2 * TEXTS)
def text(number: int, size: int) -> str:
    """Return the words of text `number`, cut to `size` bytes."""
    draw = Random(number)
    words = draw.choices(WORDS, k=size // 2 + 1)  # a word and a space are two bytes at least
    return " ".join(words)[:size]
