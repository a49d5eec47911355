"""Cleaning of MNE's ``Raw``; a file of its own because mne is slow to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import mne
import numpy as np
from numpy.typing import NDArray

from physioaffect.recording import Signal
from physioaffect.signals.eeg_context import Recording
from physioaffect.signals.eeg_report import CleaningReport
from physioaffect.signals.eeg_steps import clean

if TYPE_CHECKING:
    from physioaffect.signals.eeg import EEGCleaning


def clean_raw(
    raw: mne.io.BaseRaw,
    cleaning: EEGCleaning,
    eog: Signal | None,
    checked: Callable[[Signal, EEGCleaning, Signal | None], Recording],
) -> tuple[mne.io.BaseRaw, CleaningReport]:
    """See `physioaffect.signals.eeg.clean_eeg`."""
    if not isinstance(raw, mne.io.BaseRaw):
        raise TypeError(f"clean_eeg takes a Signal or an mne Raw, got {type(raw).__name__}.")
    signal = Signal.from_mne(raw)
    if eog is None and cleaning.eyes is not None and "eog" in raw.get_channel_types():
        eog = Signal.from_mne(raw, kind="eog")
    recording = replace(
        checked(signal, cleaning, eog),
        positions=_positions(raw, signal.ch_names),
        marked=tuple(name for name in raw.info["bads"] if name in signal.ch_names),
    )
    result, report, _ = clean(recording, cleaning)
    out = raw.copy().load_data(verbose="error")
    if result.sfreq != recording.sfreq:
        if len(raw.filenames) > 1:
            # MNE resamples the parts of a joined recording one by one, which gives other lengths.
            out = mne.io.RawArray(out.get_data(), raw.info, raw.first_samp, verbose="error")
            notes = raw.annotations  # Set as a whole, MNE would shift them by what a crop has cut off.
            out.annotations.append(notes.onset, notes.duration, notes.description, notes.ch_names)
        out.resample(result.sfreq, method="polyphase", verbose="error")
    out[list(signal.ch_names)] = result.X
    others = [name for name in raw.info["bads"] if name not in signal.ch_names]
    out.info["bads"] = others + [name for name in report.bad_channels if name not in report.interpolated]
    # Only what is new: the old annotations are still there, under their own names. A resampled one may end a
    # sample earlier or later.
    old = np.pad(Signal.from_mne(out).flags, 1)
    new = replace(
        signal,
        data=result.X,
        sfreq=result.sfreq,
        flags=result.flags & ~(old[:-2] | old[1:-1] | old[2:]),
    )
    found = replace(new, unit="V").to_mne().annotations
    out.annotations.append(found.onset + out.first_time, found.duration, found.description)
    return out, report


def _positions(raw: mne.io.BaseRaw, ch_names: tuple[str, ...]) -> NDArray[np.float64]:
    places = np.array(
        [raw.info["chs"][raw.ch_names.index(name)]["loc"][:3] for name in ch_names], dtype=float
    )
    # MNE has zeros, not only NaN, where nobody set a montage.
    places[~np.isfinite(places).all(axis=1) | (places == 0).all(axis=1)] = np.nan
    return places
