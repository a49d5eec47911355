"""Protocols that go by sessions: their last trials, blocks of their trials, or whole sessions held out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from physioaffect.data_set import Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.folds import Fold, Indices, Protocol, codes, person_names
from physioaffect.evaluation.protocols.left_out import LeftOut

__all__ = ["cross_session", "front_back", "trial_blocks"]

# SEED's 9 of 15 trials.
_FRONT = 0.6


def front_back(n_trials: int | None = None) -> Protocol:
    """Train on the first trials of a session and test on its last ones, once per person and session.

    Trials count in the session's ``order``, among those that are in the table.

    Parameters
    ----------
    n_trials : int, optional
        How many train: 9 for SEED, 16 for SEED-IV. Default: 60 % of each session's trials, which are 9 of 15.

    Raises
    ------
    ProtocolError
        If the number is below 1, or (when it splits) no session has more trials in a known order.

    Examples
    --------
    >>> front_back().name, front_back(16).name
    ('front_back', 'front_back_16')
    """
    name = "front_back" if n_trials is None else f"front_back_{n_trials}"
    if n_trials is not None and (not isinstance(n_trials, int) or n_trials < 1):
        raise ProtocolError(f"front_back needs a number of trials from 1, got {n_trials!r}.")
    least = 2 if n_trials is None else n_trials + 1

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
        names, left_out, n_made = person_names(coords), LeftOut(name, report), 0
        for own in _rows_of(codes(coords, "session")):
            person, session = str(names[own[0]]), str(coords["session"].iloc[own[0]])
            rank = _ranks(coords.iloc[own])
            if reason := _cannot_be_cut(rank, session, least):
                left_out.add(person, reason)
                continue
            n_own = int(rank.max()) + 1
            n_front = n_trials or min(max(round(_FRONT * n_own), 1), n_own - 1)
            n_made += 1
            yield Fold(
                name=f"{person}-{session}", train_idx=own[rank < n_front], test_idx=own[rank >= n_front]
            )
        if not n_made:
            raise left_out.refuse(
                "trains on the first trials of a session and tests on the others", "Use within_subject_trial."
            )

    first = "first trials" if n_trials is None else f"first {n_trials} trials"
    return Protocol(
        name=name,
        holds_out="trial",
        shares="The person and the session; no trial.",
        claim=f"Works for the rest of a session whose {first} the same person has labelled.",
        folds=folds,
    )


def trial_blocks(n_blocks: int = 3) -> Protocol:
    """Cut each session's trials into contiguous blocks; test one block of all sessions of a person.

    With three blocks it is SEED-V's: trials 1 to 5, 6 to 10 and 11 to 15 of every session. Trials count in
    the session's ``order``, among those that are in the table.

    Parameters
    ----------
    n_blocks : int
        Number of blocks, and of folds a person.

    Raises
    ------
    ProtocolError
        If there are fewer than two blocks, or (when it splits) no session has so many trials in a known
        order.

    Examples
    --------
    >>> trial_blocks().name
    'trial_blocks_3fold'
    """
    name = f"trial_blocks_{n_blocks}fold"
    if not isinstance(n_blocks, int) or n_blocks < 2:
        raise ProtocolError(f"trial_blocks needs a number of blocks from 2, got {n_blocks!r}.")

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
        names, left_out, n_made = person_names(coords), LeftOut(name, report), 0
        block = np.full(len(coords), -1, dtype=np.intp)
        for own in _rows_of(codes(coords, "session")):
            rank = _ranks(coords.iloc[own])
            if reason := _cannot_be_cut(rank, str(coords["session"].iloc[own[0]]), n_blocks):
                left_out.add(str(names[own[0]]), reason)
                continue
            block[own] = rank * n_blocks // (int(rank.max()) + 1)
        for own in _rows_of(codes(coords, "subject")):
            for number in np.unique(block[own][block[own] >= 0]):
                n_made += 1
                yield Fold(
                    name=f"{names[own[0]]}-{number + 1}",
                    train_idx=own[(block[own] != number) & (block[own] >= 0)],
                    test_idx=own[block[own] == number],
                )
        if not n_made:
            raise left_out.refuse(
                f"cuts the trials of a session into {n_blocks} blocks", "Use within_subject_trial."
            )

    return Protocol(
        name=name,
        holds_out="trial",
        shares="The person and the sessions; stimuli, where sessions repeat them; no trial.",
        claim="Works for other parts of sessions that the same person has partly labelled.",
        folds=folds,
    )


def _cross_session_folds(
    coords: pd.DataFrame,
    rng: np.random.Generator,  # noqa: ARG001
    report: Report,
) -> Iterator[Fold]:
    sessions, names = codes(coords, "session"), person_names(coords)
    left_out, n_made = LeftOut("cross_session", report), 0
    for own in _rows_of(codes(coords, "subject")):
        own_sessions = pd.unique(sessions[own])
        if len(own_sessions) < 2:
            left_out.add(str(names[own[0]]), "has no second session")
            continue
        for unit in own_sessions:
            is_test = sessions[own] == unit
            n_made += 1
            yield Fold(
                name=f"{names[own[0]]}-{coords['session'].iloc[own[is_test][0]]}",
                train_idx=own[~is_test],
                test_idx=own[is_test],
            )
    if not n_made:
        raise left_out.refuse(
            "trains on some sessions of a person and tests on another", "Use within_subject_trial or loso."
        )


cross_session = Protocol(
    name="cross_session",
    holds_out="session",
    shares="The person; stimuli, where every session has the same ones, as in SEED.",
    claim="Works for another session of a person whose other sessions were labelled.",
    folds=_cross_session_folds,
)


def _rows_of(units: Indices) -> list[Indices]:
    """Rows of each unit, in the order of the table."""
    return [np.flatnonzero(units == unit) for unit in range(int(units.max(initial=-1)) + 1)]


def _ranks(own: pd.DataFrame) -> Indices:
    """Place of each window's trial in its session, from 0; -1 for all if two trials have the same order."""
    trials = own.drop_duplicates("trial").sort_values("order")
    if trials["order"].duplicated().any():
        return np.full(len(own), -1, dtype=np.intp)
    places = pd.Series(np.arange(len(trials)), index=trials["trial"])
    return np.asarray(places.loc[own["trial"]], dtype=np.intp)


def _cannot_be_cut(rank: Indices, session: str, least: int) -> str | None:
    if rank[0] < 0:
        return f"has trials of the same order in session {session}, so that nobody knows which came first"
    if rank.max() + 1 < least:
        return f"has {rank.max() + 1} trials in session {session}, and {least} are needed"
    return None
