"""Calibration: of what is said to have probability p, a share p should happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from physioaffect.errors import DataError
from physioaffect.evaluation.statistics.probability_scores import brier_score, checked, log_loss, one_hot

__all__ = [
    "TOP_LABEL",
    "calibrated_error",
    "calibration_scores",
    "expected_calibration_error",
    "reliability",
]

Binning = Literal["width", "mass"]
Kind = Literal["top", "classwise"]
TOP_LABEL = "(top label)"


class _Judged(NamedTuple):
    """Stated probabilities of one event (the top label is right; the class is c), and whether it happened."""

    name: str
    stated: NDArray[np.float64]
    happened: NDArray[np.bool_]


def reliability(  # noqa: PLR0913 - three of them are the data, the others have defaults.
    truth: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any],
    *,
    n_bins: int = 10,
    binning: Binning = "width",
    kind: Kind = "top",
    subjects: ArrayLike | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Reliability curve: stated probability against observed share, bin by bin.

    Parameters
    ----------
    truth : array-like, shape (n,)
        True classes.
    probabilities : array-like, shape (n, n_classes)
        Rows add up to one.
    classes : sequence, length n_classes
        What the columns stand for.
    n_bins : int
        Bins over 0 to 1.
    binning : {"width", "mass"}
        Bins ``(lower, upper]`` of equal width, or of as equal counts as ties allow.
    kind : {"top", "classwise"}
        The likeliest class's probability and whether it is right, or every class by itself.
    subjects : array-like, shape (n,), optional
        Whose window or trial each row is. Rows of one person are not independent, so that an interval needs
        it; without it ``low`` and ``high`` are NaN.
    level : float
        Confidence of the intervals.

    Returns
    -------
    pandas.DataFrame
        One row a class (or ``"(top label)"``) and bin with at least one case: ``of``, ``lower``, ``upper``,
        ``n``, ``n_subjects``, ``stated`` (mean probability), ``observed`` (share), ``low`` and ``high`` of
        the share.

    Raises
    ------
    DataError
        If probabilities are not probabilities, or a true class is not among ``classes``.

    Notes
    -----
    Intervals after Korn & Graubard [1]_: Clopper-Pearson's with the number of cases that would, drawn
    independently, vary as much as the people's shares do (Taylor's linearisation of a ratio), with t for the
    few people. Where all or none happened, the people's number takes the place of the cases'. They are for a
    share by itself, not for the whole curve.

    References
    ----------
    .. [1] Korn & Graubard 1998, Survey Methodology 24:193-201.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.9, 0.1]])
    >>> curve = reliability(["a", "b", "b", "a"], p, ["a", "b"], n_bins=5)
    >>> curve[["lower", "upper", "n", "stated", "observed"]]
       lower  upper  n  stated  observed
    0    0.6    0.8  2    0.75       0.5
    1    0.8    1.0  2    0.90       1.0
    """
    judged = _judge(truth, probabilities, classes, kind)
    groups = None if subjects is None else pd.factorize(np.asarray(subjects))[0]
    if groups is not None and groups.shape != judged[0].stated.shape:
        raise DataError(
            f"subjects must name the person of each of {len(judged[0].stated)} rows; got {len(groups)}."
        )
    rows = []
    for of in judged:
        edges = _edges(of.stated, n_bins, binning)
        bins = _bin_of(of.stated, edges)
        for number in np.unique(bins):
            here = bins == number
            happened = of.happened[here]
            people = None if groups is None else groups[here]
            low, high = (np.nan, np.nan) if people is None else _share_interval(happened, people, level)
            rows.append(
                {
                    "of": of.name, "lower": edges[number], "upper": edges[number + 1], "n": int(here.sum()),
                    "n_subjects": np.nan if people is None else len(np.unique(people)),
                    "stated": of.stated[here].mean(), "observed": happened.mean(), "low": low, "high": high,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def expected_calibration_error(
    truth: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any],
    *,
    n_bins: int = 10,
    binning: Binning = "width",
    kind: Kind = "top",
) -> float:
    """Expected calibration error: mean distance of stated probability and observed share.

    Parameters
    ----------
    truth, probabilities, classes, n_bins, binning, kind
        As of `reliability`. ``"top"`` judges the likeliest class only [1]_; ``"classwise"`` every class,
        averaged (static calibration error [2]_); with ``binning="mass"`` that is the adaptive one of [2]_.

    Returns
    -------
    float
        From 0 (calibrated) to 1. Of few cases it is above 0 even of a calibrated model: see
        `calibrated_error`.

    References
    ----------
    .. [1] Guo et al. 2017, On Calibration of Modern Neural Networks, equation 3.
    .. [2] Nixon et al. 2019, Measuring Calibration in Deep Learning, arXiv:1904.01685.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.9, 0.1]])  # Says 90 %, right in 50 %.
    >>> round(expected_calibration_error(["a", "b"], p, ["a", "b"]), 3)
    0.4
    """
    judged = _judge(truth, probabilities, classes, kind)
    return float(np.mean([_error(of.stated, of.happened, n_bins, binning) for of in judged]))


def calibrated_error(
    probabilities: ArrayLike,
    classes: Sequence[Any],
    *,
    n_bins: int = 10,
    binning: Binning = "width",
    kind: Kind = "top",
    n_draws: int = 200,
    seed: int = 0,
) -> float:
    """Expected calibration error that the same probabilities would have if they were all true.

    Parameters
    ----------
    probabilities, classes, n_bins, binning, kind
        As of `expected_calibration_error`.
    n_draws, seed : int
        Classes are drawn so many times from the probabilities, independently of each other.

    Returns
    -------
    float
        The mean over draws. A model's error means something by what it is above this.

    Examples
    --------
    >>> p = np.full((40, 2), 0.5)
    >>> round(calibrated_error(p, ["a", "b"], n_draws=5000), 2)  # sqrt(1 / 4 / 40) sqrt(2 / pi) = 0.063
    0.06
    """
    stated = checked(probabilities, classes)
    rng = np.random.default_rng(seed)
    cumulative = np.cumsum(stated, axis=1)[:, :-1]
    names = list(classes)
    named = np.asarray(classes)
    errors = []
    for _ in range(n_draws):
        drawn = (rng.random((len(stated), 1)) > cumulative).sum(axis=1)
        errors.append(
            expected_calibration_error(named[drawn], stated, names, n_bins=n_bins, binning=binning, kind=kind)
        )
    return float(np.mean(errors))


def calibration_scores(predictions: pd.DataFrame, *, n_bins: int = 10, seed: int = 0) -> pd.DataFrame:
    """Calibration of every model of a run under every protocol.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As ``Result.predictions``, or that by trial: protocol, model, truth and ``p_<class>`` columns.
    n_bins : int
        Of the calibration errors, equal width.
    seed : int
        Of `calibrated_error`.

    Returns
    -------
    pandas.DataFrame
        Indexed by protocol and model: ``ece``, ``ece_if_calibrated``, ``ece_classwise``, ``brier``,
        ``log_loss``, ``n``. All pooled over people.

    Examples
    --------
    >>> rows = pd.DataFrame({"protocol": "loso", "model": "lda", "truth": ["a", "b"], "p_a": 1.0, "p_b": 0.0})
    >>> calibration_scores(rows)[["ece", "brier", "log_loss"]].to_numpy().tolist()
    [[0.5, 1.0, inf]]
    """
    columns = [str(name) for name in predictions if str(name).startswith("p_")]
    if not columns:
        raise DataError(
            "The predictions have no columns p_<class>: calibration is of probabilities, not of ratings."
        )
    classes = [name.removeprefix("p_") for name in columns]
    rows = {}
    for key, own in predictions.groupby(["protocol", "model"], sort=False, observed=True):
        truth, stated = own["truth"].astype(str).to_numpy(), own[columns].to_numpy(dtype=float)
        rows[key] = {
            "ece": expected_calibration_error(truth, stated, classes, n_bins=n_bins),
            "ece_if_calibrated": calibrated_error(stated, classes, n_bins=n_bins, seed=seed),
            "ece_classwise": expected_calibration_error(
                truth, stated, classes, n_bins=n_bins, kind="classwise"
            ),
            "brier": brier_score(truth, stated, classes),
            "log_loss": log_loss(truth, stated, classes),
            "n": len(own),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(rows, names=["protocol", "model"])
    return frame.astype({"n": int})


def _judge(truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[Any], kind: Kind) -> list[_Judged]:
    stated = checked(probabilities, classes)
    is_true = one_hot(truth, classes, len(stated))
    if kind == "top":
        best, rows = stated.argmax(axis=1), np.arange(len(stated))
        return [_Judged(TOP_LABEL, stated[rows, best], is_true[rows, best])]
    if kind == "classwise":
        return [_Judged(str(name), stated[:, c], is_true[:, c]) for c, name in enumerate(classes)]
    raise ValueError(f"kind must be 'top' or 'classwise', got {kind!r}.")


def _edges(stated: NDArray[np.float64], n_bins: int, binning: Binning) -> NDArray[np.float64]:
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
    if binning == "width":
        return np.arange(n_bins + 1) / n_bins
    if binning == "mass":
        # Observed values as edges: equal probabilities share a bin, whatever their order.
        inner = np.quantile(stated, np.arange(1, n_bins) / n_bins, method="inverted_cdf")
        return np.unique(np.concatenate([[0.0], inner, [1.0]]))
    raise ValueError(f"binning must be 'width' or 'mass', got {binning!r}.")


def _bin_of(stated: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    """Bins (lower, upper], the first with its lower edge. A rounded 0.3 counts as 0.3."""
    return np.clip(np.searchsorted(edges, stated - 1e-9, side="left") - 1, 0, len(edges) - 2)


def _error(stated: NDArray[np.float64], happened: NDArray[np.bool_], n_bins: int, binning: Binning) -> float:
    edges = _edges(stated, n_bins, binning)
    bins = _bin_of(stated, edges)
    gaps = np.bincount(bins, weights=stated - happened, minlength=len(edges) - 1)
    return float(np.abs(gaps).sum() / len(stated))


def _share_interval(
    happened: NDArray[np.bool_], people: NDArray[np.intp], level: float
) -> tuple[float, float]:
    """Interval of a share of cases that come in clusters, one a person."""
    n, share = len(happened), float(happened.mean())
    _, person = np.unique(people, return_inverse=True)
    n_people = int(person.max()) + 1
    if n_people < 2:
        return np.nan, np.nan
    surplus = np.bincount(person, weights=happened - share)
    variance = n_people / (n_people - 1) * float(np.sum(surplus**2)) / n**2
    binomial = share * (1 - share)
    effective = n_people if binomial == 0 else n if variance == 0 else min(n, binomial / variance)
    if binomial > 0:
        tail = (1 + level) / 2
        effective *= (stats.t.ppf(tail, n - 1) / stats.t.ppf(tail, n_people - 1)) ** 2
    successes, tail = effective * share, (1 - level) / 2
    low = 0.0 if share == 0 else float(stats.beta.ppf(tail, successes, effective - successes + 1))
    high = 1.0 if share == 1 else float(stats.beta.isf(tail, successes + 1, effective - successes))
    return low, high
