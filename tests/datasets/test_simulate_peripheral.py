"""What simulated wearables say of the world behind them, and the layouts written from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.data_set import DataSet
from physioaffect.datasets import (
    EEGMAT,
    STRESS_PREDICT,
    Moment,
    World,
    heart_rate,
    simulate_acc,
    simulate_beats,
    simulate_conductance,
    simulate_ecg,
    simulate_ppg,
    simulate_respiration,
    simulate_temperature,
)
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Events

QUIET = World(subject=0, trial=0)
CALM, EXCITED = (Moment(subject=0, trial=0, stimulus=0, arousal=arousal) for arousal in (-1.0, 1.0))
SIMULATORS = (simulate_acc, simulate_conductance, simulate_ppg, simulate_respiration, simulate_temperature)


def simulate(dataset: DataSet, folder: Path, **options: Any) -> Path:
    assert dataset.simulate is not None
    return dataset.simulate(folder, **options)


@pytest.mark.parametrize("make", SIMULATORS, ids=lambda make: make.__name__)
def test_the_same_moment_gives_the_same_signal_and_no_effect_none(make):
    one, again = (make(World(seed=4), CALM, sfreq=32, n_times=640) for _ in range(2))
    assert_array_equal(one, again)
    assert np.isfinite(one).all()
    nothing = [make(World(affect=0), moment, sfreq=32, n_times=640) for moment in (CALM, EXCITED)]
    assert_array_equal(*nothing)
    with pytest.raises(ValueError, match="needs sfreq above 0 Hz and a sample or more"):
        make(QUIET, CALM, sfreq=32, n_times=0)


def test_skin_conducts_more_and_varies_more_with_arousal():
    calm, excited = (
        simulate_conductance(QUIET, moment, sfreq=4, n_times=4 * 1800)[0] for moment in (CALM, EXCITED)
    )
    # Levels differ by exp(0.2), rates of responses by exp(1.6).
    assert_allclose(np.percentile(excited, 5) / np.percentile(calm, 5), np.exp(0.2), rtol=0.15)
    assert np.diff(excited).std() > 1.5 * np.diff(calm).std()
    assert calm.min() > 0


def test_skin_is_colder_by_0_8_degrees_at_the_highest_arousal():
    means = [simulate_temperature(QUIET, m, sfreq=4, n_times=4 * 600).mean() for m in (CALM, EXCITED)]
    assert_allclose(means[0] - means[1], 0.8, atol=1e-9)


def test_acceleration_at_rest_is_one_g():
    acc = simulate_acc(World(), CALM, sfreq=32, n_times=32 * 300)
    assert_allclose(np.median(np.linalg.norm(acc, axis=0)), 1.0, atol=0.01)


def test_beats_are_those_of_the_ecg_and_the_pulse_follows_a_quarter_cycle_later():
    beats = simulate_beats(World(), CALM, seconds=60)
    assert_allclose(60 * (len(beats) - 1) / (beats[-1] - beats[0]), heart_rate(World(), CALM), rtol=0.05)
    ecg = simulate_ecg(World(), CALM, sfreq=1000, n_times=60_000)[0]
    inner = beats[(beats > 0.1) & (beats < 59.9)]
    peaks = [ecg[round(1000 * beat) - 50 : round(1000 * beat) + 50].argmax() - 50 for beat in inner]
    assert np.abs(peaks).max() <= 3
    ppg = simulate_ppg(World(), CALM, sfreq=1000, n_times=60_000)[0]
    delays = [ppg[round(1000 * beat) : round(1000 * beat) + 600].argmax() / 1000 for beat in inner[:-1]]
    assert_allclose(np.median(delays) / np.median(np.diff(beats)), 0.25, atol=0.05)


class TestStressPredict:
    def test_people_do_not_depend_on_their_number_and_segments_are_the_protocols(self, tmp_path):
        few = simulate(STRESS_PREDICT, tmp_path / "few", n_subjects=1, max_seconds=15)
        more = simulate(STRESS_PREDICT, tmp_path / "more", n_subjects=2, max_seconds=15)
        assert (few / "S01_E4.zip").read_bytes() == (more / "S01_E4.zip").read_bytes()
        trials = list(STRESS_PREDICT.read(more, subjects=["S02"]))
        assert [trial.elapsed for trial in trials] == [9.0 + 15 * k for k in range(7)]
        assert [trial.duration for trial in trials] == [15.0] * 7
        intervals = trials[0].signals["ibi"]
        assert isinstance(intervals, Events)
        mean_rate = 60 / intervals.values.mean()
        assert abs(mean_rate - np.median(trials[0].signal("hr").data[0, -3:])) < 10

    def test_what_cannot_be_written_is_refused(self, tmp_path):
        with pytest.raises(PhysioaffectError, match="needs 1 to 9999 subjects, got 0"):
            simulate(STRESS_PREDICT, tmp_path, n_subjects=0)
        with pytest.raises(PhysioaffectError, match="max_seconds must be at least 1 s, got 0"):
            simulate(STRESS_PREDICT, tmp_path, max_seconds=0)
        simulate(STRESS_PREDICT, tmp_path, n_subjects=1, max_seconds=1)
        with pytest.raises(DataError, match="exists: nothing is overwritten"):
            simulate(STRESS_PREDICT, tmp_path, n_subjects=1)


class TestEegmat:
    def test_files_have_the_published_header(self, tmp_path):
        import mne

        root = simulate(EEGMAT, tmp_path, n_subjects=1, max_seconds=60)
        raw = mne.io.read_raw_edf(root / "Subject00_2.edf", verbose="error")
        assert raw.info["sfreq"] == 500
        assert len(raw.ch_names) == 21
        assert raw.ch_names[6:8] == ["EEG T3", "EEG T4"]
        assert raw.ch_names[-2:] == ["EEG A2-A1", "ECG ECG"]
        assert raw.n_times == 62 * 500

    def test_what_cannot_be_written_is_refused(self, tmp_path):
        with pytest.raises(PhysioaffectError, match="needs 1 to 100 subjects, got 101"):
            simulate(EEGMAT, tmp_path, n_subjects=101)
        with pytest.raises(PhysioaffectError, match="must be at least 60 s, the length of a trial"):
            simulate(EEGMAT, tmp_path, max_seconds=10)
        simulate(EEGMAT, tmp_path, n_subjects=1, max_seconds=60)
        with pytest.raises(DataError, match=r"Subject00_1\.edf exists: nothing is overwritten"):
            simulate(EEGMAT, tmp_path)
