"""Make the tables of beats found in a wristband's pulse: python tools/measure_beats.py FOLDER [--peer].

FOLDER holds the E4 sessions of Stress-Predict (S01_E4.zip, ...). Half a minute at a time, heart rate and
RMSSD of the intervals that `beats_from_ppg` trusts are held against those of the device's own intervals
(IBI.csv), which it gives only where it is sure, and against its averaged rate (HR.csv). Settings were chosen
on S02-S12 by these figures; those of the other people were looked at afterwards. ``--peer`` adds NeuroKit2's
default peaks. The last table is of noise, in which there is nothing to find. It takes about 15 s.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from physioaffect.devices.empatica import read_e4
from physioaffect.recording import Events, Signal
from physioaffect.signals.beats import beats_from_ecg, beats_from_ppg

Floats = NDArray[np.float64]
Find = Callable[[Floats, float], tuple[Floats, Floats]]

WINDOW_S = 30.0
TUNED_ON = tuple(f"S{number:02d}" for number in range(2, 13))


class Windows(NamedTuple):
    """Of each half minute: share of its time in known intervals, heart rate in bpm, RMSSD in ms."""

    coverage: Floats
    rate: Floats
    rmssd: Floats


class Session(NamedTuple):
    """Half minutes of one person: found in the pulse, told by IBI.csv, and the mean of HR.csv."""

    found: Windows
    device: Windows
    averaged: Floats


def trusted(x: Floats, sfreq: float) -> tuple[Floats, Floats]:
    """Beats and their intervals, as the package finds them."""
    beats = beats_from_ppg(x, sfreq=sfreq)
    return beats.times, beats.intervals


def default_peaks(x: Floats, sfreq: float) -> tuple[Floats, Floats]:
    """Beats and their intervals by NeuroKit2's cleaning and peaks as they are called by default."""
    import neurokit2  # noqa: PLC0415  It takes seconds to import.

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cleaned = neurokit2.ppg_clean(x, sampling_rate=sfreq)
        _, found = neurokit2.ppg_peaks(cleaned, sampling_rate=sfreq)
    times = np.asarray(found["PPG_Peaks"]) / sfreq
    return times, np.diff(times, prepend=np.nan)


