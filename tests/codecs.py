"""What codecs and compression cost in the host profile of the tests: each part its own, and in proportion to sizes."""

from live.calibration.codecs import KINDS, levels_of
from tests.strategies import small_profile
from twin.costs.codec import CODEC_PARTS, CONTENTS, DEFLATE_PARTS, TEXTS_MEASURED
from twin.costs.curve import PartCosts

CODEC_MICROSECONDS = {
    "codec_encode": 503,
    "codec_encode_lone": 509,
    "codec_encode_more": 5,
    "codec_decode": 521,
    "codec_decode_lone": 523,
    "codec_decode_more": 7,
}
"""Of a message with the smallest text; one with n times as much costs n times that."""

DEFLATE_MICROSECONDS = {
    "deflate_kept": 541,
    "deflate_fresh": 547,
    "inflate_kept": 557,
    "inflate_fresh": 563,
}
"""Of a small frame, whatever the contexts and their number; one with n times as many bytes costs n times that."""


def part(name):
    """Return a part of the profile."""
    levels = levels_of(name)
    if name in CODEC_PARTS:
        values = [CODEC_MICROSECONDS[name] * size / TEXTS_MEASURED[0] for size in levels]
    elif name.endswith("_bytes"):
        base = DEFLATE_MICROSECONDS[name.removesuffix("_bytes")]
        values = [base * (size / CONTENTS[0] - 1) for size in levels]
    else:
        values = [DEFLATE_MICROSECONDS[name]] * len(levels)
    return PartCosts(levels=list(levels), values=[[value / 1e6] for value in values])


def codec_profile():
    """Return the profile of the tests with these parts, all kinds alike."""
    names = {"codec": CODEC_PARTS, "deflate": DEFLATE_PARTS}
    parts = {room: {name: part(name) for name in names[room]} for room in KINDS}
    return small_profile().with_parts({room: dict.fromkeys(kinds, parts[room]) for room, kinds in KINDS.items()})
