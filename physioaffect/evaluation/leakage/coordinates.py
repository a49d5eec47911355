"""Leaks that coordinates alone give away: what is shared, in names and in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from physioaffect.evaluation.leakage.finding import Finding, NotMade, Severity
from physioaffect.evaluation.leakage.material import Split

__all__ = ["future_baseline", "rows_without_coordinates", "shared_units"]

_WORDS = {"subject": "person", "session": "session", "stimulus": "stimulus", "trial": "trial"}


def shared_units(split: Split) -> Iterator[Finding | NotMade]:
    """Name the rows, people, sessions, stimuli, trials and samples in time that both sides have."""
    is_train = np.zeros(len(split.material.coords), dtype=bool)
    is_train[split.train] = True
    if n_rows := int(is_train[split.test].sum()):
        yield Finding(
            kind="row_shared",
            severity="leak",
            sentence=f"{n_rows} of {len(split.test)} test rows are training rows as well.",
            value=n_rows / len(split.test),
        )
    for level, is_shared in split.shared.items():
        if not is_shared.any():
            continue
        share = float(is_shared.mean())
        told = f"{is_shared.sum()} of {len(is_shared)} test windows ({100 * share:.3g} %)"
        if level == "samples":
            told = f"{told} overlap a training window in time: raw samples are shared."
        else:
            units = split.material.places.units[level][split.test]
            told = (
                f"{told} are of a {_WORDS[level]} that training windows are of, too "
                f"({len(np.unique(units[is_shared]))} of {len(np.unique(units))})."
            )
        severity: Severity = "warning"
        if level in split.held:
            severity, told = "leak", f"{told} The protocol promises to hold out every {_WORDS[level]}."
        elif level in {"trial", "samples"}:
            severity = "leak"
        elif level in split.allowed:
            severity, told = "note", f"{told} This is declared."
        yield Finding(kind=f"{level}_shared", severity=severity, sentence=told, value=share)
    for level in ("subject", "session", "stimulus", "trial"):
        if level not in split.shared:
            yield NotMade(check=f"{level}_shared", reason=f"coords have no column {level}.")
    if "samples" not in split.shared:
        yield NotMade(check="samples_shared", reason="coords lack duration, or trial and start.")


def rows_without_coordinates(split: Split) -> Finding | NotMade | None:
    """Rows that have no person or no trial where others have one: made, not recorded."""
    units = [unit for level in ("subject", "trial") if (unit := split.material.unit(level)) is not None]
    if not units:
        return NotMade(reason="coords have neither subject nor trial.")
    is_lost = np.asarray((np.stack(units) < 0).any(axis=0))
    n_train, n_test = int(is_lost[split.train].sum()), int(is_lost[split.test].sum())
    if n_train + n_test == 0:
        return None
    # Rows made of training rows alone are as they should be, and features tell whether they are.
    is_harmless = n_test == 0 and split.material.X is not None
    return Finding(
        kind="rows_without_coordinates",
        severity="note" if is_harmless else "warning",
        sentence=f"{n_train} training and {n_test} test rows have no person or trial, so nothing can be said "
        "of where they come from.",
        value=float(n_train + n_test),
    )


def future_baseline(split: Split) -> Iterator[Finding | NotMade]:
    """Baselines, as the coordinates state them, that end after the window began or lie on the other side."""
    coords, places = split.material.coords, split.material.places
    rows = np.concatenate([split.train, split.test])
    is_made = False
    if {"baseline_stop", "start"} <= set(coords):
        is_made = True
        stop, start = split.material.column("baseline_stop")[rows], split.material.column("start")[rows]
        if "baseline_trial" in coords and "trial" in coords:
            # In another trial its seconds count from another onset.
            own = (coords["baseline_trial"].astype(str) == coords["trial"].astype(str)).to_numpy()[rows]
            stop = np.where(own | coords["baseline_trial"].isna().to_numpy()[rows], stop, -np.inf)
        is_late = stop > start + 1e-6
        if is_late.any():
            worst = float((stop - start)[is_late].max())
            yield Finding(
                kind="future_baseline",
                severity="leak",
                sentence=f"The baseline of {is_late.sum()} of {len(rows)} windows ends after the window has "
                f"begun, by up to {worst:g} s: a prediction would have to wait for it.",
                value=float(is_late.mean()),
            )
    if "baseline_trial" in coords and "trial" in places.units:
        is_made = True
        keys = ["subject", "session"] if "session" in coords else ["subject"]
        keys = [key for key in keys if key in coords]
        names = coords[[*keys, "trial"]].astype(str).agg("\0".join, axis=1).to_numpy()
        # The trial's name as it would be spelt there; a missing one matches nothing.
        of_baseline = coords[[*keys, "baseline_trial"]].astype(str).agg("\0".join, axis=1).to_numpy()
        for mine, others, what in (
            (split.train, split.test, "training windows are relative to a baseline in a test trial"),
            (split.test, split.train, "test windows are relative to a baseline in a training trial"),
        ):
            is_across = np.isin(of_baseline[mine], names[others])
            if is_across.any():
                yield Finding(
                    kind="future_baseline",
                    severity="leak",
                    sentence=f"{is_across.sum()} of {len(mine)} {what}.",
                    value=float(is_across.mean()),
                )
    if not is_made:
        yield NotMade(reason="coords have no baseline_stop or baseline_trial; see the probe.")
