"""Times as other programs write them, in seconds. Sources: HAProxy 2.8 manual, 2.5 "Time format"; nginx, "Configuration
file measurement units"; Go, `time.ParseDuration`, which reads those of Istio."""

import re

from twin.errors import ScenarioError

MOST = 86_400.0
"""Longest time of a scenario in seconds; longer ones are taken as that."""
SECOND = 1_000_000
_HAPROXY = {"us": 1, "ms": 1000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
_NGINX = {**_HAPROXY, "w": 604_800 * SECOND, "M": 2_592_000 * SECOND, "y": 31_536_000 * SECOND}
"""Microseconds of each unit: whole numbers, so that 1251 ms are the float 1.251."""
_GO = {**{name: _HAPROXY[name] for name in ("us", "ms", "s", "m", "h")}, "ns": 0.001, "\u00b5s": 1}
_DIGITS = 15
"""Digits of a number that are read; more are nobody's."""


def haproxy_time(text: str, where: str, unit: str = "ms") -> float:
    """Return a time of HAProxy in seconds.

    Args:
        text: a whole number, and a unit.
        where: opens the sentence of an error.
        unit: where none is written.

    Raises:
        ScenarioError: it is no such time.
    """
    found = re.fullmatch(rf"([0-9]{{1,{_DIGITS}}})(us|ms|s|m|h|d)?", text)
    if found is None:
        raise ScenarioError(f"{where}: the time is '{text}'; allowed is a whole number with us, ms, s, m, h or d.")
    return min(MOST, int(found[1]) * _HAPROXY[found[2] or unit] / SECOND)


def nginx_time(text: str, where: str) -> float:
    """Return a time of nginx in seconds; without a unit it is in seconds, and parts such as `1h 30m` add up.

    Raises:
        ScenarioError: it is no such time.
    """
    number = rf"[0-9]{{1,{_DIGITS}}}"
    if not re.fullmatch(rf"(?:{number}(?:ms|[smhdwMy]) ?){{0,7}}{number}(?:ms|[smhdwMy])?", text):
        raise ScenarioError(f"{where}: the time is '{text}'; allowed is a number with ms, s, m, h, d, w, M or y.")
    parts = re.findall(rf"({number})(ms|[smhdwMy])?", text)
    return min(MOST, sum(int(count) * _NGINX[unit or "s"] for count, unit in parts) / SECOND)


def go_time(text: str, where: str) -> float:
    """Return a time of Istio in seconds; parts such as `1h30m` add up.

    Raises:
        ScenarioError: it is no such time.
    """
    number, unit = rf"[0-9]{{1,{_DIGITS}}}(?:\.[0-9]{{1,{_DIGITS}}})?", "|".join(_GO)
    if not re.fullmatch(rf"(?:{number}(?:{unit})){{1,8}}", text):
        raise ScenarioError(f"{where}: the time is '{text}'; allowed is a number with ms, s, m or h, as 1h30m.")
    parts = re.findall(rf"({number})({unit})", text)
    return min(MOST, round(sum(float(count) * _GO[unit] for count, unit in parts)) / SECOND)
