"""HiSTN's preprocessing, and its ways of dividing windows: the published ones and two that are honest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.data_set import Exclusion, Report
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import Fold, Protocol, loso
from physioaffect.evaluation.protocols import codes, person_names
from physioaffect.recording import Signal, Trial

__all__ = [
    "HiSTNScaling",
    "PublishedFold",
    "histn_loso",
    "histn_trials",
    "one_unit",
    "published_histn_blocks",
    "published_histn_first_10s",
]

SECONDS, N_BLOCKS = 60.0, 10
BLOCK = SECONDS / N_BLOCKS
CALIBRATION = 10.0
N_VALIDATION = 2000
# Starts are rounded.
_SLACK = 1e-6

Indices = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class HiSTNScaling:
    """Cleaning step of HiSTN: the last minute, in units of the rest before it, and of its own maximum.

    ``x <- (x - m) / s`` with mean and (1/n) standard deviation of the middle ten seconds of the rest before
    the trial, for each channel; then ``x <- x / max|x|`` over the minute. The result starts at time 0.

    Parameters
    ----------
    seconds : float
        Length kept, counted from the end.
    rest : float
        Length of the rest that is looked at, around its middle.

    Raises
    ------
    DataError
        If the trial or its rest is too short, or there is no rest.

    Notes
    -----
    arXiv 2408.15255 and the code beside it. The maximum is of the whole minute, so each window knows
    something of those that come after it.
    """

    name: ClassVar[str] = "histn_scaling"
    version: ClassVar[int] = 1

    seconds: float = SECONDS
    rest: float = 10.0

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial with its EEG alone, without a unit."""
        eeg = trial.signal("eeg")
        before = (trial.baseline or {}).get("eeg")
        where = f"Subject {trial.subject}, trial {trial.trial} of {trial.dataset}"
        if not isinstance(before, Signal):
            raise DataError(f"{where} has no rest of EEG before it, by which HiSTN scales. Use DREAMER.")
        n_kept, n_rest = round(self.seconds * eeg.sfreq), round(self.rest * eeg.sfreq)
        for what, signal, n_least in (("clip", eeg, n_kept), ("rest", before, n_rest)):
            if signal.n_times < n_least:
                raise DataError(
                    f"{where} has a {what} of {signal.duration:g} s; HiSTN takes {n_least / eeg.sfreq:g} s."
                )
        middle = before.n_times // 2
        rest = before.masked[:, middle - n_rest // 2 : middle + n_rest // 2].astype(np.float64)
        data = eeg.masked[:, -n_kept:].astype(np.float64)
        # A channel that is flat at rest, or in the minute, has no scale: its samples become NaN.
        spread = rest.std(axis=1, keepdims=True)
        data = (data - rest.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, np.nan)
        largest = np.abs(data).max(axis=1, keepdims=True)
        data = data / np.where(largest > 0, largest, np.nan)
        scaled = replace(eeg, data=data, unit="au", start=0.0, flags=eeg.flags[-n_kept:])
        return replace(trial, signals={"eeg": scaled}, baseline=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class PublishedFold(Fold):
    """A fold of HiSTN's.

    Parameters
    ----------
    stop_idx : ndarray of int
        Windows by whose loss the best epoch is chosen, each class equally often. They are not
        ``validation_idx``, because `Protocol` cuts that from training by itself.
    stimuli : ndarray of int, shape (n_windows of the table,), optional
        The clip of each window; where it is given, labels of training are those that most people gave.
    """

    stop_idx: Indices = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    stimuli: Indices | None = None


def one_unit(coords: pd.DataFrame) -> Indices:
    """Take all windows for one unit, of which no validation is cut."""
    return np.zeros((len(coords), 1), dtype=np.intp)


def _times(coords: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    start = coords["start"].to_numpy(dtype=float)
    return start, start + coords["duration"].to_numpy(dtype=float)


def _evenly(coords: pd.DataFrame, rows: Indices, rng: np.random.Generator) -> Indices:
    """Draw windows with replacement: a class, one of its trials, one of its windows."""
    own = coords.iloc[rows]
    trials = codes(coords, "trial")[rows]
    first = np.unique(trials, return_index=True)[1]
    of_class = pd.Series(trials[first]).groupby(own["target"].to_numpy()[first]).apply(np.array)
    of_trial = {int(trial): np.flatnonzero(trials == trial) for trial in trials[first]}
    drawn = []
    for number in rng.integers(len(of_class), size=N_VALIDATION):
        windows = of_trial[int(rng.choice(of_class.iloc[number]))]
        drawn.append(rows[rng.choice(windows)])
    return np.array(drawn, dtype=np.intp)


def _each_person(coords: pd.DataFrame) -> Iterator[tuple[str, Indices]]:
    subjects, names = codes(coords, "subject"), person_names(coords)
    for unit in range(subjects.max() + 1):
        own = np.flatnonzero(subjects == unit)
        yield str(names[own[0]]), own


def published_histn_blocks(blocks: Sequence[int] = range(N_BLOCKS)) -> Protocol:
    """HiSTN's "subject-dependent" protocol: ten blocks of 6 s of every trial take turns as the test.

    Of the minute block i is the test, the one before it (the last, for the first) chooses the best epoch, and
    windows that touch neither train. Every trial is in all three parts.

    Parameters
    ----------
    blocks : sequence of int
        Only these tests, from 0; the published are all ten.

    Returns
    -------
    Protocol
        Without a claim.
    """
    chosen = tuple(blocks)
    if not chosen or not set(chosen) <= set(range(N_BLOCKS)):
        raise ProtocolError(f"HiSTN has the blocks 0 to {N_BLOCKS - 1}, got {', '.join(map(str, chosen))}.")

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
        begin, end = _times(coords)
        if begin.min() < -_SLACK or end.max() > SECONDS + _SLACK:
            raise ProtocolError(
                f"HiSTN's blocks divide {SECONDS:g} s of each trial, windows reach from {begin.min():g} to "
                f"{end.max():g} s. Use the cleaning step HiSTNScaling."
            )
        for name, own in _each_person(coords):
            for block in chosen:
                inside, touching = zip(
                    *(_in_block(begin[own], end[own], b % N_BLOCKS) for b in (block, block - 1)), strict=True
                )
                yield PublishedFold(
                    name=f"{name}-{block + 1}",
                    train_idx=own[~(touching[0] | touching[1])],
                    test_idx=own[inside[0]],
                    stop_idx=_evenly(coords, own[inside[1]], rng),
                )

    return Protocol(
        name="published_histn_blocks",
        holds_out="window",
        shares="The person, every trial and its one label: test blocks of 6 s touch training blocks.",
        claim=None,
        folds=folds,
        units=one_unit,
    )


def _in_block(
    begin: NDArray[np.float64], end: NDArray[np.float64], block: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Windows inside a block, and those that share time with it."""
    first, last = block * BLOCK, (block + 1) * BLOCK
    inside = (begin >= first - _SLACK) & (end <= last + _SLACK)
    return inside, (begin < last - _SLACK) & (end > first + _SLACK)


def histn_trials(n_folds: int = 6, folds: Sequence[int] | None = None) -> Protocol:
    """HiSTN's network within a person, whole trials held out: a fold of six tests, the one before it stops.

    The clips of each class are dealt to folds that are not neighbours where there are few, so that training
    knows every class of the person. A clip that alone has its class always trains.

    Parameters
    ----------
    n_folds : int
        Folds into which a person's trials are dealt.
    folds : sequence of int, optional
        Only these tests, from 0.

    Returns
    -------
    Protocol
    """
    chosen = tuple(range(n_folds) if folds is None else folds)

    def make(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
        trials, target = codes(coords, "trial"), coords["target"].to_numpy()
        for name, own in _each_person(coords):
            own_trials, first = np.unique(trials[own], return_index=True)
            place = _dealt(target[own][first], n_folds, rng)
            if (place >= 0).sum() < 2 or len(set(target[own])) < 2:
                reason = "Protocol histn_trials needs two classes, and two clips of one of them."
                report(Exclusion(subject=name, reason=reason, expected=True))
                continue
            of_window = place[np.searchsorted(own_trials, trials[own])]
            for number in chosen:
                is_test, is_stop = of_window == number, of_window == (number - 1) % n_folds
                if not is_test.any():
                    continue
                is_train = ~is_test & ~is_stop
                if not is_stop.any():
                    # The fold before is empty: the clips that train stop it, too.
                    is_stop = is_train = ~is_test
                yield PublishedFold(
                    name=f"{name}-{number + 1}",
                    train_idx=own[is_train],
                    test_idx=own[is_test],
                    stop_idx=_evenly(coords, own[is_stop], rng),
                )

    return Protocol(
        name="histn_trials",
        holds_out="trial",
        shares="The person and the session; no trial.",
        claim=(
            "Works for other trials of a person whose labelled trials were used for training, of ratings "
            "that occur among these."
        ),
        folds=make,
        units=one_unit,
    )


def _dealt(labels: NDArray[Any], n_folds: int, rng: np.random.Generator) -> Indices:
    """Fold of each trial; -1 for one that has its class to itself."""
    place = np.full(len(labels), -1, dtype=np.intp)
    load = np.zeros(n_folds, dtype=np.intp)
    classes, counts = np.unique(labels, return_counts=True)
    for name, count in sorted(zip(classes, counts, strict=True), key=lambda pair: -pair[1]):
        if count < 2:
            continue
        apart = max(1, n_folds // int(count)) * np.arange(count)
        starts = [load[(start + apart) % n_folds].sum() for start in range(n_folds)]
        folds = (int(np.argmin(starts)) + apart) % n_folds
        place[rng.permutation(np.flatnonzero(labels == name))] = folds
        np.add.at(load, folds, 1)
    return place


def _on_whole_seconds(coords: pd.DataFrame) -> NDArray[np.bool_]:
    """Windows without overlap among those that are cut every quarter of a second."""
    start, end = _times(coords)
    length = end - start
    turn = start / length
    return np.asarray(np.abs(turn - np.round(turn)) < _SLACK)


def published_histn_first_10s() -> Protocol:
    """HiSTN's "subject-independent" protocol: fine-tuned on the first 10 s of every trial of the test.

    Training: windows of 1 s of the others, with the label that most of them gave to the clip. Calibration:
    all windows in the first 10 s of each of the person's trials (every 0.25 s: 37 of each), label and all.
    Test: the remaining 50 s of the same trials, without overlap.

    Returns
    -------
    Protocol
        Without a claim.
    """

    def divide(own: pd.DataFrame, is_whole: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        start, end = _times(own)
        return end <= CALIBRATION + _SLACK, is_whole & (start >= CALIBRATION - _SLACK)

    return Protocol(
        name="published_histn_first_10s",
        holds_out="window",
        shares=(
            "The person, every trial and its label: the first 10 s of each calibrate, the others are tested."
        ),
        claim=None,
        folds=_held_out(divide),
        grants=frozenset({"calibration"}),
        units=one_unit,
    )


def histn_loso() -> Protocol:
    """`loso` on windows without overlap: what HiSTN's pre-training alone knows of a new person.

    Returns
    -------
    Protocol
        Called ``loso``, with its claim.
    """

    def divide(own: pd.DataFrame, is_whole: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        return np.zeros(len(own), dtype=bool), is_whole

    return replace(loso, folds=_held_out(divide), units=one_unit)


def _held_out(
    divide: Callable[[pd.DataFrame, NDArray[np.bool_]], tuple[NDArray[Any], NDArray[Any]]],
) -> Callable[[pd.DataFrame, np.random.Generator, Report], Iterator[Fold]]:
    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
        is_whole = _on_whole_seconds(coords)
        stimuli = codes(coords, "stimulus")
        for fold in loso.folds(coords, rng, report):
            own = fold.test_idx
            is_calibration, is_test = divide(coords.iloc[own], is_whole[own])
            yield PublishedFold(
                name=fold.name,
                train_idx=fold.train_idx[is_whole[fold.train_idx]],
                calibration_idx=own[is_calibration],
                test_idx=own[is_test],
                stimuli=stimuli,
            )

    return folds
