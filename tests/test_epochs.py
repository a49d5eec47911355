"""MNE's epochs in and out; pandas and xarray out."""

from dataclasses import replace
from typing import Any

import mne
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from physioaffect.epochs import epochs_to_trials, trials_to_epochs
from physioaffect.errors import DataError
from physioaffect.recording import Flag, Signal, Trial


def made(n_epochs: int = 6, *, tmin: float = -1.0, seed: int = 0) -> mne.EpochsArray:
    rng = np.random.default_rng(seed)
    info = mne.create_info(["Fz", "Cz", "ECG"], 100.0, ["eeg", "eeg", "ecg"])
    codes = 1 + np.arange(n_epochs) % 2
    events = np.column_stack([1000 * np.arange(1, n_epochs + 1), np.zeros(n_epochs, int), codes])
    about = pd.DataFrame({"valence": np.linspace(1, 5, n_epochs), "clip": [f"c{n}" for n in range(n_epochs)]})
    return mne.EpochsArray(
        1e-5 * rng.standard_normal((n_epochs, 3, 400)),
        info,
        events,
        tmin=tmin,
        event_id={"calm": 1, "tense": 2},
        metadata=about,
        verbose="error",
    )


def test_each_epoch_is_a_trial_with_what_is_known_of_it():
    epochs = made()
    trials = epochs_to_trials(epochs, dataset="own", subject="S1", kinds=("eeg", "ecg"), stimulus="clip")
    data = epochs.get_data()
    assert [trial.condition for trial in trials] == ["calm", "tense"] * 3
    assert [trial.stimulus for trial in trials] == [f"c{n}" for n in range(6)]
    assert [trial.ratings for trial in trials] == [{"valence": pytest.approx(1 + 0.8 * n)} for n in range(6)]
    assert [trial.elapsed for trial in trials] == [10.0 * n for n in range(1, 7)]
    for trial, own in zip(trials, data, strict=True):
        assert trial.baseline is not None
        eeg, rest = trial.signal("eeg"), trial.baseline["eeg"]
        assert isinstance(rest, Signal)
        np.testing.assert_array_equal(eeg.data, own[:2, 100:])
        np.testing.assert_array_equal(trial.signal("ecg").data, own[2:, 100:])
        np.testing.assert_array_equal(rest.data, own[:2, :100])
        assert (eeg.start, rest.start, eeg.unit, eeg.ch_names) == (0.0, 0.0, "V", ("Fz", "Cz"))


def test_epochs_from_the_onset_on_have_no_baseline():
    trials = epochs_to_trials(made(tmin=0.0), dataset="own", subject="S1")
    assert all(trial.baseline is None and trial.duration == 4.0 for trial in trials)


def test_rejected_epochs_leave_their_numbers_free():
    epochs = made()
    epochs.drop([1, 3], verbose="error")
    trials = epochs_to_trials(epochs, dataset="own", subject="S1")
    assert [trial.trial for trial in trials] == ["1", "3", "5", "6"]


def test_bad_channels_come_as_missing():
    epochs = made()
    epochs.info["bads"] = ["Cz"]
    eeg = epochs_to_trials(epochs, dataset="own", subject="S1")[0].signal("eeg")
    assert np.isnan(eeg.data[1]).all()
    assert np.isfinite(eeg.data[0]).all()


def test_there_and_back_is_the_same():
    epochs = made(tmin=0.0)
    back = trials_to_epochs(epochs_to_trials(epochs, dataset="own", subject="S1", stimulus="clip"))
    np.testing.assert_array_equal(back.get_data(), epochs.get_data(picks="eeg"))
    assert back.event_id == epochs.event_id
    np.testing.assert_array_equal(back.events[:, 2], epochs.events[:, 2])
    assert list(back.metadata["valence"]) == list(epochs.metadata["valence"])
    assert list(back["tense"].metadata["stimulus"]) == ["c1", "c3", "c5"]


def test_epochs_are_as_long_as_the_shortest_trial_and_say_what_of_them_is_good():
    def trial(number: int, n_times: int) -> Trial:
        flags = np.zeros(n_times, dtype=np.uint8)
        flags[:50] = Flag.MOTION * number
        eeg = Signal(
            data=np.ones((1, n_times)), sfreq=100.0, ch_names=("Cz",), kind="eeg", unit="V", flags=flags
        )
        return Trial(dataset="own", subject="S1", trial=str(number), stimulus="clip", signals={"eeg": eeg})

    epochs = trials_to_epochs([trial(0, 250), trial(1, 200)])
    assert epochs.get_data().shape == (2, 1, 200)
    assert list(epochs.metadata["coverage"]) == [1.0, 0.75]


