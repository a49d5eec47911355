"""The steps of EEG cleaning that mix channels: interpolation, reference, eyes, components, subspaces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError
from physioaffect.signals.eeg_artefacts import eye_weights, fit_asr, fit_ica
from physioaffect.signals.eeg_bad_channels import UnusableSamples, find_bad_channels
from physioaffect.signals.eeg_context import Context
from physioaffect.signals.eeg_reference import interpolation_weights, reference_matrix


def _bad_channels(X: NDArray[np.float64], unusable: UnusableSamples, run: Context) -> dict[str, str]:
    names, settings = run.recording.ch_names, run.cleaning.bad_channels
    empty = np.logical_or.reduce(unusable)[:, run.is_open].all(axis=1)
    bad = {name: "no usable sample" for name, is_empty in zip(names, empty, strict=True) if is_empty}
    if run.is_fixed:
        bad = bad | run.learned.bad
    elif settings is not None:
        seen = UnusableSamples(*(mask[:, run.is_open] for mask in unusable))
        X = X if run.is_open.all() else X[:, run.is_open]
        bad |= find_bad_channels(X, seen, settings, sfreq=run.recording.sfreq, ch_names=names)
    bad |= dict.fromkeys(run.recording.marked, "marked by the user")
    return {name: bad[name] for name in names if name in bad}


def mend_channels(
    X: NDArray[np.float64], unusable: UnusableSamples, run: Context
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Find bad channels and interpolate them in place: reasons, and names of the interpolated."""
    names, settings = run.recording.ch_names, run.cleaning.bad_channels
    bad = run.learned.bad = _bad_channels(X, unusable, run)
    made: tuple[str, ...] = ()
    summary = f"{len(bad)} of {len(names)} channels are bad."
    if bad and settings is not None and settings.interpolate:
        places = run.recording.places()
        is_placed = np.asarray(np.isfinite(places).all(axis=1))
        rows = [row for row, name in enumerate(names) if name in bad and is_placed[row]]
        sources = [row for row, name in enumerate(names) if name not in bad and is_placed[row]]
        if len(bad) > settings.most_interpolated * len(names):
            summary += f" More than {settings.most_interpolated:.0%}: none is interpolated."
        elif len(sources) < 4:
            summary += " Fewer than four good ones have a known position: none is interpolated."
        elif rows:
            weights = interpolation_weights(places[[*rows, *sources]], range(len(rows)))
            X[rows] = weights[:, len(rows) :] @ X[sources]
            made = tuple(names[row] for row in rows)
        summary += f" {len(made)} interpolated by spherical splines, {len(bad) - len(made)} NaN."
        if lost := [name for row, name in enumerate(names) if name in bad and not is_placed[row]]:
            summary += f" No position is known for {', '.join(lost)}."
    left = [name for name in names if name not in bad or name in made]
    if len(left) == 1 and run.cleaning.reference in ("average", "rest"):
        bad[left[0]] = "no other channel to refer to"
        summary += f" Only {left[0]} is left, and referred to itself it would be zero: it is NaN too."
    if settings is not None or bad:
        run.note(
            "bad channels",
            summary,
            numbers={"n_bad": len(bad), "n_interpolated": len(made)},
            channels={n: f"{why}; {'interpolated' if n in made else 'NaN'}" for n, why in bad.items()},
        )
    return bad, made


def refer(X: NDArray[np.float64], names: list[str], good: list[int], run: Context) -> NDArray[np.float64]:
    """Change the reference of the good channels."""
    reference = run.cleaning.reference
    if reference is None:
        return X
    if reference == "average":
        X = X - X.mean(axis=0)
        what = f"The average of {len(names)} channels"
    elif reference == "rest":
        X = reference_matrix(reference, ch_names=names, positions=run.recording.places()[good]) @ X
        what = "A point at infinity (REST)"
    else:
        bad = {name: run.learned.bad[name] for name in reference if name in run.learned.bad}
        if lost := [name for name in bad if name not in names]:
            raise DataError(
                f"The reference {lost[0]} is a bad channel here ({bad[lost[0]]}) that was not interpolated. "
                "Choose another reference, or leave this recording out."
            )
        X = reference_matrix(reference, ch_names=names) @ X
        what = f"The mean of {', '.join(f'{n} (interpolated)' if n in bad else n for n in reference)}"
    numbers = {"reference": reference if isinstance(reference, str) else list(reference), "n": len(names)}
    # Features know a channel that is zero throughout as flat, and lack a value; here it is said why.
    is_one = not isinstance(reference, str) and len(set(reference)) == 1
    itself = {reference[0]: "zero (the reference)"} if is_one else {}
    summary = f"{what} is the reference." + (f" {reference[0]} itself is zero now." if is_one else "")
    run.note("reference", summary, numbers=numbers, channels=itself)
    return X


