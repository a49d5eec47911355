"""The steps of `physioaffect.signals.eeg` in their order, on plain arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Flag
from physioaffect.signals.eeg_bad_channels import UnusableSamples, unusable_samples
from physioaffect.signals.eeg_context import Context, Learned, Recording
from physioaffect.signals.eeg_filter import band_pass, remove_dc, resample, resample_mask
from physioaffect.signals.eeg_line import harmonics, line_frequency, remove_line
from physioaffect.signals.eeg_report import CleaningReport
from physioaffect.signals.eeg_segments import mark_segments
from physioaffect.signals.eeg_spatial_steps import (
    mend_channels,
    refer,
    without_bursts,
    without_components,
    without_eyes,
)
from physioaffect.signals.gaps import bridge

if TYPE_CHECKING:
    from physioaffect.signals.eeg import EEGCleaning

_PHASES = {"fir": "zero phase", "fir_causal": "causal, minimum phase", "iir_causal": "causal, Butterworth"}


def clean(
    recording: Recording, cleaning: EEGCleaning, learned: Learned | None = None
) -> tuple[Recording, CleaningReport, Learned | None]:
    """Apply the steps in order; with ``learned`` nothing is learnt from this recording.

    What was learnt comes back, or None if there was nothing to learn from.
    """
    is_open = recording.flags == 0
    run = Context(
        recording=recording,
        cleaning=cleaning,
        learned=learned or Learned(),
        is_fixed=learned is not None,
        is_open=is_open,
    )
    names = recording.ch_names
    X = recording.X.astype(np.float64)
    X[:, ~is_open] = np.nan
    unusable = _set_aside(X, run)
    is_gap = np.logical_or.reduce(unusable)
    if is_gap.all():
        run.note("all", "No channel has a usable sample, so nothing was done; all values are NaN.")
        result = _at_new_rate(np.full_like(X, np.nan), is_gap, recording.flags, run)
        bad = dict.fromkeys(names, "no usable sample") | dict.fromkeys(recording.marked, "marked by the user")
        steps, marked = tuple(run.steps), _marked(result)
        return result, CleaningReport(steps=steps, bad_channels=bad, missing=1.0, marked=marked), None
    is_blind = ~(np.isfinite(recording.eog) & is_open)
    both = _filtered(np.concatenate([bridge(X, is_gap), bridge(recording.eog, is_blind)]), run)
    X, eog = both[: len(X)], both[len(X) :]
    bad, made = mend_channels(X, unusable, run)
    good = [row for row, name in enumerate(names) if name not in bad or name in made]
    whole = [row for row, name in enumerate(names) if name not in bad]
    is_gap[
        [row for row in good if row not in whole]
    ] = ~is_open  # Made of good ones, also where they had none.
    is_usable = is_open & ~np.concatenate([is_gap[good], is_blind]).any(axis=0)
    flags = recording.flags.copy()
    flags[is_open & is_blind.any(axis=0)] |= np.uint8(Flag.GAP)  # Where nobody knows what the eyes did.
    if good:
        good_names = [names[row] for row in good]
        _check_same(good_names, run)
        kept = refer(X[good], good_names, good, run)
        kept = without_eyes(kept, eog, is_usable, good_names, run)
        kept = without_components(kept, is_usable, good_names, good, run)
        kept = without_bursts(kept, is_usable, run)
        _mark(kept, is_usable, flags, run)
        X[good] = kept
    flags[unusable.is_extreme[whole].any(axis=0)] |= np.uint8(Flag.OUT_OF_RANGE)
    flags[unusable.is_flat[whole].any(axis=0)] |= np.uint8(Flag.FLAT)
    X[[row for row in range(len(X)) if row not in good]] = np.nan
    missing = float(is_gap[whole].any(axis=0).mean()) if whole else 1.0
    result = _at_new_rate(X, is_gap, flags, run)
    report = CleaningReport(
        steps=tuple(run.steps),
        bad_channels=bad,
        interpolated=made,
        missing=missing,
        marked=_marked(result),
    )
    return result, report, run.learned


def _check_same(good_names: list[str], run: Context) -> None:
    """What was learnt for each channel of the trial must find these channels in its baseline."""
    learned = run.learned
    if not run.is_fixed:
        learned.good = tuple(good_names)
    has_learnt = learned.eyes is not None or learned.ica is not None or learned.asr is not None
    if has_learnt and learned.good != tuple(good_names):
        odd = set(learned.good) ^ set(good_names)
        raise DataError(
            f"{', '.join(sorted(odd))} cannot be used in both the trial and its baseline, so what the trial "
            "taught about artefacts does not fit. Leave out these channels, or eyes, ica and asr."
        )


def _marked(recording: Recording) -> float:
    return float((recording.flags != 0).mean())


def _set_aside(X: NDArray[np.float64], run: Context) -> UnusableSamples:
    """Missing, extreme and flat samples."""
    settings, recording = run.cleaning.unusable, run.recording
    if settings is None:
        is_missing = ~np.isfinite(X)
        found = UnusableSamples(is_missing, np.zeros_like(is_missing), np.zeros_like(is_missing))
        if not is_missing.any():
            return found
    else:
        found = unusable_samples(X, settings, sfreq=recording.sfreq)
    kinds = ("missing", "extreme", "flat")
    counts = [mask[:, run.is_open].sum(axis=1) for mask in found]
    channels = {
        name: ", ".join(f"{n} {kind}" for n, kind in zip(numbers, kinds, strict=True) if n)
        for name, *numbers in zip(recording.ch_names, *counts, strict=True)
        if any(numbers)
    }
    n_flagged = int(np.count_nonzero(~run.is_open))
    run.note(
        "unusable samples",
        f"Missing, extreme or flat samples of {len(channels)} channels and {n_flagged} flagged samples are "
        "bridged by straight lines for the filters and NaN in the result.",
        numbers={
            "extreme": settings and settings.extreme,
            "flat_s": settings and settings.flat,
            "n_flagged": n_flagged,
            "n_infinite": int(np.count_nonzero(np.isinf(recording.X))),
        },
        channels=channels,
    )
    return found


def _filtered(X: NDArray[np.float64], run: Context) -> NDArray[np.float64]:
    """DC, line noise and band-pass, the same for EEG and EOG."""
    cleaning, sfreq = run.cleaning, run.recording.sfreq
    if cleaning.dc:
        X = remove_dc(X)
        run.note("DC", "The median of each channel is subtracted.")
    if cleaning.line is not None:
        X = _without_line(X, run)
    if (band := cleaning.band) is not None:
        X = band_pass(X, band, sfreq=sfreq)
        edges = [None if edge is None else float(edge) for edge in (band.fmin, band.fmax)]
        low, high = ("open" if edge is None else f"{edge:g} Hz" for edge in edges)
        run.note(
            "band-pass",
            f"{low} to {high} are kept ({_PHASES[band.method]}).",
            numbers={"fmin": edges[0], "fmax": edges[1], "method": band.method},
        )
    return X


def _without_line(X: NDArray[np.float64], run: Context) -> NDArray[np.float64]:
    settings, sfreq = run.cleaning.line, run.recording.sfreq
    assert settings is not None
    if not run.is_fixed:
        seen = X[: len(run.recording.X)]
        run.learned.line = settings.frequency or line_frequency(seen, sfreq=sfreq)
    line = run.learned.line
    if line is None:
        run.note("line noise", "Neither 50 nor 60 Hz stands out by 10 dB, so nothing was filtered.")
        return X
    stops = harmonics(line, sfreq=sfreq, width=settings.width)
    how = "as set" if settings.frequency else "found in the spectrum"
    run.note(
        "line noise",
        f"{', '.join(f'{stop:g}' for stop in stops)} Hz ({how}) are notched out, {_PHASES[settings.method]}.",
        numbers={"frequency": line, "stops": stops, "width": settings.width, "method": settings.method},
    )
    return remove_line(X, settings, sfreq=sfreq, frequency=line)


def _mark(
    X: NDArray[np.float64], is_usable: NDArray[np.bool_], flags: NDArray[np.uint8], run: Context
) -> None:
    """Flag bad segments in place."""
    if run.cleaning.segments is None:
        return
    found = mark_segments(X, is_usable, run.cleaning.segments, sfreq=run.recording.sfreq)
    flags[found.is_large] |= np.uint8(Flag.OUT_OF_RANGE)
    flags[found.is_step] |= np.uint8(Flag.MOTION)
    large, step = float(found.is_large.mean()), float(found.is_step.mean())
    numbers: dict[str, Any] = {"large": large, "step": step}
    limits = {"amplitude_limit": found.amplitude_limit, "step_limit": found.step_limit}
    numbers |= {name: limit for name, limit in limits.items() if not np.isnan(limit)}
    muscle = "not assessed"
    if found.is_muscle is not None:
        flags[found.is_muscle] |= np.uint8(Flag.MOTION)
        numbers["muscle"] = float(found.is_muscle.mean())
        muscle = f"{numbers['muscle']:.1%}"
    summary = f"Marked for amplitude {large:.1%}, for steps {step:.1%}, for muscle {muscle}."
    run.note("bad segments", summary, numbers=numbers)


def _at_new_rate(
    X: NDArray[np.float64], is_gap: NDArray[np.bool_], flags: NDArray[np.uint8], run: Context
) -> Recording:
    """Resample, and put the gaps back."""
    recording, to = run.recording, run.cleaning.sfreq
    if to is not None and to != recording.sfreq:
        is_empty = np.asarray(~np.isfinite(X).all(axis=1))
        X = resample(np.where(is_empty[:, np.newaxis], 0.0, X), sfreq=recording.sfreq, to=to)
        X[is_empty] = np.nan
        ratio = recording.sfreq / to
        is_gap = resample_mask(is_gap, X.shape[1], ratio)
        new = np.zeros(X.shape[1], dtype=np.uint8)
        for bit in Flag:
            new[resample_mask((flags & bit) > 0, len(new), ratio)] |= np.uint8(bit)
        flags = new
        run.note(
            "resampling",
            f"From {recording.sfreq:g} to {to:g} Hz (polyphase FIR, zero phase).",
            numbers={"before": recording.sfreq, "after": to},
        )
    X[is_gap] = np.nan
    data = X.astype(recording.X.dtype, copy=False)
    return replace(recording, X=data, flags=flags, sfreq=to or recording.sfreq)
