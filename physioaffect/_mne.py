"""Between our signals and MNE's ``Raw``; a file of its own because mne is slow to import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import mne
import numpy as np
from numpy.typing import NDArray

from physioaffect.recording import Flag, Signal

# MNE's channel type and the unit it demands; kinds that MNE does not know travel as "misc" in their own unit.
MNE_TYPES = {
    "eeg": ("eeg", "V"),
    "ecg": ("ecg", "V"),
    "eog": ("eog", "V"),
    "emg": ("emg", "V"),
    "resp": ("resp", None),
    "temperature": ("temperature", "degC"),
}
# MNE has skin conductance in siemens, we in microsiemens; where its unit is not known it is "misc".
_EDA_TYPE, _SIEMENS = "gsr", 1e-6
# Skin has 1 to 40 microsiemens; what seems to have a thousand is in another unit than its type says.
_MOST_EDA = 1e3
_REASONS = {f"bad_{flag.name.lower()}": flag for flag in Flag if flag.name}


def _is_conductance(signal: Signal) -> bool:
    return signal.kind == "eda" and signal.unit == "uS"


def info_of(signal: Signal) -> mne.Info:
    """Describe a signal's channels; refuse a unit that MNE would misread."""
    mne_type, unit = MNE_TYPES.get(signal.kind, ("misc", None))
    if unit is not None and signal.unit != unit:
        raise ValueError(
            f"MNE keeps {signal.kind} in {unit}, this signal is in {signal.unit!r}. If you know the scale, "
            f'say so first: signal.scaled(1e-6, unit="{unit}").'
        )
    return mne.create_info(
        list(signal.ch_names), signal.sfreq, _EDA_TYPE if _is_conductance(signal) else mne_type
    )


def samples_of(signal: Signal) -> NDArray[np.float64]:
    """Samples in the unit that MNE demands, shape (n_channels, n_times)."""
    data = signal.data.astype(np.float64)
    return data * _SIEMENS if _is_conductance(signal) else data


class Found(NamedTuple):
    """Places of the channels of a kind, our unit, and whether MNE's numbers are siemens."""

    picks: list[int]
    unit: str
    is_siemens: bool

    def in_our_unit(self, data: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring MNE's numbers to our unit; `ValueError` if they cannot be siemens."""
        if not self.is_siemens:
            return data
        data = data / _SIEMENS
        present = np.abs(data[np.isfinite(data)])
        if present.size and (usual := float(np.median(present))) > _MOST_EDA:
            raise ValueError(
                f"skin conductance of {usual:g} microsiemens, in the median: a channel of type {_EDA_TYPE!r} "
                "is in siemens, and these seem to be microsiemens already. Divide them by a million "
                f"(apply_function(lambda x: x * 1e-6, picks={_EDA_TYPE!r})), or set the type 'misc'."
            )
        return data


def find(kind: str, present: Sequence[str], mend: str) -> Found:
    """Find the channels of a kind among MNE's types; ``mend`` says how to set these if there is none."""
    mne_type, unit = MNE_TYPES.get(kind, ("misc", None))
    if kind == "eda" and _EDA_TYPE in present:
        mne_type, unit = _EDA_TYPE, "uS"
    picks = [index for index, found in enumerate(present) if found == mne_type]
    if not picks:
        wanted = f"{_EDA_TYPE!r} or {mne_type!r}" if kind == "eda" else repr(mne_type)
        raise ValueError(f"no channel of type {wanted}, only {', '.join(sorted(set(present)))}. {mend}")
    return Found(picks, unit or "au", mne_type == _EDA_TYPE)


def to_mne(signal: Signal) -> mne.io.RawArray:
    """See `Signal.to_mne`."""
    raw = mne.io.RawArray(samples_of(signal), info_of(signal), verbose="error")
    onsets, durations, descriptions = [], [], []
    for description, flag in _REASONS.items():
        edges = np.flatnonzero(np.diff((signal.flags & flag) > 0, prepend=False, append=False))
        for first, last in edges.reshape(-1, 2):
            onsets.append(first / signal.sfreq)
            durations.append((last - first) / signal.sfreq)
            descriptions.append(description)
    # All lie inside; the end of the last one may reach past it by rounding, of which MNE would warn.
    return raw.set_annotations(mne.Annotations(onsets, durations, descriptions), emit_warning=False)


def from_mne(raw: mne.io.BaseRaw, *, kind: str = "eeg") -> Signal:
    """See `Signal.from_mne`."""
    try:
        found = find(kind, raw.get_channel_types(), "Set the types with raw.set_channel_types.")
        data = found.in_our_unit(raw.get_data(picks=found.picks))
    except ValueError as error:
        raise ValueError(f"The recording has {error}") from None
    names = tuple(raw.ch_names[index] for index in found.picks)
    for row, name in enumerate(names):
        if name in raw.info["bads"]:
            data[row] = np.nan
    flags = np.zeros(data.shape[1], dtype=np.uint8)
    sfreq = float(raw.info["sfreq"])
    for note in raw.annotations:
        if not note["description"].lower().startswith("bad"):
            continue
        # Onsets in a Raw count from before its first sample if it was cropped, with or without a date.
        onset = note["onset"] - raw.first_time
        first, last = (max(round(edge * sfreq), 0) for edge in (onset, onset + note["duration"]))
        # MNE's own reasons are free text; without a name of ours they count as movement, the usual one.
        flags[first:last] |= np.uint8(_REASONS.get(note["description"].lower(), Flag.MOTION))
    return Signal(data=data, sfreq=sfreq, ch_names=names, kind=kind, unit=found.unit, flags=flags)
