"""How often something holds, told as soon as it can be told: a sequential test of a share, and an interval for it.

The test weighs what was seen against one share by a mixture of likelihood ratios, one for each of some other shares.
While the true share is not above the one that is asked for, the weight of evidence that it is above is a nonnegative
supermartingale that begins at 1, so it ever reaches `1 / error` with a probability of at most `error`, however often
and whenever one looks. Sources: Wald, "Sequential Tests of Statistical Hypotheses", Ann. Math. Statist. 16, 1945 (the
likelihood ratio, and weight functions for hypotheses that are not simple); Ville, "Etude critique de la notion de
collectif", 1939 (the bound); Robbins, "Statistical Methods Related to the Law of the Iterated Logarithm", Ann. Math.
Statist. 41, 1970 (mixtures); Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
sequences", Ann. Statist. 49, 2021.
"""

from functools import lru_cache
from math import exp, inf, log, sqrt
from statistics import NormalDist
from typing import Literal

SPREAD = 32
"""Shares of one side among which half of the mixture is spread; the other half is on the share 1, or 0."""

Decision = Literal["pass", "fail", "unknown"]


@lru_cache
def _mixture(share: float, above: bool) -> tuple[tuple[float, float, float], ...]:
    """Return the logarithms of weight and of the two likelihood ratios, holds and does not, for each other share."""
    end = 1.0 if above else 0.0
    others = [share + (end - share) * (i + 0.5) / SPREAD for i in range(SPREAD)]
    parts = [(0.5 / SPREAD, other) for other in others] + [(0.5, end)]
    return tuple((log(weight), _log(q / share), _log((1.0 - q) / (1.0 - share))) for weight, q in parts)


def _log(ratio: float) -> float:
    return log(ratio) if ratio > 0.0 else -inf


def evidence(held: int, missed: int, share: float, above: bool) -> float:
    """Return the logarithm of the evidence that the true share is above, or below, the one that is asked for.

    Args:
        held: runs in which it held.
        missed: runs in which it did not.
        share: what is asked for, between 0 and 1.
        above: whether evidence for a larger share is meant.
    """
    logs = [
        weight + (held * if_held if held else 0.0) + (missed * if_missed if missed else 0.0)
        for weight, if_held, if_missed in _mixture(share, above)
    ]
    largest = max(logs)
    return largest + log(sum(exp(one - largest) for one in logs))


def decide(held: int, missed: int, share: float, wrong_pass: float = 0.05, wrong_fail: float = 0.05) -> Decision:
    """Return whether something holds in at least a share of all runs, or `unknown` as long as that cannot be told.

    It may be asked after each run; the first answer that is not `unknown` counts.

    Args:
        held: runs in which it held.
        missed: runs in which it did not.
        share: what is asked for, between 0 and 1.
        wrong_pass: greatest probability to ever say `pass` where the true share is not larger.
        wrong_fail: greatest probability to ever say `fail` where the true share is not smaller.
    """
    if evidence(held, missed, share, above=True) >= -log(wrong_pass):
        return "pass"
    if evidence(held, missed, share, above=False) >= -log(wrong_fail):
        return "fail"
    return "unknown"


def fewest_runs(share: float, wrong_pass: float = 0.05) -> int:
    """Return how many runs it takes to tell that something holds which holds in every run."""
    runs = 1
    while evidence(runs, 0, share, above=True) < -log(wrong_pass):
        runs += 1
    return runs


def wilson(held: int, runs: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the true share for a number of runs that was fixed before; (0, 1) without a run.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927; Brown, Cai &
    DasGupta, "Interval Estimation for a Binomial Proportion", Statist. Sci. 16, 2001.
    """
    if not runs:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, weight = held / runs, z * z / runs
    middle = (share + weight / 2) / (1 + weight)
    half = z * sqrt(share * (1 - share) / runs + weight / (4 * runs)) / (1 + weight)
    return (0.0 if not held else middle - half), (1.0 if held == runs else middle + half)
