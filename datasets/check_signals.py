"""The check's account of the signals of one name, and how a signal differs from what is expected."""

from __future__ import annotations

from collections.abc import Iterator

from physioaffect.data_set import DataSet
from physioaffect.recording import Signal

from .check_tally import CheckRow, Range, Sentences, listed

__all__ = ["SignalTally", "difference", "rows_of_signal"]


class SignalTally:
    """Everything about the signals of one name."""

    def __init__(self) -> None:
        self.rates, self.n_channels, self.duration = Range(), Range(), Range()
        self.units: set[str] = set()
        self.n_values = self.n_nan = self.n_samples = self.n_flagged = self.n_flat = 0
        self.is_as_expected = True


def rows_of_signal(
    dataset: DataSet, name: str, own: SignalTally | None, broken: Sentences, *, is_lacking: bool
) -> Iterator[CheckRow]:
    """Make the table's lines of one signal."""
    rate, channels = dataset.sfreqs.get(name), dataset.ch_names.get(name)
    expected = [f"{rate:g} Hz"] if rate else []
    expected += [_channels(len(channels))] if channels else []
    if own is None:
        yield CheckRow(what=name, expected=", ".join(expected), found="none", is_good=False)
        return
    found = f"{own.rates} Hz, {_channels(own.n_channels)}, {own.duration} s, {' and '.join(own.units)}"
    yield CheckRow(
        what=name,
        expected=", ".join(expected),
        found=found,
        is_good=None if rate is None else own.is_as_expected and not is_lacking,
    )
    kinds = ("flat", "without numbers", "mostly unusable", "empty", "of impossible size")
    yield CheckRow(
        what=f"{name}, quality",
        found=f"{_percent(own.n_nan, own.n_values)} NaN, "
        f"{_percent(own.n_flagged, own.n_samples)} flagged, {own.n_flat} flat channels",
        is_good=not any(f"{name} {kind}" in broken for kind in kinds),
    )


def difference(dataset: DataSet, name: str, signal: Signal) -> str:
    """Say how a signal differs from what is expected; nothing if it does not."""
    if (rate := dataset.sfreqs.get(name, signal.sfreq)) != signal.sfreq:
        return f"is sampled at {signal.sfreq:g} Hz, expected {rate:g}"
    expected = tuple(dataset.ch_names.get(name, signal.ch_names))
    if expected == signal.ch_names:
        return ""
    lacking = [channel for channel in expected if channel not in signal.ch_names]
    extra = [channel for channel in signal.ch_names if channel not in expected]
    if lacking or extra:
        parts = [f"lacks {listed(lacking)}"] * bool(lacking) + [f"has {listed(extra)} besides"] * bool(extra)
        return " and ".join(parts)
    return f"has its channels in another order: {listed(signal.ch_names)}"


def _channels(number: int | Range) -> str:
    return f"{number} channel{'' if str(number) == '1' else 's'}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3g} %" if whole else "0 %"