def one(**changes: Any) -> Trial:
    usual: dict[str, Any] = {
        "data": np.ones((1, 200)),
        "sfreq": 100.0,
        "ch_names": ("Cz",),
        "kind": "eeg",
        "unit": "V",
    }
    return Trial(
        dataset="own", subject="S1", trial="1", stimulus="clip", signals={"eeg": Signal(**usual | changes)}
    )


@pytest.mark.parametrize(
    ("trials", "duration", "sentence"),
    [
        ([], None, "There are no trials"),
        ([one(), one(ch_names=("Fz",))], None, "has other channels of eeg"),
        ([one(), one(sfreq=50.0)], None, "at 50 Hz, against 1 in V at 100"),
        ([one()], 3.0, "has 200 samples of eeg after its onset, and 300 are needed"),
        ([one(start=0.5)], 2.0, "has 150 samples"),
    ],
)
def test_trials_that_do_not_fit_together_are_refused(trials, duration, sentence):
    with pytest.raises(DataError, match=sentence):
        trials_to_epochs(trials, duration=duration)


def test_elapsed_counts_from_the_first_sample_of_the_recording():
    """Of a recording that begins 50 s after the acquisition; MNE's events count from the latter."""
    info = mne.create_info(["Cz"], 100.0, "eeg")
    raw = mne.io.RawArray(np.zeros((1, 3000)), info, first_samp=5000, verbose="error")
    epochs = mne.Epochs(raw, np.array([[5700, 0, 1]]), tmin=0, tmax=1, baseline=None, verbose="error")
    [trial] = epochs_to_trials(epochs, dataset="own", subject="S1", first_samp=raw.first_samp)
    assert trial.elapsed == 7.0
    with pytest.raises(DataError, match=r"first_samp is 5701, and an event lies at sample 5700, before it"):
        epochs_to_trials(epochs, dataset="own", subject="S1", first_samp=5701)


def test_skin_conductance_is_in_siemens_in_epochs_and_comes_back_in_microsiemens():
    data = np.full((1, 200), 2.5)
    eda = Signal(data=data, sfreq=100.0, ch_names=("EDA",), kind="eda", unit="uS")
    trial = replace(one(), signals={"eda": eda})
    epochs = trials_to_epochs([trial], signal="eda")
    assert epochs.get_channel_types() == ["gsr"]
    np.testing.assert_allclose(epochs.get_data(), 2.5e-6)
    [again] = epochs_to_trials(epochs, dataset="own", subject="S1", kinds=("eda",))
    assert again.signal("eda").unit == "uS"
    np.testing.assert_allclose(again.signal("eda").data, 2.5)


def test_microsiemens_under_the_type_of_siemens_are_refused():
    epochs = mne.EpochsArray(np.full((1, 1, 50), 5.0), mne.create_info(["EDA"], 4.0, "gsr"), verbose="error")
    with pytest.raises(DataError, match=r"The epochs have skin conductance of 5e\+06 microsiemens"):
        epochs_to_trials(epochs, dataset="own", subject="S1", kinds=("eda",))


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="MNE keeps eeg in V, this signal is in 'au'"):
        trials_to_epochs([one(unit="au")])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stimulus": "film"}, "have the columns valence, clip, not 'film'"),
        ({"kinds": ("emg",)}, "no channel of type 'emg', only ecg, eeg"),
        ({"kinds": ("eda",)}, "no channel of type 'gsr' or 'misc', only ecg, eeg"),
        ({"kinds": ("meg",)}, "Unknown kind of signal 'meg'"),
    ],
)
def test_what_epochs_do_not_have_is_refused(options, sentence):
    with pytest.raises(DataError, match=sentence):
        epochs_to_trials(made(), dataset="own", subject="S1", **options)


@given(
    data=arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(0, 20)), elements=st.floats(-1, 1)),
    start=st.floats(-5, 5),
)
def test_pandas_and_xarray_hold_the_same_samples_at_the_same_times(data, start):
    names = tuple("abc"[: len(data)])
    signal = Signal(data=data, sfreq=4.0, ch_names=names, kind="eda", unit="uS", start=start)
    frame, array = signal.to_pandas(), signal.to_xarray()
    np.testing.assert_array_equal(frame[list(names)].to_numpy().T, data)
    np.testing.assert_array_equal(array.values, data)
    np.testing.assert_array_equal(frame.index, signal.times)
    np.testing.assert_array_equal(array["time"], signal.times)
    np.testing.assert_array_equal(frame["flags"], signal.flags)
    assert (array.attrs["unit"], array.attrs["sfreq"]) == ("uS", 4.0)