def windows(times: Floats, intervals: Floats, duration: float) -> Windows:
    """Statistics of whole half minutes; an interval counts where it ends, NaN ones break the row."""
    n_windows = int(duration // WINDOW_S)
    which = np.floor(times / WINDOW_S).astype(int)
    rows = []
    for number in range(n_windows):
        own = intervals[which == number]
        known = own[np.isfinite(own)]
        change = np.diff(own)
        change = change[np.isfinite(change)]
        rows.append(
            (
                known.sum() / WINDOW_S,
                60 / known.mean() if len(known) > 1 else np.nan,
                1e3 * np.sqrt(np.mean(change**2)) if len(change) > 2 else np.nan,
            )
        )
    return Windows(*np.array(rows, dtype=float).reshape(n_windows, 3).T)


def with_breaks(times: Floats, intervals: Floats) -> tuple[Floats, Floats]:
    """The device's intervals with one unknown where they do not join on to those before."""
    starts = np.flatnonzero(np.diff(times) > intervals[1:] + 0.02) + 1
    return np.insert(times, starts, times[starts] - intervals[starts]), np.insert(intervals, starts, np.nan)


def session(path: Path, find: Find = trusted) -> Session:
    """One recording, half a minute at a time."""
    signals = read_e4(path).signals
    ppg, ibi, hr = signals["ppg"], signals["ibi"], signals["hr"]
    assert isinstance(ppg, Signal)
    assert isinstance(ibi, Events)
    assert isinstance(hr, Signal)
    found = windows(*find(ppg.data[0].astype(float), ppg.sfreq), ppg.duration)
    device = windows(*with_breaks(ibi.times - ppg.start, ibi.values), ppg.duration)
    edges = ppg.start + WINDOW_S * np.arange(len(found.rate) + 1)
    in_window = [hr.crop(*edge).data for edge in pairwise(edges)]
    averaged = np.array([values.mean() if values.size else np.nan for values in in_window])
    return Session(found, device, averaged)


class Agreement(NamedTuple):
    """See `agreement`."""

    n_rates: int
    rate_error: float
    share_beyond_10: float
    n_rmssd: int
    n_rmssd_possible: int
    rmssd_difference: float
    rmssd_found: float
    rmssd_device: float
    highest_rmssd: float
    curve: tuple[float, ...]


def agreement(sessions: Sequence[Session], shares: Sequence[float] = (0.1, 0.2, 0.4, 0.6)) -> Agreement:
    """Sum up how far what was found is from what the device tells.

    The heart rate is compared where the device's intervals cover 60 % of the half minute, by mean absolute
    difference; RMSSD where both cover 80 %, by the median of the difference. The curve is the mean absolute
    difference from HR.csv in the best-covered shares of all half minutes.
    """
    found = Windows(*map(np.concatenate, zip(*(one.found for one in sessions), strict=True)))
    device = Windows(*map(np.concatenate, zip(*(one.device for one in sessions), strict=True)))
    averaged = np.concatenate([one.averaged for one in sessions])
    rates = (device.coverage >= 0.6) & np.isfinite(found.rate)
    error = np.abs(found.rate - device.rate)[rates]
    possible = device.coverage >= 0.8
    both = possible & (found.coverage >= 0.8) & np.isfinite(found.rmssd)
    order = np.argsort(-found.coverage, kind="stable")
    from_averaged = np.abs(found.rate - averaged)[order]
    return Agreement(
        len(error),
        error.mean(),
        (error > 10).mean(),
        int(both.sum()),
        int(possible.sum()),
        float(np.median(np.abs(found.rmssd - device.rmssd)[both])),
        float(np.median(found.rmssd[both])),
        float(np.median(device.rmssd[both])),
        float(np.nanmax(found.rmssd[found.coverage >= 0.8])),
        tuple(float(np.nanmean(from_averaged[: round(share * len(order))])) for share in shares),
    )


def noises(n_times: int, seed: int = 0) -> Iterator[tuple[str, Floats]]:
    """Signals without a heart; the last is as regular as noise can be."""
    rng = np.random.default_rng(seed)
    yield "white", rng.normal(size=n_times)
    yield (
        "a wristband in a drawer (one or two steps of the converter)",
        np.round(rng.normal(scale=0.6, size=n_times)),
    )
    yield "heavy tails (Student, 2 degrees of freedom)", rng.standard_t(2, size=n_times)
    yield "pink (a pole at 0.95)", lfilter([1], [1, -0.95], rng.normal(size=n_times))
    yield "random walk", np.cumsum(rng.normal(size=n_times))
    yield "narrow band (poles at 0.97 of radius)", lfilter([1], [1, -1.9, 0.95], rng.normal(size=n_times))


def main() -> None:
    """Print the tables."""
    folder = Path(sys.argv[1])
    paths = sorted(folder.glob("S*_E4.zip"))
    if not paths:
        sys.exit(f"{folder} has no exports such as S01_E4.zip: name the folder of Stress-Predict.")
    finders: dict[str, Find] = {"`beats_from_ppg`": trusted}
    if "--peer" in sys.argv:
        finders["NeuroKit2 default"] = default_peaks
    print(
        "| beats | people | half minutes | heart rate: mean abs. difference, bpm | beyond 10 bpm | RMSSD: ",
        end="",
    )
    print("half minutes | median difference, ms | median here / device | highest anywhere, ms ", end="")
    print("| difference from HR.csv at 10 / 20 / 40 / 60 % accepted, bpm |")
    print("|---" * 10 + "|")
    for name, find in finders.items():
        sessions = {path.name[:3]: session(path, find) for path in paths}
        groups = {
            "S02-S12 (tuned on)": [one for key, one in sessions.items() if key in TUNED_ON],
            "the others": [one for key, one in sessions.items() if key not in TUNED_ON],
            "all": list(sessions.values()),
        }
        for people, group in groups.items():
            a = agreement(group)
            print(
                f"| {name} | {people} | {a.n_rates} | {a.rate_error:.2f} | {100 * a.share_beyond_10:.1f} % "
                f"| {a.n_rmssd} of {a.n_rmssd_possible} | {a.rmssd_difference:.1f} "
                f"| {a.rmssd_found:.0f} / {a.rmssd_device:.0f} ms | {a.highest_rmssd:.0f} "
                f"| {' / '.join(f'{value:.1f}' for value in a.curve)} |"
            )
    print("\n| an hour of noise | trusted as PPG (64 Hz) | trusted as ECG (250 Hz) |\n|---|---|---|")
    as_ecg = dict(noises(250 * 3600))
    for name, x in noises(64 * 3600):
        shares = (
            np.nansum(beats_from_ppg(x, sfreq=64.0).intervals) / 3600,
            np.nansum(beats_from_ecg(as_ecg[name], sfreq=250.0).intervals) / 3600,
        )
        print(f"| {name} | {100 * shares[0]:.2f} % | {100 * shares[1]:.2f} % |")


if __name__ == "__main__":
    main()
