"""Spectral features of real recordings, in which closing the eyes or calculating must show.

Where another program's figure is known, it is given beside ours.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from physioaffect.datasets import EEGMAT
from physioaffect.features import Bands
from physioaffect.features.spectral import BandPower, band_power, welch_density
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

Floats = NDArray[np.float64]

ALPHA = Bands.of(alpha=(8, 13))
EMOTIV = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")


def log_alpha(signal: Signal) -> Floats:
    """Natural logarithm of the alpha power of a whole recording, shape (n_channels,)."""
    trial = Trial(dataset="real", subject="1", trial="1", stimulus="1", signals={"eeg": signal})
    windows = Windowing(duration=signal.duration).intervals(signal.duration)
    return np.asarray(BandPower(bands=ALPHA, scale="log")(trial, windows))[0, :, 0]


@pytest.fixture(scope="module")
def open_and_closed(real_data: Path) -> tuple[Signal, Signal]:
    """One minute each of 64 channels at 160 Hz, eyes open and eyes closed."""
    mne = pytest.importorskip("mne")
    recordings = []
    for run in ("R01", "R02"):
        path = real_data / "realeeg" / "eegmmidb_S001" / f"S001{run}.edf"
        raw = mne.io.read_raw_edf(path, verbose="error")
        raw.rename_channels(lambda name: name.rstrip("."))
        recordings.append(Signal.from_mne(raw))
    return recordings[0], recordings[1]


def of_channels(values: Floats, signal: Signal, *names: str) -> Floats:
    return values[[signal.ch_names.index(name) for name in names]]


def test_alpha_rises_over_the_back_of_the_head_when_the_eyes_close(
    open_and_closed: tuple[Signal, Signal],
) -> None:
    eyes_open, eyes_closed = open_and_closed
    rise = log_alpha(eyes_closed) - log_alpha(eyes_open)
    # Measured by another program: 2.57, 2.59 and 1.10.
    assert_allclose(of_channels(rise, eyes_open, "O1", "O2", "Fz"), [2.58, 2.60, 1.12], atol=0.01)
    assert np.all(rise > 0)


def test_alpha_rises_further_with_an_average_reference(open_and_closed: tuple[Signal, Signal]) -> None:
    rise = np.zeros(64)
    for signal, sign in zip(open_and_closed, (-1, 1), strict=True):
        data = signal.data - signal.data.mean(axis=0)
        referenced = Signal(
            data=data, sfreq=signal.sfreq, ch_names=signal.ch_names, kind=signal.kind, unit=signal.unit
        )
        rise += sign * log_alpha(referenced)
    # Measured by another program: 3.01 and 3.02.
    assert_allclose(of_channels(rise, open_and_closed[0], "O1", "O2"), [3.06, 3.05], atol=0.01)


def bitalino(real_data: Path) -> Iterator[Floats]:
    """One channel, eyes closed, then eyes open, in counts of the converter."""
    for name in ("eeg_ec.txt", "eeg_eo.txt"):
        yield np.loadtxt(real_data / "realdata" / "biosppy" / name)


def test_mains_shows_that_the_bitalino_files_run_at_twice_the_rate_in_their_header(real_data: Path) -> None:
    # Portuguese mains hums at 50 Hz. The header says 125 Hz, which would put the one narrow line at 25 Hz and
    # the rhythm of closed eyes at 4.8 Hz.
    for counts in bitalino(real_data):
        freqs, density = welch_density(counts, sfreq=250.0, segment=20.0)
        upper = freqs > 30
        assert_allclose(freqs[upper][density[upper].argmax()], 50, atol=0.1)
    counts = next(bitalino(real_data))
    freqs, density = welch_density(counts, sfreq=250.0)
    middle = (freqs >= 7) & (freqs <= 30)
    assert freqs[middle][density[middle].argmax()] == 9.5


def test_share_of_alpha_in_the_bitalino_files(real_data: Path) -> None:
    def shares(sfreq: float) -> list[float]:
        return [
            float(band_power(counts, sfreq=sfreq, bands=ALPHA, total=(4, 30))[0])
            for counts in bitalino(real_data)
        ]

    closed, eyes_open = shares(250.0)
    assert_allclose([closed, eyes_open], [0.377, 0.125], atol=0.001)
    # At the rate in the header, alpha would fall when the eyes close.
    closed, eyes_open = shares(125.0)
    assert_allclose([closed, eyes_open], [0.195, 0.227], atol=0.001)
    power = [float(band_power(counts, sfreq=250.0, bands=ALPHA)[0]) for counts in bitalino(real_data)]
    assert_allclose(np.log(power[0] / power[1]), 1.47, atol=0.01)


def test_alpha_falls_in_most_people_who_calculate(real_data: Path) -> None:
    changes = []
    for subject, source in EEGMAT.open(real_data / "realeeg" / "eegmat").items():
        rest, task = (
            log_alpha(trial.signal("eeg").pick(["O1", "O2"]))
            for trial in EEGMAT.trials(subject, source, lambda _: None)
        )
        changes.append(np.mean(task - rest))
    # All 36 people, by another program: mean -0.59, negative in 31.
    assert len(changes) == 16
    assert_allclose(np.mean(changes), -0.35, atol=0.01)
    assert np.sum(np.array(changes) < 0) == 11


def test_closing_the_eyes_does_not_show_in_the_emotiv_recording(real_data: Path) -> None:
    path = real_data / "realeeg" / "eegeyestate" / "EEG Eye State.arff"
    lines = path.read_text(encoding="ascii").splitlines()
    table = np.loadtxt([line for line in lines if line[:1].isdigit()], delimiter=",")
    counts, is_closed = table[:, :-1].T, table[:, -1]
    # Four samples hold spikes of up to 715,897 counts on an offset near 4,200.
    is_spike = np.any(np.abs(counts - np.median(counts, axis=1, keepdims=True)) > 500, axis=0)
    assert is_spike.sum() == 4
    windows = np.lib.stride_tricks.sliding_window_view(np.where(is_spike, np.nan, counts), 256, axis=1)
    state = np.lib.stride_tricks.sliding_window_view(is_closed, 256).mean(axis=1)[::128]
    power = band_power(windows[:, ::128], sfreq=128.0, bands=ALPHA)[..., 0]
    is_whole = np.isfinite(power).all(axis=0)
    state, power = state[is_whole], power[:, is_whole]
    means = [np.log(power[:, state == value]).mean(axis=1) for value in (0, 1)]
    rise = dict(zip(EMOTIV, means[1] - means[0], strict=True))
    assert (np.sum(state == 0), np.sum(state == 1)) == (39, 36)
    assert_allclose([rise["O1"], rise["O2"], rise["T8"]], [0.00, 0.04, 0.15], atol=0.02)
    assert max(map(abs, rise.values())) < 0.2
