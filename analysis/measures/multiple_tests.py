"""p-values of several tests at a time, made larger so that chance alone seldom gives a small one."""

import numpy as np
from jaxtyping import Float


def holm(p_values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Adjusted so that, of tests in which there is nothing to find, with 95 % none is at most 0.05, however they depend on each other.

    Holm 1979, A simple sequentially rejective multiple test procedure, https://www.jstor.org/stable/4615733.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((n - np.arange(n)) * p_values[order]))
    return adjusted


def false_discoveries(p_values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Adjusted so that of the tests at most 0.05 at most 5 % have nothing to find, on average, if tests tend to agree.

    Benjamini & Hochberg 1995, Controlling the False Discovery Rate, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x; SciPy's
    `false_discovery_control`.

    >>> false_discoveries(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    from scipy.stats import false_discovery_control

    found: Float[np.ndarray, " n"] = false_discovery_control(p_values)
    return found
