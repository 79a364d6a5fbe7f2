"""Confidence intervals without a library of statistics."""

import numpy as np

T_995 = {9: 3.2498, 19: 2.8609, 29: 2.7564}
"""99.5 % quantiles of Student's t by degrees of freedom. Source: NIST/SEMATECH e-Handbook, table 1.3.6.7.2."""


def interval(values):
    """Return mean and half width of the 99 % confidence interval of independent values: 10, 20 or 30 of them."""
    values = np.asarray(values, dtype=float)
    return float(values.mean()), float(T_995[len(values) - 1] * values.std(ddof=1) / np.sqrt(len(values)))


def distance_to_uniform(values, low, high):
    """Return the Kolmogorov-Smirnov distance of values to U(low, high)."""
    u = np.sort((np.asarray(values) - low) / (high - low))
    steps = np.arange(len(u) + 1) / len(u)
    return float(max(np.max(np.clip(u, 0, 1) - steps[:-1]), np.max(steps[1:] - np.clip(u, 0, 1))))


def critical_distance(count):
    """Return the distance that 99 % of samples of a true distribution stay below. Source: Kolmogorov's limit, 1.628."""
    return 1.628 / np.sqrt(count)
