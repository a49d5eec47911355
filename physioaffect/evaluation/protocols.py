"""Protocols: what is held out, what train and test still share, and which claim a score then supports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.calibrated import calibrated_rest, calibrated_same_trial, calibrated_trials
from physioaffect.evaluation.folds import Fold, Protocol, codes, is_categorical, person_names
from physioaffect.evaluation.loso import loso
from physioaffect.recording import Exclusion, Report

__all__ = [
    "PROTOCOLS",
    "Fold",
    "Protocol",
    "calibrated_rest",
    "calibrated_same_trial",
    "calibrated_trials",
    "codes",
    "get_protocol",
    "loso",
    "person_names",
    "transductive",
    "window_random",
    "within_subject_trial",
]


def _window_folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
    target = coords["target"].to_numpy()
    n_splits = 5
    if is_categorical(target):
        rarest = pd.Series(target).value_counts()
        if rarest.min() < n_splits:
            raise ProtocolError(
                f"Protocol window_random deals windows into {n_splits} folds, but class "
                f"{rarest.idxmin()!r} has only {rarest.min()}. Use shorter windows."
            )
        splitter: StratifiedKFold | KFold = StratifiedKFold(n_splits, shuffle=True, random_state=_seed(rng))
    elif len(target) < n_splits:
        raise ProtocolError(f"Protocol window_random needs at least {n_splits} windows, got {len(target)}.")
    else:
        splitter = KFold(n_splits, shuffle=True, random_state=_seed(rng))
    for number, (train_idx, test_idx) in enumerate(splitter.split(target, target), start=1):
        yield Fold(name=str(number), train_idx=train_idx, test_idx=test_idx)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _trial_folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
    subjects, trials = codes(coords, "subject"), codes(coords, "trial")
    names = person_names(coords)
    target = coords["target"].to_numpy()
    reasons = []
    for unit, row in enumerate(np.unique(subjects, return_index=True)[1]):
        name = str(names[row])
        own = np.flatnonzero(subjects == unit)
        own_trials, first = np.unique(trials[own], return_index=True)
        labels = target[own][first]
        splitter, lacking = _trial_splitter(labels, _seed(rng))
        if splitter is None:
            reasons.append(f"subject {name} has {lacking}")
            report(
                Exclusion(
                    subject=name,
                    reason=f"Protocol within_subject_trial needs two trials of each class: it has {lacking}.",
                    expected=True,
                )
            )
            continue
        for number, (train, test) in enumerate(splitter.split(labels, labels), start=1):
            yield Fold(
                name=f"{name}-{number}",
                train_idx=own[np.isin(trials[own], own_trials[train])],
                test_idx=own[np.isin(trials[own], own_trials[test])],
            )
    if len(reasons) == subjects.max(initial=-1) + 1:
        raise ProtocolError(
            "Protocol within_subject_trial trains on some trials of a person and tests on others, so each "
            f"class needs two trials a person, but {reasons[0] if reasons else 'there is nobody'}"
            f"{' and so on' if len(reasons) > 1 else ''}. Use loso, or a task with more trials."
        )


def _trial_splitter(labels: NDArray[Any], seed: int) -> tuple[StratifiedKFold | KFold | None, str]:
    """At most five folds, at least one trial of each class in each; or None and what is lacking."""
    if not is_categorical(labels):
        if len(labels) < 2:
            return None, f"{len(labels)} trial"
        return KFold(min(5, len(labels)), shuffle=True, random_state=seed), ""
    counts = pd.Series(labels).value_counts()
    if len(counts) < 2 or counts.min() < 2:
        return None, ", ".join(f"{count} of {name!r}" for name, count in counts.items())
    return StratifiedKFold(min(5, int(counts.min())), shuffle=True, random_state=seed), ""


within_subject_trial = Protocol(
    name="within_subject_trial",
    holds_out="trial",
    shares="The person and the session; no trial.",
    claim="Works for other trials of a person whose labelled trials were used for training.",
    folds=_trial_folds,
)
window_random = Protocol(
    name="window_random",
    holds_out="window",
    shares="The person, the session, the trial and its label; with overlapping windows the samples too.",
    claim=None,
    folds=_window_folds,
)


def transductive(protocol: Protocol) -> Protocol:
    """Let models see the test windows of ``protocol``, without their labels.

    Features are then standardised within each person (by that person's own windows), and models that use
    ``"unlabelled"`` receive the test windows when they are fitted.
    """

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
        for fold in protocol.folds(coords, rng, report):
            yield replace(fold, unlabelled_idx=fold.test_idx)

    claim = protocol.claim and (
        f"{protocol.claim} Only once all of the test windows have been recorded: their features, not their "
        "labels, were used."
    )
    return replace(
        protocol,
        name=f"{protocol.name}_transductive",
        shares=f"{protocol.shares} Also the test windows themselves, unlabelled.",
        claim=claim,
        folds=folds,
        grants=protocol.grants | {"unlabelled"},
    )


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        window_random,
        within_subject_trial,
        loso,
        transductive(loso),
        calibrated_trials(),
        calibrated_rest(),
        calibrated_same_trial(),
    )
}
_CALIBRATED: dict[str, Callable[..., Protocol]] = {
    made.__name__: made for made in (calibrated_trials, calibrated_rest, calibrated_same_trial)
}


def get_protocol(protocol: str | Protocol) -> Protocol:
    """Look a protocol up by name; a `Protocol` is returned as it is.

    The calibrated ones take another length in their names, ``calibrated_trials_5``,
    ``calibrated_rest_60s``, or the default without one, ``calibrated_trials``.

    Examples
    --------
    >>> get_protocol("calibrated_rest").name, get_protocol("calibrated_rest_60s").name
    ('calibrated_rest_300s', 'calibrated_rest_60s')
    """
    if isinstance(protocol, Protocol):
        return protocol
    if protocol in PROTOCOLS:
        return PROTOCOLS[protocol]
    if protocol in _CALIBRATED:
        return PROTOCOLS[_CALIBRATED[protocol]().name]
    name, _, length = protocol.rpartition("_")
    if name in _CALIBRATED and re.fullmatch(r"\d+(\.\d+)?s?", length):
        number = float(length.rstrip("s"))
        made = _CALIBRATED[name](int(number) if number.is_integer() else number)
        if made.name == protocol:
            return made
    raise ProtocolError(f"Unknown protocol {protocol!r}: use one of {', '.join(PROTOCOLS)}.")
