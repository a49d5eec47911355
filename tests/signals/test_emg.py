"""The band of muscle and its envelope, against closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import DataError
from physioaffect.signals.emg import EMG_CONTEXT_S, emg_band, emg_bursts, emg_envelope

SFREQ = 1000.0
TIMES = np.arange(0, 20, 1 / SFREQ)
MIDDLE = slice(5000, 15000)


@pytest.mark.parametrize("frequency", [5.0, 20.0, 40.0, 100.0, 300.0, 450.0])
def test_the_band_is_butterworths(frequency: float) -> None:
    def warped(f: float) -> float:
        return float(np.tan(np.pi * f / SFREQ))

    low, high = warped(20.0) / warped(frequency), warped(frequency) / warped(450.0)
    gain = 1 / (1 + low**8) / (1 + high**8)
    filtered = emg_band(7 + np.sin(2 * np.pi * frequency * TIMES), sfreq=SFREQ)
    assert_allclose(filtered[MIDDLE], gain * np.sin(2 * np.pi * frequency * TIMES)[MIDDLE], atol=1e-3)


def test_the_mains_and_its_harmonics_go_and_what_is_beside_them_stays() -> None:
    hum = np.sum([np.sin(2 * np.pi * f * TIMES) for f in (50, 100, 150, 400)], axis=0)
    assert np.abs(emg_band(hum, sfreq=SFREQ, line=50.0)[MIDDLE]).max() < 1e-3
    muscle = np.sin(2 * np.pi * 75 * TIMES)
    assert_allclose(emg_band(muscle + hum, sfreq=SFREQ, line=50.0)[MIDDLE], muscle[MIDDLE], atol=0.02)
    assert np.abs(emg_band(hum, sfreq=SFREQ)[MIDDLE]).max() > 1


def test_a_slow_recorder_needs_no_low_pass() -> None:
    # Half of 700 Hz is below 450 Hz: what lies up to it stays.
    times = np.arange(0, 20, 1 / 700)
    tone = np.sin(2 * np.pi * 340 * times)
    assert_allclose(emg_band(tone, sfreq=700.0)[4000:9000], tone[4000:9000], atol=1e-3)


def test_what_holds_no_muscle_is_refused() -> None:
    with pytest.raises(DataError, match=r"sampled at 128 Hz holds less than half .* it takes 256 Hz or more"):
        emg_band(np.zeros(500), sfreq=128.0)
    for edges in ({"fmin": 0.0}, {"fmin": 500.0}, {"fmin": 30.0, "fmax": 25.0}):
        with pytest.raises(ValueError, match="The band needs 0 < fmin < fmax"):
            emg_band(np.zeros(500), sfreq=SFREQ, **edges)
    for line in (0.0, 600.0):
        with pytest.raises(ValueError, match="The mains frequency must lie between 0 and 500 Hz"):
            emg_band(np.zeros(500), sfreq=SFREQ, line=line)
    with pytest.raises(ValueError, match=r"emg must be \(n_times,\).*emg\[0\]"):
        emg_band(np.zeros((1, 500)), sfreq=SFREQ)


def test_a_gap_stays_a_gap_and_an_artefact_in_it_does_not_ring() -> None:
    emg = 1e-5 * np.random.default_rng(0).normal(size=TIMES.size)
    clean = emg_band(emg, sfreq=SFREQ)
    spoilt = emg.copy()
    spoilt[8000:8020] = spoilt[12000:14000] = np.nan
    filtered = emg_band(spoilt, sfreq=SFREQ)
    assert_array_equal(np.isnan(filtered), np.isnan(spoilt))
    assert np.nanmax(np.abs(filtered)) < 2 * np.abs(clean).max()
    assert_allclose(filtered[:7000], clean[:7000], atol=1e-8)


def test_nothing_beyond_the_stated_context_changes_it() -> None:
    emg = np.random.default_rng(1).normal(size=40_000)
    changed = emg.copy()
    reach = round(EMG_CONTEXT_S * SFREQ)
    changed[: 20_000 - reach] += 30
    one, other = (emg_band(x, sfreq=SFREQ, line=50.0)[20_000:] for x in (emg, changed))
    assert_allclose(other, one, atol=1e-6)


def test_the_envelope_of_a_sine_is_its_root_mean_square() -> None:
    assert_allclose(
        emg_envelope(2 * np.sin(2 * np.pi * 100 * TIMES), sfreq=SFREQ), np.full(200, np.sqrt(2)), rtol=1e-9
    )


def test_tenths_are_counted_from_time_zero() -> None:
    emg = np.random.default_rng(2).normal(size=7000)
    whole = emg_envelope(emg, sfreq=700.0)
    for n_cut in (0, 1, 35, 70, 1234):
        part = emg_envelope(emg[n_cut:], sfreq=700.0, start=n_cut / 700)
        assert_allclose(part, whole[-len(part) :])
        assert len(part) == 100 - int(np.ceil(n_cut / 70))
    assert emg_envelope(np.zeros(3), sfreq=700.0).shape == (0,)


def test_half_a_tenth_is_enough() -> None:
    emg = np.ones(1000)
    emg[100:150] = emg[300:351] = np.nan
    envelope = emg_envelope(emg, sfreq=SFREQ)
    assert_array_equal(np.flatnonzero(np.isnan(envelope)), [3])


def test_bursts_are_where_they_were_put_and_not_beside_gaps() -> None:
    envelope = np.full(600, 2e-6)
    for place, height in ((100, 30e-6), (200, 5e-6), (300, 60e-6), (400, 40e-6)):
        envelope[place - 2 : place + 3] += height
    envelope[403:420] = np.nan
    bursts = emg_bursts(envelope, threshold=10e-6)
    assert_array_equal(bursts.peak_idx, [100, 300])
    assert_allclose(bursts.amplitudes, [30e-6, 60e-6])
    for nothing in (np.empty(0), np.full(10, np.nan), np.zeros(2)):
        assert len(emg_bursts(nothing, threshold=1e-6).peak_idx) == 0
    with pytest.raises(ValueError, match="threshold must be above 0 V"):
        emg_bursts(envelope, threshold=0.0)
