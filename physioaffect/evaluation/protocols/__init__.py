"""Protocols: what is held out, what train and test still share, and which claim a score then supports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold

from physioaffect.data_set import Exclusion, Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.calibrated import (
    calibrated_rest,
    calibrated_same_rest,
    calibrated_same_trial,
    calibrated_trials,
)
from physioaffect.evaluation.protocols.cross_dataset import cross_dataset
from physioaffect.evaluation.protocols.cross_stimulus import cross_stimulus
from physioaffect.evaluation.protocols.folds import Fold, Protocol, codes, is_categorical, person_names
from physioaffect.evaluation.protocols.loso import loso, loso_kfold
from physioaffect.evaluation.protocols.loso_stimulus import loso_stimulus
from physioaffect.evaluation.protocols.session_protocols import cross_session, front_back, trial_blocks
from physioaffect.evaluation.protocols.trial_chunk import trial_chunk
from physioaffect.evaluation.protocols.within_subject import (
    within_subject_trial,
    within_subject_trial_kfold,
    within_subject_trial_loto,
)

__all__ = [
    "MAKERS",
    "PROTOCOLS",
    "Fold",
    "Protocol",
    "calibrated_rest",
    "calibrated_same_rest",
    "calibrated_same_trial",
    "calibrated_trials",
    "codes",
    "cross_dataset",
    "cross_session",
    "cross_stimulus",
    "front_back",
    "get_protocol",
    "loso",
    "loso_kfold",
    "loso_stimulus",
    "person_names",
    "transductive",
    "trial_blocks",
    "trial_chunk",
    "window_random",
    "within_subject_trial",
    "within_subject_trial_kfold",
    "within_subject_trial_loto",
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


window_random = Protocol(
    name="window_random",
    holds_out="window",
    shares="The person, the session, the trial and its label; with overlapping windows the samples too.",
    claim=None,
    folds=_window_folds,
)
_TRANSDUCTIVE = "_transductive"


def transductive(protocol: Protocol) -> Protocol:
    """Let models see the test windows of ``protocol``, without their labels.

    Features are then standardised within each person (by that person's own windows), and models that use
    ``"unlabelled"`` receive the test windows when they are fitted.

    Parameters
    ----------
    protocol : Protocol
        Any that is not transductive yet.

    Raises
    ------
    ProtocolError
        If it is transductive already.

    Examples
    --------
    >>> shown = transductive(loso)
    >>> shown.name, sorted(shown.grants), sorted(loso.grants)
    ('loso_transductive', ['unlabelled'], [])
    """
    if "unlabelled" in protocol.grants:
        raise ProtocolError(f"Protocol {protocol.name} is transductive already: use it as it is.")
    name = f"{protocol.name}{_TRANSDUCTIVE}"

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
        def under_this_name(item: Exclusion) -> None:
            report(
                replace(item, reason=item.reason.replace(f"Protocol {protocol.name}:", f"Protocol {name}:"))
            )

        for fold in protocol.folds(coords, rng, under_this_name):
            yield replace(fold, unlabelled_idx=fold.test_idx)

    claim = protocol.claim and (
        f"{protocol.claim} Only once all of the test windows have been recorded: their features, not their "
        "labels, were used."
    )
    return replace(
        protocol,
        name=name,
        shares=f"{protocol.shares} Also the test windows themselves, unlabelled.",
        claim=claim,
        folds=folds,
        grants=protocol.grants | {"unlabelled"},
    )


# A name without the number that makes it, and how the number is written behind it.
MAKERS: dict[str, tuple[Callable[..., Protocol], str]] = {
    "trial_chunk": (trial_chunk, r"(\d+)"),
    "within_subject_trial": (within_subject_trial_kfold, r"(\d+)fold"),
    "front_back": (front_back, r"(\d+)"),
    "trial_blocks": (trial_blocks, r"(\d+)fold"),
    "loso": (loso_kfold, r"(\d+)fold"),
    "loso_stimulus": (loso_stimulus, r"(\d+)fold"),
    "cross_stimulus": (cross_stimulus, r"(\d+)fold"),
    "calibrated_trials": (calibrated_trials, r"(\d+)"),
    "calibrated_rest": (calibrated_rest, r"(\d+(?:\.\d+)?)s"),
    "calibrated_same_rest": (calibrated_same_rest, r"(\d+(?:\.\d+)?)s"),
    "calibrated_same_trial": (calibrated_same_trial, r"(\d+(?:\.\d+)?)s"),
}

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        window_random,
        trial_chunk(),
        within_subject_trial,
        within_subject_trial_loto,
        front_back(),
        trial_blocks(),
        cross_session,
        loso,
        transductive(loso),
        loso_stimulus(),
        cross_stimulus(),
        cross_dataset,
        calibrated_trials(),
        calibrated_rest(),
        calibrated_same_rest(),
        calibrated_same_trial(),
    )
}


def get_protocol(protocol: str | Protocol) -> Protocol:
    """Look a protocol up by name; a `Protocol` is returned as it is.

    A name may tell a number: ``loso_10fold``, ``loso_stimulus_5fold``, ``cross_stimulus_5fold``,
    ``within_subject_trial_10fold``, ``trial_blocks_3fold`` (folds), ``trial_chunk_5`` (parts),
    ``front_back_9``, ``calibrated_trials_5`` (trials), ``calibrated_rest_60s`` (seconds). Without one it is
    the default's, which is in the name of what comes back. ``_transductive`` behind any name makes it
    `transductive`. The same name always gives the same object.

    Parameters
    ----------
    protocol : str or Protocol
        A name, or what would have one.

    Raises
    ------
    ProtocolError
        If there is no such protocol.

    Examples
    --------
    >>> get_protocol("calibrated_rest").name, get_protocol("calibrated_rest_60s").name
    ('calibrated_rest_300s', 'calibrated_rest_60s')
    >>> get_protocol("loso_stimulus_5fold_transductive").holds_out
    ('subject', 'stimulus')
    """
    return protocol if isinstance(protocol, Protocol) else _by_name(protocol)


@cache
def _by_name(name: str) -> Protocol:
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if name.endswith(_TRANSDUCTIVE):
        base = _by_name(name.removesuffix(_TRANSDUCTIVE))
        full = f"{base.name}{_TRANSDUCTIVE}"
        return transductive(base) if full == name else _by_name(full)
    if name in MAKERS:
        return PROTOCOLS[MAKERS[name][0]().name]
    for first, (make, number) in MAKERS.items():
        if found := re.fullmatch(f"{first}_{number}", name):
            value = float(found[1])
            made = make(int(value) if value.is_integer() else value)
            if made.name == name:
                return PROTOCOLS.get(name, made)
    raise ProtocolError(
        f"Unknown protocol {name!r}: use one of {', '.join(PROTOCOLS)}; with another number, such as "
        f"loso_10fold or front_back_9; or one of these followed by {_TRANSDUCTIVE}."
    )