def without_eyes(
    X: NDArray[np.float64],
    eog: NDArray[np.float64],
    is_usable: NDArray[np.bool_],
    names: list[str],
    run: Context,
) -> NDArray[np.float64]:
    """Subtract what the EOG explains."""
    settings = run.cleaning.eyes
    if settings is None:
        return X
    if len(eog) == 0:
        raise ProtocolError(
            "The regression on EOG needs EOG, and this recording has none. Pass eog=..., or set eyes=None "
            "and use ica or asr."
        )
    if settings.difference and len(eog) == 2:
        eog = np.diff(eog, axis=0)
    if run.learned.eyes is None:
        run.learned.eyes = eye_weights(X, eog, is_usable)
    seen = is_usable if is_usable.any() else slice(None)
    before = X[:, seen].var(axis=1)
    X = X - run.learned.eyes @ (eog - eog[:, seen].mean(axis=1, keepdims=True))
    share = 1 - X[:, seen].var(axis=1) / np.maximum(before, np.finfo(float).tiny)
    taken = {name: round(float(part), 4) for name, part in zip(names, share, strict=True)}
    worst = max(taken, key=taken.__getitem__)
    summary = f"What {len(eog)} EOG channels explain is subtracted, at most {taken[worst]:.1%} ({worst})."
    blind = float((~np.isfinite(run.recording.eog)).any(axis=0).mean())
    if blind:
        summary += f" {blind:.1%} of the time there is no EOG: flagged as a gap."
    run.note("eye regression", summary, numbers={"explained": taken, "without_eog": blind})
    return X


def without_components(
    X: NDArray[np.float64], is_usable: NDArray[np.bool_], names: list[str], good: list[int], run: Context
) -> NDArray[np.float64]:
    """Take out independent components by label."""
    settings = run.cleaning.ica
    if settings is None:
        return X
    if run.learned.ica is None:
        places = run.recording.places()[good]
        lost = [name for name, place in zip(names, places, strict=True) if not np.isfinite(place).all()]
        if lost:
            raise ProtocolError(
                f"ICLabel needs the place of every channel, and {', '.join(lost)} have none. Rename them to "
                "names of the 10-05 system, leave them out, or set ica=None."
            )
        run.learned.ica = fit_ica(
            X, is_usable, settings, sfreq=run.recording.sfreq, positions=places, ch_names=names
        )
    ica = run.learned.ica
    what = "; ".join(f"{number}: {label} ({p:.2f})" for number, label, p in ica.removed) or "none"
    numbers = {"n_components": ica.n_components, "removed": [list(item) for item in ica.removed]}
    run.note("ICA", f"Of {ica.n_components} components these are taken out: {what}.", numbers=numbers)
    return ica.apply(X)


def without_bursts(X: NDArray[np.float64], is_usable: NDArray[np.bool_], run: Context) -> NDArray[np.float64]:
    """Reconstruct artifact subspaces."""
    settings, sfreq = run.cleaning.asr, run.recording.sfreq
    if settings is None:
        return X
    if run.learned.asr is None:
        run.learned.asr = fit_asr(X, is_usable, settings, sfreq=sfreq)
    asr = run.learned.asr
    repaired = asr.apply(X, settings, sfreq=sfreq)
    tiny = 1e-6 * X.std(axis=1, keepdims=True)
    changed = float((np.abs(repaired - X) > tiny).any(axis=0).mean())
    summary = f"{changed:.1%} of the time was reconstructed; {asr.clean:.1%} were clean and learnt from."
    run.note("ASR", summary, numbers={"cutoff": settings.cutoff, "changed": changed, "clean": asr.clean})
    return repaired
