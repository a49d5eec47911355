"""Whether EEG can be in its unit, judged by a part of its samples."""

from dataclasses import replace

import numpy as np
import pytest

from physioaffect.errors import DataError
from physioaffect.recording import Signal
from physioaffect.signals.eeg_scale import check_scale


def rhythm(freq: float, *, amplitude: float = 1e-5, sfreq: float = 200.0, seconds: float = 20.0) -> Signal:
    t = np.arange(round(seconds * sfreq)) / sfreq
    data = amplitude * np.sin(2 * np.pi * freq * t + np.arange(3)[:, np.newaxis])
    return Signal(data=data, sfreq=sfreq, ch_names=("O1", "O2", "Oz"), kind="eeg", unit="V")


@pytest.mark.parametrize("freq", [1, 2, 5, 10, 20, 25, 40, 50])
def test_a_rhythm_that_evenly_spaced_samples_would_meet_at_one_phase_is_seen_to_swing(freq):
    # Every 20th of these samples, 200 in all, meets 10 Hz always at the same phase.
    check_scale(rhythm(freq))
    with pytest.raises(DataError, match=r"expected microvolts: it seems to be in microvolts and"):
        check_scale(rhythm(freq, amplitude=10.0))
    with pytest.raises(DataError, match="it seems to have been converted to volts twice"):
        check_scale(rhythm(freq, amplitude=1e-11))


@pytest.mark.parametrize("seconds", [0.005, 0.05, 0.5])
def test_recordings_shorter_than_the_part_are_judged_too(seconds):
    check_scale(rhythm(33.0, seconds=seconds))


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e6), ("mV", 1e3)])
def test_volts_declared_as_smaller_units_are_refused_and_the_right_ones_pass(unit, factor):
    right = rhythm(10).scaled(factor, unit=unit)
    check_scale(right)
    with pytest.raises(
        DataError, match=rf"swings by .* {unit}, expected about .* say so: signal.scaled\(1, unit"
    ):
        check_scale(rhythm(10).scaled(1e-3, unit=unit))
    with pytest.raises(DataError, match=rf"{unit}, .* the unit is wrong"):
        check_scale(right.scaled(1e6, unit=unit))
    check_scale(rhythm(10).scaled(1e-9, unit="au"))


@pytest.mark.parametrize("bad", [1e3, np.inf, np.nan])
@pytest.mark.parametrize("n_bad", [1, 1000, 3000])
def test_samples_that_are_flagged_say_nothing(bad, n_bad):
    eeg = rhythm(10)
    flags = np.zeros(eeg.n_times, dtype=np.uint8)
    flags[:n_bad] = 1
    check_scale(replace(eeg, data=np.where(flags, bad, eeg.data), flags=flags))
    with pytest.raises(DataError, match="seems to be in microvolts"):
        check_scale(replace(eeg, data=np.where(flags, 0, 1e6 * eeg.data), flags=flags))


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_one_bad_channel_hides_no_wrong_unit(bad):
    eeg = rhythm(10)
    data = np.vstack([np.full(eeg.n_times, bad), eeg.data[1:]])
    check_scale(replace(eeg, data=data))
    with pytest.raises(DataError, match="seems to be in microvolts"):
        check_scale(replace(eeg, data=1e6 * data))


def test_nothing_but_flagged_samples_is_not_judged():
    eeg = rhythm(10)
    check_scale(replace(eeg, data=1e6 * eeg.data, flags=np.ones(eeg.n_times, dtype=np.uint8)))
