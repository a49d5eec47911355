"""EEG that lacks channels, samples, EOG or a baseline: refused with the mend, or marked and said."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.scalp import CAP, coloured, scalp_eeg

from physioaffect.errors import DataError, ProtocolError
from physioaffect.recording import Events, Flag, Signal, Trial
from physioaffect.signals.eeg import (
    ASR,
    ICA,
    BadChannels,
    BandPass,
    CleaningReport,
    EEGCleaning,
    EyeRegression,
    clean_eeg,
)
from physioaffect.signals.eeg_scale import check_scale

SFREQ = 128.0


def step(report: CleaningReport, name: str) -> str:
    return next(step.summary for step in report.steps if step.name == name)


def patchy() -> Signal:
    """EEG of which, at every time, one channel or another is missing."""
    eeg = scalp_eeg()
    data = eeg.data.copy()
    for row, part in enumerate(np.array_split(np.arange(eeg.n_times), len(CAP))):
        data[row, part] = np.nan
    return replace(eeg, data=data)


def eyes(n_times: int) -> Signal:
    data = 50e-6 * coloured(np.random.default_rng(9), 1, n_times)
    return Signal(data=data, sfreq=SFREQ, ch_names=("VEOG",), kind="eog", unit="V")


def trial(eeg: Signal, **others: Any) -> Trial:
    return Trial(dataset="d", subject="1", trial="7", stimulus="1", signals={"eeg": eeg}, **others)


def of(signals: Mapping[str, Signal | Events] | None) -> Signal:
    eeg = (signals or {})["eeg"]
    assert isinstance(eeg, Signal)
    return eeg


@pytest.mark.parametrize("value", [0.0, 7e-5, np.nan, np.inf])
def test_a_recording_without_eeg_is_said_to_be_lost(value: float) -> None:
    eeg = scalp_eeg()
    empty = replace(eeg, data=np.full_like(eeg.data, value))
    _, report = clean_eeg(empty)
    assert dict(report.bad_channels) == dict.fromkeys(CAP, "no usable sample")
    assert report.note == "cleaned: 32 channels lost (no usable sample)"
    assert EEGCleaning()(trial(empty)).tags == (report.note,)


def test_a_raw_of_bad_channels_keeps_them_bad() -> None:
    raw = scalp_eeg().to_mne()
    raw.info["bads"] = list(CAP)
    result: Any = clean_eeg(raw)
    clean, report = result
    assert clean.info["bads"] == list(CAP)
    assert report.note == "cleaned: 32 channels lost (marked by the user)"


@pytest.mark.parametrize("reference", ["average", "rest"])
def test_the_last_channel_does_not_become_zero(reference: str) -> None:
    eeg = scalp_eeg().pick(["Fz", "Cz"])
    data = eeg.data.copy()
    data[0] = 0.0
    clean, report = clean_eeg(replace(eeg, data=data), EEGCleaning(reference=reference))
    assert np.isnan(clean.data).all()
    assert report.bad_channels == {"Fz": "flat", "Cz": "no other channel to refer to"}
    assert "Only Cz is left" in step(report, "bad channels")
    with pytest.raises(ProtocolError, match=r"has one channel.*reference=None"):
        clean_eeg(eeg.pick(["Cz"]), EEGCleaning(reference=reference))
    alone, report = clean_eeg(replace(eeg, data=data), EEGCleaning(reference=None))
    assert np.isfinite(alone.data[1]).all()


def test_the_channel_that_others_refer_to_sets_no_limits() -> None:
    eeg = scalp_eeg().pick(["Fz", "Cz"])
    clean, report = clean_eeg(eeg, EEGCleaning(reference=("Cz",)))
    assert_array_equal(clean.data[1], 0)
    assert report.marked == 0
    # Its features lack values, so that the table has to say why.
    assert step(report, "reference") == "The mean of Cz is the reference. Cz itself is zero now."
    assert report.note == "cleaned: Cz zero (the reference)"
    both, report = clean_eeg(eeg, EEGCleaning(reference=("Cz", "Fz")))
    assert report.note == "cleaned: nothing found"
    assert_allclose(both.data[0], -both.data[1])
    assert report.marked == 0
    with_itself = EEGCleaning(reference=("Cz",))
    nothing, report = clean_eeg(eeg.pick(["Cz"]), with_itself)
    assert (np.abs(nothing.data) == 0).all()
    assert report.marked == 0


def test_a_bad_reference_is_refused_or_named() -> None:
    eeg = scalp_eeg()
    data = eeg.data.copy()
    data[CAP.index("T7")] = 0.0
    broken = replace(eeg, data=data)
    _, report = clean_eeg(broken, EEGCleaning(reference=("T7", "T8")))
    assert step(report, "reference") == "The mean of T7 (interpolated), T8 is the reference."
    kept = BadChannels(interpolate=False)
    with pytest.raises(DataError, match=r"reference T7 is a bad channel here \(flat\).*Choose another"):
        clean_eeg(broken, EEGCleaning(reference=("T7", "T8"), bad_channels=kept))


def test_every_second_sample_may_be_missing() -> None:
    eeg = scalp_eeg()
    data = eeg.data.copy()
    data[:, ::2] = np.nan
    clean, report = clean_eeg(replace(eeg, data=data), EEGCleaning(bad_channels=None))
    assert_array_equal(np.isnan(clean.data), np.isnan(data))
    assert report.missing == 0.5


def test_what_cannot_be_learnt_at_any_time_is_refused() -> None:
    eeg = patchy()
    _, report = clean_eeg(eeg)
    assert report.missing == 1
    with pytest.raises(DataError, match=r"At no time all good channels and the EOG are usable.*eyes=None"):
        clean_eeg(eeg, EEGCleaning(eyes=EyeRegression()), eog=eyes(eeg.n_times))
    with pytest.raises(DataError, match=r"needs 10 s of clean EEG to learn from, got 0.0 s"):
        clean_eeg(eeg, EEGCleaning(asr=ASR()))
    with pytest.raises(ProtocolError, match=r"independent components need 38 s of usable.* got 0 s"):
        clean_eeg(eeg, EEGCleaning(ica=ICA()))


def test_gaps_of_the_eog_are_flagged() -> None:
    eeg, eog = scalp_eeg(), eyes(7680)
    fading = np.linspace(1, 0, len(CAP))[:, np.newaxis]
    spoilt = replace(eeg, data=eeg.data + fading * eog.data)
    data = eog.data.copy()
    data[:, 2000:4000] = np.nan
    settings = EEGCleaning(eyes=EyeRegression(), bad_channels=None, segments=None)
    clean, report = clean_eeg(spoilt, settings, eog=replace(eog, data=data))
    assert_array_equal(np.flatnonzero(clean.flags & Flag.GAP), np.arange(2000, 4000))
    assert "26.0% of the time there is no EOG: flagged as a gap" in step(report, "eye regression")
    whole, _ = clean_eeg(spoilt, settings, eog=eog)
    far = slice(4500, None)
    assert_allclose(clean.data[:, far], whole.data[:, far], atol=0.2 * whole.data.std())


def test_a_missing_channel_of_the_eog_is_named_as_such() -> None:
    eeg, eog = scalp_eeg(), eyes(7680)
    data = np.concatenate([eog.data, np.full_like(eog.data, np.nan)])
    with pytest.raises(DataError, match=r"An EOG channel is constant or missing.*Leave it out"):
        clean_eeg(
            eeg, EEGCleaning(eyes=EyeRegression()), eog=replace(eog, data=data, ch_names=("VEOG", "HEOG"))
        )


def test_a_channel_without_any_sample_is_bad_whatever_share_is_allowed() -> None:
    eeg = scalp_eeg()
    data = eeg.data.copy()
    data[7] = 1e-4
    _, report = clean_eeg(replace(eeg, data=data), EEGCleaning(bad_channels=BadChannels(unusable=1.0)))
    assert report.bad_channels == {"T7": "flat"}
    assert report.missing == 0


def test_gaps_are_recorded_also_where_nothing_is_looked_for() -> None:
    eeg = patchy()
    _, report = clean_eeg(eeg, EEGCleaning(unusable=None, bad_channels=None))
    assert report.steps[0].channels["Fp1"] == "240 missing"


def test_the_note_is_plain_up_to_the_whole() -> None:
    for marked, text in ((1.0, "100"), (0.997, "99.7"), (0.42, "42"), (0.0123, "1.2")):
        assert CleaningReport(steps=(), marked=marked).note == f"cleaned: {text} % marked"
    bad = {"Oz": "flat", "T7": "deviating (-36.5)", "T8": "flat"}
    note = CleaningReport(steps=(), bad_channels=bad, interpolated=("T7",)).note
    assert note == "cleaned: T7 interpolated (deviating (-36.5)); Oz, T8 lost (flat)"


def test_a_missing_channel_does_not_hide_a_wrong_unit() -> None:
    eeg = scalp_eeg().scaled(1e6, unit="V")
    data = eeg.data.copy()
    data[0] = np.nan
    with pytest.raises(DataError, match=r"expected microvolts.*scaled\(1e-6"):
        check_scale(replace(eeg, data=data))
    check_scale(replace(eeg, data=np.full_like(data, np.nan)))


def test_a_baseline_that_is_too_short_is_named_with_its_mend() -> None:
    eeg = scalp_eeg()
    with pytest.raises(
        ProtocolError, match=r"subject 1, trial 7 of d, baseline: The band-pass.*baseline_joins=True"
    ):
        EEGCleaning()(trial(eeg, baseline={"eeg": eeg.crop(0, 3)}))
    with pytest.raises(ProtocolError, match=r"The EEG of subject 1, trial 7 of d: The band-pass"):
        EEGCleaning()(trial(eeg.crop(0, 2)))
    one = {"eeg": eeg, "eog": eyes(eeg.n_times)}
    settings = EEGCleaning(baseline_joins=True, eyes=EyeRegression())
    with pytest.raises(DataError, match=r"128 Hz and 0 of EOG, the trial 32 at 128 Hz and 1, or others"):
        settings(replace(trial(eeg, baseline={"eeg": eeg}), signals=one))


def test_a_baseline_learns_from_itself_where_the_trial_is_empty() -> None:
    eeg = scalp_eeg()
    rest, eog = scalp_eeg(4), eyes(eeg.n_times)
    empty = replace(eeg, data=np.full_like(eeg.data, np.nan))
    data = rest.data.copy()
    data[7] = 0.0
    broken = replace(rest, data=data)
    before = {"eeg": broken, "eog": eog}
    settings = EEGCleaning(eyes=EyeRegression())
    got = settings(replace(trial(empty, baseline=before), signals={"eeg": empty, "eog": eog}))
    assert_array_equal(of(got.baseline).data, clean_eeg(broken, settings, eog=eog).recording.data)
    assert got.tags[0].startswith("cleaned: 32 channels lost (no usable sample)")


@pytest.mark.parametrize("first", [0.0, 3.0])
def test_a_joined_raw_is_resampled_as_one(first: float) -> None:
    parts = [scalp_eeg(seed, seconds=20.01, sfreq=160.0).to_mne() for seed in (0, 1)]
    raw = mne.concatenate_raws(parts, verbose="error").crop(first)
    raw.annotations.append(25.0, 1.0, "BAD cough")
    clean: Any = clean_eeg(raw, EEGCleaning(sfreq=128.0)).recording
    signal, _ = clean_eeg(Signal.from_mne(raw), EEGCleaning(sfreq=128.0))
    assert_allclose(clean.get_data(), signal.data, atol=1e-15)
    assert clean.first_time == pytest.approx(raw.first_time, abs=1 / 128)
    cough = list(clean.annotations.description).index("BAD cough")
    assert clean.annotations.onset[cough] == pytest.approx(25.0, abs=1 / 128)


def test_the_dc_of_an_amplifier_and_a_kilohertz_change_nothing() -> None:
    eeg = scalp_eeg(sfreq=1000.0, seconds=30)
    offset = np.linspace(-0.3, 0.3, len(CAP))[:, np.newaxis]
    for method in ("fir", "fir_causal", "iir_causal"):
        settings = EEGCleaning(band=BandPass(method=method))
        clean, report = clean_eeg(replace(eeg, data=eeg.data + offset), settings)
        assert_allclose(clean.data, clean_eeg(eeg, settings).recording.data, atol=1e-11)
        assert report.bad_channels == {}
