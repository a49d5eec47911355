"""Leave one subject out, but give the model a little of that subject first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.data_set import Exclusion, Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.calibration_windows import (
    REST,
    Divide,
    check_length,
    first_of_rest,
    first_of_trials,
    first_trials,
)
from physioaffect.evaluation.protocols.folds import Fold, Protocol, is_categorical
from physioaffect.evaluation.protocols.loso import loso

__all__ = ["calibrated_rest", "calibrated_same_rest", "calibrated_same_trial", "calibrated_trials"]


def calibrated_trials(n_trials: int = 3) -> Protocol:
    """`loso`, with a new person's first trials given for calibration, labels and all.

    These trials leave the test whole. A person is left out and reported if the others lack a class that the
    person has.

    Parameters
    ----------
    n_trials : int
        How many. Default: three, which on DREAMER is as long as what HiSTN fine-tunes on.

    Examples
    --------
    >>> coords = pd.DataFrame({"subject": np.repeat(["a", "b"], 4), "trial": np.tile(np.arange(4), 2)})
    >>> coords = coords.assign(dataset="own", session="1", stimulus=coords["trial"], window=0, start=0.0)
    >>> coords = coords.assign(duration=4.0, order=coords["trial"], target=["calm", "tense"] * 4)
    >>> [fold, _] = calibrated_trials(n_trials=1).split(coords, np.random.default_rng(0))
    >>> fold.name, fold.train_idx, fold.calibration_idx, fold.test_idx
    ('a', array([4, 5, 6, 7]), array([0]), array([1, 2, 3]))
    """
    if not isinstance(n_trials, int) or n_trials < 1:
        raise ProtocolError(
            f"calibrated_trials needs a number of trials from 1, got {n_trials!r}. Or use loso."
        )
    first = "first trial" if n_trials == 1 else f"first {n_trials} trials"
    return _calibrated(
        f"calibrated_trials_{n_trials}",
        first_trials(n_trials),
        holds_out="trial",
        shares=f"The person: the {first} of each calibrate and are not tested. Stimuli, as in loso.",
        claim=(
            f"Works for a new person who has labelled the {first} and meets stimuli like those of the "
            "training people."
        ),
    )


def calibrated_rest(seconds: float = 300.0) -> Protocol:
    """`loso`, with the beginning of a new person's first rest given for calibration.

    Rest is a trial whose condition is ``rest`` or ``baseline`` and that has a label in the task; it leaves
    the test whole. A person without rest is left out and reported, and one whose other trials lack a class
    that the person has.

    Parameters
    ----------
    seconds : float
        Length, from the start of the first window; of a shorter rest, all. Default: five minutes.

    Examples
    --------
    >>> coords = pd.DataFrame({"subject": np.repeat(["a", "b"], 4), "trial": np.tile([0, 0, 1, 2], 2)})
    >>> coords = coords.assign(dataset="own", session="1", stimulus=coords["trial"], window=[0, 1, 0, 0] * 2)
    >>> coords = coords.assign(start=[0.0, 60.0, 0.0, 0.0] * 2, duration=60.0, order=coords["trial"])
    >>> coords["condition"] = ["rest", "rest", "read", "sing"] * 2
    >>> coords["target"] = ["calm", "calm", "calm", "tense"] * 2
    >>> [fold, _] = calibrated_rest(seconds=60).split(coords, np.random.default_rng(0))
    >>> fold.name, fold.calibration_idx, fold.test_idx
    ('a', array([0]), array([2, 3]))
    """
    _check_seconds("calibrated_rest", seconds)
    return _calibrated(
        f"calibrated_rest_{seconds:g}s",
        first_of_rest(seconds),
        seconds=seconds,
        holds_out="trial",
        shares=(
            f"The person: {seconds:g} s of each one's first rest calibrate, and that trial is not tested. "
            "Stimuli, as in loso."
        ),
        claim=(
            f"Works for a new person who has rested for {seconds:g} s and meets stimuli like those of the "
            "training people."
        ),
    )


def calibrated_same_rest(seconds: float = 300.0) -> Protocol:
    """`calibrated_rest` that tests what is left of the rest, too: no claim.

    Only the calibration windows leave the test, and windows that reach over the boundary are dropped. So some
    tested windows are of a trial whose label was given away with its beginning: to know these again takes no
    sign of rest. The other trials are tested as in `calibrated_rest`, which is what a claim needs.

    Parameters
    ----------
    seconds : float
        Length, from the start of the first window; of a shorter rest, all. Default: five minutes.

    Examples
    --------
    >>> coords = pd.DataFrame({"subject": np.repeat(["a", "b"], 4), "trial": np.tile([0, 0, 1, 2], 2)})
    >>> coords = coords.assign(dataset="own", session="1", stimulus=coords["trial"], window=[0, 1, 0, 0] * 2)
    >>> coords = coords.assign(start=[0.0, 60.0, 0.0, 0.0] * 2, duration=60.0, order=coords["trial"])
    >>> coords["condition"] = ["rest", "rest", "read", "sing"] * 2
    >>> coords["target"] = ["calm", "calm", "calm", "tense"] * 2
    >>> [fold, _] = calibrated_same_rest(seconds=60).split(coords, np.random.default_rng(0))
    >>> fold.name, fold.calibration_idx, fold.test_idx
    ('a', array([0]), array([1, 2, 3]))
    >>> calibrated_same_rest().claim is None
    True
    """
    _check_seconds("calibrated_same_rest", seconds)
    return _calibrated(
        f"calibrated_same_rest_{seconds:g}s",
        first_of_rest(seconds, keeps_remainder=True),
        seconds=seconds,
        holds_out="window",
        shares=(
            f"The person, and the trial and label of each one's first rest: {seconds:g} s of it calibrate, "
            "what is left is tested with the other trials. Stimuli, as in loso."
        ),
        claim=None,
    )


def calibrated_same_trial(seconds: float = 10.0) -> Protocol:
    """`loso`, with the beginning of every test trial given for calibration, label and all: no claim.

    Windows that reach over the boundary are dropped.

    Parameters
    ----------
    seconds : float
        Length in each trial, from the start of its first window. Default: 10 s, as HiSTN (arXiv 2408.15255).
    """
    _check_seconds("calibrated_same_trial", seconds)
    return _calibrated(
        f"calibrated_same_trial_{seconds:g}s",
        first_of_trials(seconds),
        seconds=seconds,
        holds_out="window",
        shares=(
            f"The person, every trial and its label: the first {seconds:g} s of each calibrate, the others "
            "are tested."
        ),
        claim=None,
    )


def _check_seconds(name: str, seconds: float) -> None:
    if not seconds > 0:
        raise ProtocolError(f"{name} needs more than 0 s, got {seconds:g}. Or use loso.")


def _calibrated(name: str, divide: Divide, *, seconds: float | None = None, **about: Any) -> Protocol:
    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
        if seconds is not None:
            check_length(coords, seconds)
        target = coords["target"].to_numpy()
        reasons = []
        n_folds = 0
        for fold in loso.folds(coords, rng, report):
            own = fold.test_idx
            division = divide(coords.iloc[own])
            n_folds += 1
            if reason := _cannot_be_tested(target[own], *division):
                reasons.append(f"subject {fold.name} {reason}")
                report(Exclusion(subject=fold.name, reason=f"Protocol {name}: it {reason}.", expected=True))
                continue
            yield replace(fold, calibration_idx=own[division.is_calibration], test_idx=own[division.is_test])
        if len(reasons) == n_folds:
            raise ProtocolError(
                f"Protocol {name} can test nobody: {reasons[0]}{' and so on' if n_folds > 1 else ''}. "
                "Calibrate with less, or use loso."
            )

    return Protocol(name=name, folds=folds, grants=frozenset({"calibration"}), validates="subject", **about)


def _cannot_be_tested(
    labels: NDArray[Any], is_calibration: NDArray[np.bool_], is_test: NDArray[np.bool_]
) -> str | None:
    if not is_calibration.any():
        return f"has no labelled trial of condition {' or '.join(REST)}"
    if not is_test.any():
        return "has nothing left after calibration"
    if is_categorical(labels) and (lost := sorted(set(labels) - set(labels[is_test]))):
        return f"has no {' or '.join(map(repr, map(str, lost)))} left after calibration"
    return None
