"""Summaries that up to half of the samples cannot move far."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._rolling import Signal, windows

NORMAL_SCALE = 1.482602218505602
"""1 / Phi^-1(3/4): median absolute deviation of normal noise to its standard deviation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What is typical in a signal; every field but the counts has the unit of the signal."""

    count: int
    """Finite samples."""
    missing: int
    """Samples that are NaN or infinite; they take part in nothing else."""
    median: float
    mad: float
    """Scaled median absolute deviation."""
    low: float
    high: float
    outliers: int
    """Samples further than `threshold` scaled deviations from the median."""


def mad(signal: npt.ArrayLike, *, scale: float = NORMAL_SCALE) -> float:
    """Return the median absolute deviation times `scale`; NaN for an empty signal."""
    samples = np.asarray(signal, dtype=np.float64)
    if samples.size == 0:
        return float("nan")
    return float(scale * np.median(np.abs(samples - np.median(samples))))


def summarise(signal: npt.ArrayLike, *, threshold: float = 3.5) -> Summary:
    """Summarise a signal of any shape; `threshold` counts scaled deviations.

    >>> summarise([1.0, 1.2, 0.8, 1.0, 99.0]).outliers
    1
    """
    samples = np.asarray(signal, dtype=np.float64).ravel()
    finite = samples[np.isfinite(samples)]
    missing = int(samples.size - finite.size)
    if finite.size == 0:
        nan = float("nan")
        return Summary(count=0, missing=missing, median=nan, mad=nan, low=nan, high=nan, outliers=0)
    median, spread = float(np.median(finite)), mad(finite)
    return Summary(
        count=int(finite.size),
        missing=missing,
        median=median,
        mad=spread,
        low=float(finite.min()),
        high=float(finite.max()),
        outliers=int(np.count_nonzero(np.abs(finite - median) > threshold * spread)),
    )


def hampel(signal: npt.ArrayLike, *, window: int = 7, threshold: float = 3.0) -> Signal:
    """Return the signal with every spike replaced by the median of the window around it.

    A spike is further than `threshold` scaled deviations from that median. `window` is an odd
    number of samples; at the ends the signal is continued by its mirror image.
    """
    if window % 2 == 0:
        raise ValueError(f"window must be odd, got {window}")
    samples = np.asarray(signal, dtype=np.float64).ravel()
    around = windows(np.pad(samples, window // 2, mode="reflect"), window)
    median = np.median(around, axis=1)
    spread = NORMAL_SCALE * np.median(np.abs(around - median[:, np.newaxis]), axis=1)
    spike = np.abs(samples - median) > threshold * spread
    return np.where(spike, median, samples)
