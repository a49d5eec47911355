"""Cleaning as a whole: its order, its record, MNE beside our own signals, trials and data sets."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.scalp import CAP, coloured, scalp_eeg

from physioaffect.datasets import EEGMAT
from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import DifferentialEntropy, Recipe, extract
from physioaffect.montage import canonical_name, electrode_positions
from physioaffect.recording import Events, Flag, Signal, Trial
from physioaffect.signals.eeg import (
    BadChannels,
    BandPass,
    CleaningReport,
    EEGCleaning,
    EyeRegression,
    LineNoise,
    Unusable,
    clean_eeg,
)
from physioaffect.signals.eeg_filter import band_pass
from physioaffect.windows import Windowing

SFREQ = 128.0
NOTHING = EEGCleaning(
    unusable=None, dc=False, band=None, bad_channels=None, reference=None, segments=None, line=None
)


def spoilt(seed: int = 0) -> Signal:
    """EEG with a flat channel, a gap, a spike, a flagged second and an infinity."""
    eeg = scalp_eeg(seed)
    data, flags = eeg.data.copy(), eeg.flags.copy()
    data[7] = 1e-4
    data[3, 1000:1100] = np.nan
    data[4, 2000] = 0.2
    data[5, 2500] = np.inf
    data[:, 3000:3128] = 5.0
    flags[3000:3128] = Flag.MOTION
    return replace(eeg, data=data, flags=flags)


def placed(signal: Signal) -> mne.io.RawArray:
    montage = dict(zip(signal.ch_names, electrode_positions(signal.ch_names), strict=True))
    raw = signal.to_mne()
    return raw.set_montage(mne.channels.make_dig_montage(montage, coord_frame="head"), verbose="error")


def cleaned(raw: mne.io.BaseRaw, cleaning: EEGCleaning | None = None) -> tuple[Any, CleaningReport]:
    result = clean_eeg(raw, cleaning)
    return result.recording, result.report


def of(signals: Mapping[str, Signal | Events]) -> Signal:
    eeg = signals["eeg"]
    assert isinstance(eeg, Signal)
    return eeg


def trial(eeg: Signal, **others: Any) -> Trial:
    return Trial(dataset="d", subject="1", trial="1", stimulus="1", signals={"eeg": eeg}, **others)


def test_all_steps_off_changes_nothing() -> None:
    eeg = scalp_eeg()
    clean, report = clean_eeg(eeg, NOTHING)
    assert_array_equal(clean.data, eeg.data)
    assert report.steps == ()
    assert report.note == "cleaned: nothing found"


def test_the_order_is_fixed_and_recorded() -> None:
    eeg = scalp_eeg()
    eog = Signal(data=eeg.data[:1], sfreq=SFREQ, ch_names=("E",), kind="eog", unit="V")
    settings = EEGCleaning(line=LineNoise(frequency=50), eyes=EyeRegression(), sfreq=100.0)
    names = [step.name for step in clean_eeg(eeg, settings, eog=eog).report.steps]
    assert names == [
        *("unusable samples", "DC", "line noise", "band-pass", "bad channels", "reference"),
        *("eye regression", "bad segments", "resampling"),
    ]


def test_gaps_come_back_and_spoil_nothing_else() -> None:
    eeg = spoilt()
    before = eeg.data.copy()
    clean, report = clean_eeg(eeg)
    truth = clean_eeg(scalp_eeg()).recording.data
    assert_array_equal(eeg.data, before)  # The input is not touched.
    expected = np.zeros(eeg.data.shape, bool)
    expected[3, 1000:1100] = expected[4, 2000] = expected[5, 2500] = True
    expected[:, 3000:3128] = True
    assert_array_equal(np.isnan(clean.data), expected)
    assert report.bad_channels == {"T7": "flat"}
    assert report.interpolated == ("T7",)
    # Far from everything that was bridged only the interpolated channel's share in the average remains.
    far = slice(4000, None)
    rows = [row for row in range(len(CAP)) if row != 7]
    assert min(np.corrcoef(clean.data[row, far], truth[row, far])[0, 1] for row in rows) > 0.99
    assert np.corrcoef(clean.data[7, far], truth[7, far])[0, 1] > 0.6
    assert clean.flags[2000] & Flag.OUT_OF_RANGE
    assert (clean.flags[3000:3128] & Flag.MOTION).all()
    assert "T7 interpolated (flat); " in report.note
    assert report.note.endswith(" % marked")


def test_the_report_survives_json_and_tells_the_same_twice() -> None:
    first, second = clean_eeg(spoilt()).report, clean_eeg(spoilt()).report
    assert first == second
    plain = first.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["steps"][3]["channels"] == {"T7": "flat; interpolated"}
    assert plain["steps"][0]["channels"]["F7"] == "100 missing"
    assert plain["steps"][0]["numbers"]["n_infinite"] == 1
    text = str(first)
    assert "1. unusable samples: " in text
    assert "   T7: flat; interpolated" in text


@settings(max_examples=8)
@given(st.permutations(range(len(CAP))), st.sampled_from([1.0, 4.2e5]))
def test_neither_the_order_of_channels_nor_an_unknown_scale_matters(order: list[int], scale: float) -> None:
    eeg = spoilt()
    clean, report = clean_eeg(eeg)
    other = eeg.pick([CAP[row] for row in order]).scaled(scale, unit="au")
    result, same = clean_eeg(other)
    assert_allclose(result.data / scale, clean.data[order], rtol=1e-6, atol=1e-11)
    assert_array_equal(result.flags, clean.flags)
    assert same.note == report.note


def test_clean_eeg_is_left_as_it_is() -> None:
    once, _ = clean_eeg(scalp_eeg())
    twice, report = clean_eeg(once)
    assert report.bad_channels == {}
    assert report.marked == 0
    # The filter's transitions take twice what they took once; all between them stays.
    assert np.corrcoef(twice.data.ravel(), once.data.ravel())[0, 1] > 0.98
    between = BandPass(fmin=2, fmax=40)
    kept = [band_pass(part.data, between, sfreq=SFREQ)[:, 500:-500] for part in (once, twice)]
    assert_allclose(kept[1], kept[0], atol=0.02 * kept[0].std())


@pytest.mark.parametrize("to", [None, 100.0])
@pytest.mark.parametrize("reference", ["average", "rest", ("T8",), None])
def test_a_raw_is_cleaned_like_a_signal(reference: str | None, to: float | None) -> None:
    eeg = spoilt()
    settings = EEGCleaning(reference=reference, sfreq=to)
    signal, report = clean_eeg(eeg, settings)
    raw = placed(eeg)
    before = raw.get_data()
    result, same = cleaned(raw, settings)
    assert isinstance(result, mne.io.BaseRaw)
    assert_array_equal(raw.get_data(), before)
    assert_allclose(result.get_data(), signal.data, rtol=1e-9, atol=1e-15)
    assert same.to_dict() == report.to_dict()
    assert result.info["sfreq"] == signal.sfreq
    assert result.info["bads"] == []
    flags = Signal.from_mne(result).flags
    assert np.count_nonzero((flags > 0) != (signal.flags > 0)) <= 4  # Times are rounded at the ends.


def test_a_raw_keeps_its_other_channels_annotations_and_first_sample() -> None:
    eeg = scalp_eeg()
    raw = placed(eeg)
    extra = mne.io.RawArray(
        np.stack([np.sin(np.arange(eeg.n_times)), (np.arange(eeg.n_times) % 500 == 0) * 3.0]),
        mne.create_info(["VEOG", "STI"], SFREQ, ["eog", "stim"]),
        verbose="error",
    )
    raw.add_channels([extra], force_update_info=True)
    raw.set_annotations(mne.Annotations([10.0, 40.0], [2.0, 1.0], ["rest", "BAD blink"]))
    raw.crop(5.0)
    raw.info["bads"] = ["Oz"]
    result, report = cleaned(raw, EEGCleaning(eyes=EyeRegression()))
    assert result.ch_names == raw.ch_names
    assert_array_equal(result.get_data(["VEOG", "STI"]), raw.get_data(["VEOG", "STI"]))
    assert set(result.annotations.description) >= {"rest", "BAD blink"}
    assert_allclose(result.annotations.onset[:1], raw.annotations.onset[:1])
    assert result.first_samp == raw.first_samp
    assert report.bad_channels == {"Oz": "marked by the user"}
    assert result.info["bads"] == []
    first = round(35 * SFREQ)
    assert np.isnan(result.get_data(["Fz"])[0, first : first + 128]).all()
    with pytest.raises(TypeError, match="takes a Signal or an mne Raw, got ndarray"):
        clean_eeg(eeg.data)


def test_a_spike_in_a_cropped_raw_is_annotated_where_it_is() -> None:
    eeg = scalp_eeg()
    data = eeg.data.copy()
    data[4, 4000] = 0.2
    raw = placed(replace(eeg, data=data)).crop(10.0)
    result, _ = cleaned(raw)
    assert_array_equal(result.annotations.description, ["bad_out_of_range"])
    assert_allclose(result.annotations.onset, 4000 / SFREQ)


def test_channels_without_a_place_become_nan_and_are_said() -> None:
    eeg = scalp_eeg()
    data = eeg.data.copy()
    data[[7, 14]] = 0.0
    odd = replace(eeg, data=data, ch_names=tuple("X1" if name == "T7" else name for name in CAP))
    clean, report = clean_eeg(odd)
    assert report.interpolated == ("Oz",)
    assert np.isnan(clean.data[7]).all()
    assert np.isfinite(clean.data[[row for row in range(32) if row != 7]]).all()
    assert_allclose(np.nansum(clean.data, axis=0), 0, atol=1e-15)
    assert report.note == "cleaned: Oz interpolated (flat); X1 lost (flat)"
    assert "No position is known for X1" in str(report)
    raw = replace(odd, ch_names=tuple(f"E{row}" for row in range(32))).to_mne()
    result, report = cleaned(raw)
    assert result.info["bads"] == ["E7", "E14"]
    assert np.isnan(result.get_data()[[7, 14]]).all()


def test_too_many_bad_channels_are_not_made_up() -> None:
    eeg = scalp_eeg()
    data = eeg.data.copy()
    data[:14] = 0.0
    clean, report = clean_eeg(replace(eeg, data=data))
    assert report.interpolated == ()
    assert len(report.bad_channels) == 14
    assert np.isnan(clean.data[:14]).all()
    assert "More than 34%: none is interpolated" in str(report)


def test_a_bad_channel_may_be_left_out_instead_of_interpolated() -> None:
    eeg = scalp_eeg()
    data = eeg.data.copy()
    data[3] = 0.0
    kept, report = clean_eeg(
        replace(eeg, data=data), EEGCleaning(bad_channels=BadChannels(interpolate=False))
    )
    assert report.interpolated == ()
    assert dict(report.bad_channels) == {eeg.ch_names[3]: "flat"}
    assert np.isnan(kept.data[3]).all()
    assert np.isfinite(np.delete(kept.data, 3, axis=0)).all()


@pytest.mark.parametrize("value", [0.0, 7e-5, np.nan, np.inf])
def test_a_recording_without_eeg_is_all_nan(value: float) -> None:
    eeg = scalp_eeg()
    clean, report = clean_eeg(replace(eeg, data=np.full_like(eeg.data, value)), EEGCleaning(sfreq=64))
    assert np.isnan(clean.data).all()
    assert clean.sfreq == 64
    assert clean.n_times == eeg.n_times // 2
    assert report.missing == 1
    assert "No channel has a usable sample" in str(report)


def test_single_precision_stays_single() -> None:
    eeg = scalp_eeg()
    single, _ = clean_eeg(replace(eeg, data=eeg.data.astype(np.float32)))
    assert single.data.dtype == np.float32
    assert_allclose(single.data, clean_eeg(eeg).recording.data, atol=1e-4 * eeg.data.std())


def test_resampled_flags_and_gaps() -> None:
    clean, _ = clean_eeg(spoilt(), EEGCleaning(sfreq=64))
    assert clean.n_times == 3840
    assert np.isnan(clean.data[3, 500:550]).all()
    assert np.isfinite(clean.data[3, [490, 560]]).all()
    assert clean.flags[1000] & Flag.OUT_OF_RANGE
    assert (clean.flags[1500:1564] & Flag.MOTION).all()


def test_what_cannot_be_cleaned_is_refused() -> None:
    eeg = scalp_eeg(seconds=2)
    with pytest.raises(ProtocolError, match=r"band-pass filter is 3.3 s long, the signal 2 s.*raise fmin"):
        clean_eeg(eeg)
    with pytest.raises(DataError, match=r"The EEG swings by .* V, expected microvolts.*scaled\(1e-6"):
        clean_eeg(eeg.scaled(1e6, unit="V"))
    with pytest.raises(DataError, match=r"The EEG is empty: 32 channels of 0 samples"):
        clean_eeg(eeg.crop(9, 10))
    with pytest.raises(ValueError, match="clean_eeg cleans EEG, got a signal of kind 'ecg'"):
        clean_eeg(replace(eeg, kind="ecg"))
    with pytest.raises(ProtocolError, match=r"no channel 'M1' to refer to; it has Fp1"):
        clean_eeg(eeg, EEGCleaning(reference=("M1",)))
    with pytest.raises(ProtocolError, match=r"average of one channel is the channel itself.*reference=None"):
        clean_eeg(scalp_eeg().pick(["Cz"]))
    with pytest.raises(DataError, match="no signal 'eeg'; it has none"):
        EEGCleaning()(replace(trial(eeg), signals={}))
    with pytest.raises(ValueError, match=r"Unknown reference 'Cz'.*such as \('Cz',\)"):
        EEGCleaning(reference="Cz")
    with pytest.raises(ValueError, match="needs at least one channel"):
        EEGCleaning(reference=())
    with pytest.raises(ValueError, match="sampling rate must be above 0"):
        EEGCleaning(sfreq=0)


def test_duplicate_names_are_refused_by_the_signal_itself() -> None:
    with pytest.raises(ValueError, match="different names"):
        replace(scalp_eeg(), ch_names=("Fz",) * 32)


def test_a_joined_baseline_is_one_recording_with_its_trial() -> None:
    whole = spoilt()
    base = replace(whole.crop(0, 3, onset=0), start=0.0)
    main = replace(whole.crop(3, 60, onset=3), start=0.0)
    cut = trial(main, baseline={"eeg": base})
    result = EEGCleaning(baseline_joins=True)(cut)
    expected, report = clean_eeg(whole)
    assert result.baseline is not None
    both = np.concatenate([of(result.baseline).data, of(result.signals).data], axis=1)
    assert_array_equal(both, expected.data)
    assert result.tags == (report.note,)
    with pytest.raises(ProtocolError, match=r"3.3 s long, the signal 3 s"):
        EEGCleaning()(cut)
    with pytest.raises(DataError, match=r"baseline has 31 channels at 128 Hz.*baseline_joins=False"):
        EEGCleaning(baseline_joins=True)(replace(cut, baseline={"eeg": base.pick(CAP[1:])}))


def test_a_baseline_apart_gets_what_the_trial_taught() -> None:
    eeg, rest = spoilt(), scalp_eeg(4, seconds=20)
    result = EEGCleaning()(trial(eeg, baseline={"eeg": rest}, tags=("of the makers",)))
    assert result.baseline is not None
    clean = of(result.baseline).data
    # T7 is fine in the baseline and flat in the trial, so it is interpolated in both.
    alone = clean_eeg(rest).recording.data
    assert not np.allclose(clean[7], alone[7], atol=1e-7)
    assert result.tags[0] == "of the makers"
    assert result.tags[1].startswith("cleaned: T7 interpolated (flat)")


def test_the_key_of_a_recipe_knows_every_setting() -> None:
    features = (DifferentialEntropy(),)

    def text(cleaning: EEGCleaning) -> str:
        return Recipe(windows=Windowing(duration=1), cleaning=(cleaning,), features=features).to_json()

    variants = [
        EEGCleaning(),
        EEGCleaning(line=LineNoise()),
        EEGCleaning(band=BandPass(fmin=2)),
        EEGCleaning(band=BandPass(method="fir_causal")),
        EEGCleaning(bad_channels=None),
        EEGCleaning(unusable=Unusable(extreme=50)),
        EEGCleaning(eyes=EyeRegression()),
    ]
    assert len({text(cleaning) for cleaning in variants}) == len(variants)
    assert text(EEGCleaning()) == text(EEGCleaning())


@pytest.mark.slow
def test_a_data_set_is_cleaned_in_parallel_as_in_series(real_data: Path) -> None:
    recipe = Recipe(
        windows=Windowing(duration=10),
        cleaning=(EEGCleaning(sfreq=250.0),),
        features=(DifferentialEntropy(),),
    )
    folder = real_data / "realeeg/eegmat"
    serial, parallel = (
        extract(EEGMAT, folder, recipe, subjects=["Subject00", "Subject01"], n_jobs=n) for n in (1, 2)
    )
    assert serial.features.identical(parallel.features)
    assert np.isfinite(serial.features["de"]).any()
    assert all("cleaned: " in tags for tags in serial.features["tags"].values)


def test_eeg_of_a_healthy_amplifier_keeps_its_channels(real_data: Path) -> None:
    for run in (1, 2):
        path = real_data / f"realeeg/eegmmidb_S001/S001R0{run}.edf"
        raw = mne.io.read_raw_edf(path, preload=True, verbose="error").rename_channels(canonical_name)
        _, report = cleaned(raw)
        assert report.bad_channels == {}
        assert report.marked < 0.05


def test_the_spikes_of_eegeyestate_are_found_and_marked(real_data: Path) -> None:
    lines = (real_data / "realeeg/eegeyestate/EEG Eye State.arff").read_text().splitlines()
    rows = [line.split(",")[:14] for line in lines if line and not line.startswith("@")]
    names = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
    counts = np.array(rows, dtype=float).T
    eeg = Signal(data=counts * 0.51e-6, sfreq=SFREQ, ch_names=names, kind="eeg", unit="V")
    clean, report = clean_eeg(eeg)
    assert counts.max() == 715897
    spikes = [898, 10386, 11509, 13179]
    assert_array_equal(np.flatnonzero(np.isnan(clean.data).any(axis=0)), spikes)
    assert (clean.flags[spikes] & Flag.OUT_OF_RANGE).all()
    assert report.bad_channels == {}
    assert report.marked < 0.05
    # Nothing of them is smeared: what is left and not flagged is as large as EEG.
    assert np.nanmax(np.abs(clean.masked)) < 300e-6


def test_a_baseline_apart_is_freed_of_eyes_with_the_trials_weights() -> None:
    eeg, rest = scalp_eeg(), scalp_eeg(4, seconds=20)
    rng = np.random.default_rng(0)

    def eyes(n_times: int) -> Signal:
        data = 100e-6 * coloured(rng, 1, n_times)
        return Signal(data=data, sfreq=SFREQ, ch_names=("VEOG",), kind="eog", unit="V")

    weights = np.linspace(0.5, 0, len(CAP))[:, np.newaxis]
    during, before = eyes(eeg.n_times), eyes(rest.n_times)
    spoilt_trial = Trial(
        dataset="d",
        subject="1",
        trial="1",
        stimulus="1",
        signals={"eeg": replace(eeg, data=eeg.data + weights * during.data), "eog": during},
        baseline={"eeg": replace(rest, data=rest.data + weights * before.data), "eog": before},
    )
    settings = EEGCleaning(eyes=EyeRegression(), bad_channels=None, segments=None)
    result = settings(spoilt_trial)
    truth = clean_eeg(rest, EEGCleaning(bad_channels=None, segments=None)).recording
    got = of(result.baseline or {})
    assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(got.data, truth.data, strict=True)) > 0.95
    data = of(spoilt_trial.baseline or {}).data.copy()
    data[3] = 0.0
    broken = {"eeg": replace(rest, data=data), "eog": before}
    with pytest.raises(
        DataError, match=r"F7 cannot be used in both the trial and its baseline.*Leave out these"
    ):
        settings(replace(spoilt_trial, baseline=broken))
