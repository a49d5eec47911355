"""EEG of certain electrodes out of a recording in any format, whatever else is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from physioaffect.devices.edf import read_edf
from physioaffect.errors import DataError
from physioaffect.montage import canonical_name
from physioaffect.recording import Signal

__all__ = ["read_eeg"]

_MOST_LABELS = 10_000


def read_eeg(path: Path | str, ch_names: Sequence[str]) -> Signal:
    """Read some electrodes of a recording.

    Parameters
    ----------
    path : path
        EDF or BDF, or any other format that mne reads.
    ch_names : sequence of str
        The electrodes; spelling does not matter (`physioaffect.montage.canonical_name`).

    Returns
    -------
    eeg : Signal
        These electrodes, so ordered and called, in volts. EDF and BDF are flagged as `read_edf` flags them;
        in other formats channels marked bad are NaN, and ``bad_`` annotations flags.

    Raises
    ------
    DataError
        If there is no such file, it cannot be read, or an electrode is not in it, or there twice, or at
        another rate or in another unit than the others.

    Examples
    --------
    >>> read_eeg("thesis.edf", ["Cz"])
    Traceback (most recent call last):
    physioaffect.errors.DataError: There is no file thesis.edf: give a recording.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file {path}: give a recording.")
    if path.suffix.lower() in (".edf", ".bdf"):
        labels = _labels(path)
        found = _matched(labels, ch_names, path)
        kinds = {label: "eeg" if label in found.values() else None for label in labels}
        signals = read_edf(path, kinds=kinds).signals.values()
        eeg = [signal for signal in signals if isinstance(signal, Signal)]
        if len(eeg) != 1:
            rates = ", ".join(f"{one.sfreq:g} Hz in {one.unit}" for one in eeg)
            raise DataError(
                f"{path} has the electrodes at several rates or in several units: {rates}. Bring them to one "
                "in EDFbrowser."
            )
        return replace(eeg[0].pick([found[name] for name in ch_names]), ch_names=tuple(ch_names))
    return _by_mne(path, ch_names)


def _labels(path: Path) -> list[str]:
    """Labels of an EDF file, as far as there is a header; whether it is sound `read_edf` finds out."""
    with path.open("rb") as stream:
        n_signals = stream.read(256)[252:]
        if not n_signals.strip().isdigit() or int(n_signals) > _MOST_LABELS:
            return []
        text = stream.read(16 * int(n_signals)).decode("latin-1")
    return [text[at : at + 16].strip() for at in range(0, len(text), 16)]


def _by_mne(path: Path, ch_names: Sequence[str]) -> Signal:
    import mne  # noqa: PLC0415  It takes a second to import.

    try:
        raw = mne.io.read_raw(path, verbose="error")
        kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    except Exception as error:  # mne raises whatever its parts do, even Exception itself.
        raise DataError(_unreadable(path, error)) from error
    with raw:
        found = _matched([name for name, kind in kinds.items() if kind == "eeg"], ch_names, path)
        try:
            eeg = Signal.from_mne(raw.pick([found[name] for name in ch_names]))
        except Exception as error:
            raise DataError(_unreadable(path, error)) from error
    return replace(eeg.pick([found[name] for name in ch_names]), ch_names=tuple(ch_names))


def _unreadable(path: Path, error: Exception) -> str:
    # Some readers of mne give up without a word.
    why = str(error).rstrip(". ") or f"its reader stopped with a bare {type(error).__name__}"
    return f"{path} cannot be read by mne: {why}. Export it as EDF or BDF."


def _matched(labels: Sequence[str], ch_names: Sequence[str], path: Path) -> dict[str, str]:
    """Label of each electrode."""
    places: dict[str, list[str]] = {}
    for label in labels:
        places.setdefault(canonical_name(label), []).append(label)
    matched = {}
    for name in ch_names:
        own = places.get(canonical_name(name), [])
        if len(own) > 1:
            raise DataError(
                f"{path} has {' and '.join(map(repr, own))}, which both mean the electrode {name}. Rename or "
                "drop one of them."
            )
        if own:
            matched[name] = own[0]
    if labels and (lacking := [name for name in ch_names if name not in matched]):
        raise DataError(
            f"{path} lacks {', '.join(lacking)}; it has {', '.join(labels)}. Needed are the electrodes "
            f"{', '.join(ch_names)}."
        )
    return matched
