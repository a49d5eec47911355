"""Probes: run the code with other test rows or labels; what changes on the training side has seen them."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.leakage.finding import Finding
from physioaffect.evaluation.leakage.replacing import replaced_labels, replaced_rows
from physioaffect.evaluation.leakage.training_side import Part, distance, parts_of
from physioaffect.evaluation.protocols.folds import Protocol

__all__ = ["probe", "probe_rows"]

_AGAIN = 6  # Runs of either sort where the callable is random: 924 ways to deal twelve runs.


def probe(  # noqa: PLR0913  All options are named.
    run: Callable[..., Any],
    X: Any,
    y: NDArray[Any] | Sequence[Any],
    train: NDArray[Any] | Sequence[int],
    test: NDArray[Any] | Sequence[int],
    *,
    groups: NDArray[Any] | None = None,
    declares: Protocol | None = None,
    n_replacements: int = 2,
    alpha: float = 0.01,
    seed: int = 0,
) -> list[Finding]:
    """Find out whether training depends on the test side, by changing it.

    Parameters
    ----------
    run : callable
        ``run(X, y, train, test)``, or ``run(X, y, train, test, groups)`` where ``groups`` is given:
        everything from the split (or from before it) to the fitted model, as it is done in earnest. It
        returns the training side: a fitted estimator or pipeline, or a mapping from names to values in the
        order in which they are made, such as
        ``{"train_features": ..., "selected": ..., "epoch": ..., "model": ...}``. Predictions of test rows
        must not be among them.
    X : ndarray, shape (n_rows, ...), or DataFrame
        Rows of numbers.
    y : array, shape (n_rows,)
        Labels.
    train, test : array of int
        The split.
    groups : array, shape (n_rows,), optional
        Passed on.
    declares : Protocol, optional
        If it grants unlabelled test windows, a change with the rows (not the labels) is a note.
    n_replacements : int
        How many times rows are replaced, and labels. In all ``run`` is called ``2 + 2 * n_replacements``
        times if it is not random.
    alpha : float
        How often a random callable without a leak is taken for one.
    seed : int
        The generators of numpy, Python and torch (if it is imported) are set to it before each call, and back
        after the last.

    Returns
    -------
    list of Finding
        One for rows and one for labels at most, empty if nothing changed. The first part that changes names
        the leak; what comes after it may change in consequence.

    Raises
    ------
    ProtocolError
        If ``run`` fails with replaced rows or labels only.

    Notes
    -----
    Without randomness equality is exact, so nothing can be found that is not there. What still differs
    between two runs with nothing replaced is compared by a permutation test over twelve runs (energy
    distance, all 924 ways to deal them), which sees only what stands out of that randomness.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = np.random.default_rng(0).standard_normal((8, 3)), np.arange(8) % 2
    >>> def scaled_before_the_split(X, y, train, test):
    ...     return {"train_features": StandardScaler().fit_transform(X)[train]}
    >>> [finding.kind for finding in probe(scaled_before_the_split, X, y, range(4), range(4, 8))]
    ['scaler_on_all']
    """
    y, train_idx, test_idx = np.asarray(y), np.asarray(train, dtype=np.intp), np.asarray(test, dtype=np.intp)
    rng = np.random.default_rng(seed)
    more = () if groups is None else (groups,)

    def call(X: Any, y: NDArray[Any], what: str) -> list[Part]:
        _set_generators(seed)
        try:
            return parts_of(run(_copy(X), y.copy(), train_idx.copy(), test_idx.copy(), *more))
        except Exception as error:
            if not what:
                raise
            raise ProtocolError(
                f"The callable ran, but not with {what} replaced ({type(error).__name__}: {error}). Either "
                "it looks at them, or it refuses such values: make it accept any numbers and any known label."
            ) from error

    with _generators_kept():
        usual = [call(X, y, "") for _ in range(2)]
        if not usual[0]:
            raise ProtocolError(
                "The callable returned nothing that can be compared: return a fitted estimator, or a mapping "
                "from names to arrays and numbers."
            )
        others: list[tuple[str, Callable[[int], tuple[Any, NDArray[Any]]]]] = [
            ("test rows", lambda n: (replaced_rows(X, y, test_idx, rng, telling=n % 2 == 1), y)),
            ("test labels", lambda n: (X, replaced_labels(y, test_idx, rng, turn=n))),
        ]
        findings: list[Finding] = []
        is_random = {part.name for part in _changed(usual[0], usual[1])}
        for what, replace in others:
            changed: list[Part] = []
            n_changed = 0
            for number in range(n_replacements):
                parts = [
                    p for p in _changed(usual[0], call(*replace(number), what)) if p.name not in is_random
                ]
                n_changed += bool(parts)
                changed = changed or parts
            told = f"in {n_changed} of {n_replacements} runs with other {what}"
            if not changed and is_random:
                while len(usual) < _AGAIN:
                    usual.append(call(X, y, ""))
                other = replace(0)
                replaced = [call(*other, what) for _ in range(_AGAIN)]
                changed, p = _differing(usual, replaced, alpha / len(others))
                told = f"with other {what}, beyond its randomness (p = {p:.2g})"
            if changed:
                is_granted = what == "test rows" and declares is not None and "unlabelled" in declares.grants
                findings.append(
                    Finding(
                        kind=changed[0].kind,
                        severity="note" if is_granted else "leak",
                        sentence=f"{changed[0].name} changed {told}{_and_more(changed)}."
                        + (" The protocol declares it." if is_granted else ""),
                        value=float(len(changed)),
                    )
                )
    if is_random and not any(finding.severity == "leak" for finding in findings):
        told = ", ".join(sorted(is_random)[:3])
        findings.append(
            Finding(
                kind="random_fit",
                severity="note",
                sentence=f"{len(is_random)} of {len(usual[0])} parts differ between two runs with nothing "
                f"replaced ({told}): of these only a change beyond that can be seen.",
                value=len(is_random) / len(usual[0]),
            )
        )
    return findings


def probe_rows(
    compute: Callable[[Any], Any],
    X: Any,
    units: NDArray[Any] | Sequence[Any],
    *,
    order: NDArray[Any] | None = None,
    n_units: int = 5,
    seed: int = 0,
) -> list[Finding]:
    """Find out whether a step that turns rows into rows carries anything from one unit into another.

    Parameters
    ----------
    compute : callable
        ``compute(X)`` gives one row for each row of ``X``: smoothing, baseline correction, feature
        extraction.
    X : ndarray, shape (n_rows, ...), or DataFrame
        Its input.
    units : array, shape (n_rows,)
        Unit of each row, such as its trial. Other values in the rows of one unit must not change another's.
    order : array, shape (n_rows,), optional
        Time of each row. Only rows earlier than all of the changed unit must then stay as they are: what is
        asked is whether the future is used.
    n_units : int
        How many units are changed, one after another.
    seed : int
        As in `probe`.

    Returns
    -------
    list of Finding
        ``smoothed_across_trials``, or ``future_baseline`` with ``order``; empty if nothing changed.
    """
    units = np.asarray(units)
    rng = np.random.default_rng(seed)

    def call(X: Any) -> NDArray[np.float64]:
        _set_generators(seed)
        computed = np.asarray(compute(_copy(X)), dtype=float)
        if len(computed) != len(units):
            raise ProtocolError(
                f"compute must give one row a row, got {len(computed)} for {len(units)} rows."
            )
        return computed.reshape(len(computed), -1)

    def differs(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(~((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1))

    with _generators_kept():
        usual = call(X)
        is_random = differs(usual, call(X))
        names = np.unique(units)
        n_changed, n_asked = 0, 0
        if order is not None:  # The latest are those that a baseline could come from.
            names = names[np.argsort([-np.asarray(order)[units == name].min() for name in names])]
        chosen = rng.permutation(np.arange(1, len(names)))[: n_units - 1]
        for name in names[np.concatenate([[0], chosen])]:
            own = np.flatnonzero(units == name)
            is_asked = (units != name) & ~is_random
            if order is not None:
                is_asked &= np.asarray(order) < np.asarray(order)[own].min()
            changed = differs(usual, call(replaced_rows(X, None, own, rng, telling=False)))
            n_changed += int((changed & is_asked).sum())
            n_asked += int(is_asked.sum())
    if n_changed == 0:
        return []
    what = "rows of other units" if order is None else "earlier rows"
    return [
        Finding(
            kind="smoothed_across_trials" if order is None else "future_baseline",
            severity="leak",
            sentence=f"{n_changed} of {n_asked} {what} changed when the rows of one unit were replaced.",
            value=n_changed / n_asked,
        )
    ]


def _changed(a: list[Part], b: list[Part]) -> list[Part]:
    """Parts of ``a`` that are other in ``b``, or are not in it; then those that are new."""
    values = {part.name: part.value for part in b}
    names = {part.name for part in a}
    lost = [p for p in a if p.name not in values or distance(p.value, values[p.name]) > 0]
    return lost + [part for part in b if part.name not in names]


def _and_more(changed: list[Part]) -> str:
    if len(changed) == 1:
        return ""
    names = ", ".join(dict.fromkeys(part.name for part in changed[1:4]))
    return f", and so did {names}" + (f" and {len(changed) - 4} more parts" if len(changed) > 4 else "")


def _differing(usual: list[list[Part]], replaced: list[list[Part]], alpha: float) -> tuple[list[Part], float]:
    """Parts whose distribution differs, the most telling first, by one permutation test over all of them."""
    runs = [{part.name: part.value for part in run} for run in (*usual[:_AGAIN], *replaced)]
    names = [part.name for part in usual[0] if all(part.name in run for run in runs)]
    n = len(runs)
    tables = []
    for name in names:
        table = np.array([[distance(a[name], b[name]) for b in runs] for a in runs])
        if (table > 0).any():
            tables.append((name, table / table.mean()))
    if not tables:
        return [], 1.0
    signs = np.full((comb(n, n // 2), n), -1.0)
    for deal, own in enumerate(combinations(range(n), n // 2)):
        signs[deal, own] = 1.0
    # Up to constants the energy distance of each deal: distances between the sorts less those within.
    every = [-((signs @ table) * signs).sum(axis=1) for _, table in tables]
    total = np.sum(every, axis=0)
    # The first deal is the real one.
    p = float(np.mean(total >= total[0] * (1 - 1e-9)))
    if p > alpha:
        return [], p
    order = np.argsort([-own[0] for own in every], kind="stable")
    by_name = {part.name: part for part in usual[0]}
    return [by_name[tables[number][0]] for number in order], p


def _copy(X: Any) -> Any:
    return X.copy() if hasattr(X, "copy") else np.array(X)


def _set_generators(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  What the callable may use, not what we use.
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)


@contextmanager
def _generators_kept() -> Iterator[None]:
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch = sys.modules.get("torch")
    of_torch = torch.get_rng_state() if torch is not None else None
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(of_torch)
