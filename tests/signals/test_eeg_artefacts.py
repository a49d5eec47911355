"""Eyes, muscles and bursts: what was planted goes, what was clean stays."""

import io
import logging
import sys
from pathlib import Path

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.scalp import CAP, scalp_eeg

from physioaffect.errors import DataError, ProtocolError
from physioaffect.montage import canonical_name, electrode_positions
from physioaffect.recording import Signal
from physioaffect.signals.eeg import ASR, ICA, BandPass, EEGCleaning, EyeRegression, clean_eeg
from physioaffect.signals.eeg_artefacts import eye_weights, fit_asr, fit_ica
from physioaffect.signals.eeg_filter import band_pass
from physioaffect.signals.eeg_segments import BadSegments, mark_segments

SFREQ = 128.0


def blinks(n_times: int) -> np.ndarray:
    times = np.arange(n_times) / SFREQ
    at = np.arange(2, times[-1], 3.7)[:, np.newaxis]
    return np.asarray(200e-6 * np.exp(-(((times - at) / 0.1) ** 2)).sum(axis=0))


def with_blinks() -> tuple[Signal, Signal, Signal]:
    """Clean EEG, the same with blinks that fade towards the back, and the EOG."""
    clean = scalp_eeg(0)
    blink = blinks(clean.n_times)
    fading = np.exp((electrode_positions(CAP)[:, 1] - 0.09) / 0.03)
    spoilt = Signal(
        data=clean.data + fading[:, np.newaxis] * blink, sfreq=SFREQ, ch_names=CAP, kind="eeg", unit="V"
    )
    noise = 2e-6 * np.random.default_rng(1).normal(size=(1, clean.n_times))
    return clean, spoilt, Signal(data=blink + noise, sfreq=SFREQ, ch_names=("VEOG",), kind="eog", unit="V")


def test_regression_removes_blinks_and_harms_nothing() -> None:
    clean, spoilt, eog = with_blinks()
    settings = EEGCleaning(eyes=EyeRegression(), segments=None, bad_channels=None)
    plain = EEGCleaning(segments=None, bad_channels=None)
    result, report = clean_eeg(spoilt, settings, eog=eog)
    truth = clean_eeg(clean, plain).recording.data
    before = clean_eeg(spoilt, plain).recording.data
    seen = band_pass(eog.data, BandPass(), sfreq=SFREQ)[0]
    assert np.corrcoef(before[0], seen)[0, 1] > 0.7
    for row in range(len(CAP)):
        assert abs(np.corrcoef(result.data[row], seen)[0, 1]) < 0.05
    assert np.corrcoef(result.data[0], truth[0])[0, 1] > 0.98
    untouched = clean_eeg(clean, settings, eog=eog).recording.data
    assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(untouched, truth, strict=True)) > 0.995
    explained = next(step for step in report.steps if step.name == "eye regression").numbers["explained"]
    assert explained["Fp1"] > 0.5 > explained["Pz"]


def test_regression_is_that_of_mne() -> None:
    _, spoilt, eog = with_blinks()
    both = np.concatenate([spoilt.data, eog.data])
    info = mne.create_info([*CAP, "VEOG"], SFREQ, ["eeg"] * len(CAP) + ["eog"])
    raw = mne.io.RawArray(both, info, verbose="error").set_eeg_reference("average", verbose="error")
    expected = mne.preprocessing.EOGRegression().fit(raw).coef_
    X = spoilt.data - spoilt.data.mean(axis=0)
    assert_allclose(eye_weights(X, eog.data, np.ones(X.shape[1], bool)), expected, atol=1e-9)


def test_regression_without_eog_is_refused() -> None:
    eeg = scalp_eeg(0)
    settings = EEGCleaning(eyes=EyeRegression())
    with pytest.raises(ProtocolError, match=r"needs EOG, and this recording has none. Pass eog="):
        clean_eeg(eeg, settings)
    eog = Signal(data=np.ones((1, eeg.n_times)), sfreq=SFREQ, ch_names=("E",), kind="eog", unit="V")
    with pytest.raises(DataError, match=r"An EOG channel is constant.*Leave it out"):
        clean_eeg(eeg, settings, eog=eog)
    with pytest.raises(DataError, match=r"The EOG has 100 samples at 128 Hz, the EEG 7680"):
        clean_eeg(eeg, settings, eog=eog.crop(0, 100 / SFREQ))


def bursts(eeg: Signal) -> tuple[np.ndarray, np.ndarray]:
    """EEG with two seconds of something large at few channels, and where it is."""
    is_burst = np.zeros(eeg.n_times, bool)
    is_burst[[*range(2000, 2256), *range(5000, 5256)]] = True
    rng = np.random.default_rng(5)
    topography = np.zeros((len(CAP), 1))
    topography[[7, 3, 8]] = [[1.0], [0.7], [0.5]]
    return eeg.data + topography * 300e-6 * rng.normal(size=eeg.n_times) * is_burst, is_burst


def test_asr_takes_bursts_down_and_leaves_the_rest() -> None:
    pytest.importorskip("meegkit")
    X = band_pass(scalp_eeg(0).data, BandPass(), sfreq=SFREQ)
    eeg = Signal(data=X, sfreq=SFREQ, ch_names=CAP, kind="eeg", unit="V")
    spoilt, is_burst = bursts(eeg)
    spoilt, X = (x - x.mean(axis=0) for x in (spoilt, X))
    everywhere = np.ones(eeg.n_times, bool)
    model = fit_asr(spoilt, everywhere, ASR(), sfreq=SFREQ)
    repaired = model.apply(spoilt, ASR(), sfreq=SFREQ)
    near = np.convolve(is_burst, np.ones(257), "same") > 0
    error_before, error_after = (np.abs(x - X)[7, is_burst].mean() for x in (spoilt, repaired))
    assert error_after < 0.2 * error_before
    assert_allclose(repaired[:, ~near], X[:, ~near], atol=1e-9)
    untouched = fit_asr(X, everywhere, ASR(), sfreq=SFREQ).apply(X, ASR(), sfreq=SFREQ)
    assert np.corrcoef(untouched.ravel(), X.ravel())[0, 1] > 0.999


def test_asr_needs_something_clean() -> None:
    pytest.importorskip("meegkit")
    eeg = scalp_eeg(0, seconds=8)
    with pytest.raises(DataError, match=r"needs 10 s of clean EEG to learn from, got .* Leave this step out"):
        clean_eeg(eeg, EEGCleaning(asr=ASR()))
    with pytest.raises(ValueError, match="ASR needs EEG without drifts: set band with an fmin"):
        EEGCleaning(asr=ASR(), band=BandPass(fmin=None))


@pytest.mark.parametrize(
    ("settings", "package", "extra"),
    [({"ica": ICA()}, "mne_icalabel", "ica"), ({"asr": ASR()}, "meegkit", "asr")],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict, package: str, extra: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package] + [package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=rf"pip install 'physioaffect\[{extra}\]'"):
        clean_eeg(scalp_eeg(0), EEGCleaning(**settings))


def eyes_open(real_data: Path) -> Signal:
    raw = mne.io.read_raw_edf(real_data / "realeeg/eegmmidb_S001/S001R01.edf", preload=True, verbose="error")
    return Signal.from_mne(raw.rename_channels(canonical_name))


@pytest.mark.slow
def test_ica_finds_the_blinks_of_a_real_recording(real_data: Path) -> None:
    pytest.importorskip("mne_icalabel")
    pytest.importorskip("onnxruntime")
    eeg = eyes_open(real_data)
    plain = EEGCleaning(band=BandPass(fmax=None), segments=None)
    settings = EEGCleaning(band=BandPass(fmax=None), segments=None, ica=ICA(n_components=15))
    before = clean_eeg(eeg, plain).recording
    after, report = clean_eeg(eeg, settings)
    removed = report.steps[-1].numbers["removed"]
    assert "eye blink" in {label for _, label, _ in removed}
    assert all(probability >= 0.8 for *_, probability in removed)
    front, back = (
        np.ptp(after.pick([name]).data, axis=1) / np.ptp(before.pick([name]).data, axis=1)
        for name in ("Fp1", "Oz")
    )
    assert front < 0.6
    assert back > 0.8


def test_the_matrices_of_ica_are_those_of_mne(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mne_icalabel")
    pytest.importorskip("onnxruntime")
    import mne_icalabel.iclabel as labels

    seen: dict = {}

    def label(raw: mne.io.BaseRaw, ica: mne.preprocessing.ICA, backend: str) -> np.ndarray:
        seen.update(raw=raw, ica=ica)
        probabilities = np.zeros((ica.n_components_, 7))
        probabilities[:, 0] = 1.0
        probabilities[[1, 3]] = [0, 0, 0.9, 0, 0.1, 0, 0]
        return probabilities

    monkeypatch.setattr(labels, "iclabel_label_components", label)
    X = scalp_eeg(0).data[:10] - scalp_eeg(0).data[:10].mean(axis=0)
    places = electrode_positions(CAP[:10])
    everywhere = np.ones(X.shape[1], bool)
    model = fit_ica(X, everywhere, ICA(), sfreq=SFREQ, positions=places, ch_names=CAP[:10])
    assert model.removed == ((1, "eye blink", 0.9), (3, "eye blink", 0.9))
    assert model.n_components == 9
    expected = seen["ica"].apply(seen["raw"].copy(), exclude=[1, 3], verbose="error").get_data()
    assert_allclose(model.apply(X), expected, atol=1e-10)


def test_a_narrower_band_than_that_of_the_labels_fills_nobodys_log(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("mne_icalabel")
    pytest.importorskip("onnxruntime")
    names = ("Fp1", "Fp2", "C3", "C4", "O1", "O2")
    eeg = 1e-5 * np.random.default_rng(0).laplace(size=(6, 2000))
    positions = electrode_positions(names)
    level = mne.utils.logger.level
    log = logging.StreamHandler(said := io.StringIO())
    mne.utils.logger.addHandler(log)
    try:
        fit_ica(eeg, np.ones(2000, bool), ICA(), sfreq=100, positions=positions, ch_names=names)
    finally:
        mne.utils.logger.removeHandler(log)
    assert not caplog.records
    assert not said.getvalue()
    assert mne.utils.logger.level == level


def test_too_little_eeg_for_components_is_refused() -> None:
    pytest.importorskip("mne_icalabel")
    with pytest.raises(ProtocolError, match=r"31 independent components need 38 s .* got 20 s. Lower n_comp"):
        clean_eeg(scalp_eeg(0, seconds=20), EEGCleaning(ica=ICA()))


@pytest.mark.parametrize("settings", [{"labels": ("brain",)}, {"labels": ()}, {"threshold": 0.0}])
def test_a_wrong_ica_is_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="ICA"):
        ICA(**settings)


def test_segments_are_marked_where_they_were_planted() -> None:
    X = band_pass(scalp_eeg(0).data, BandPass(fmax=None), sfreq=SFREQ)
    everywhere = np.ones(X.shape[1], bool)
    clean = mark_segments(X, everywhere, BadSegments(), sfreq=SFREQ)
    assert clean.is_muscle is not None
    assert not (clean.is_large | clean.is_step | clean.is_muscle).any()
    X[3, 1000:1064] += 500e-6
    X[5, 3000] += 190e-6
    X[:, 5120:5248] += 40e-6 * np.random.default_rng(2).normal(size=(len(CAP), 128))
    found = mark_segments(X, everywhere, BadSegments(margin=0), sfreq=SFREQ)
    assert found.is_muscle is not None
    assert_allclose(np.flatnonzero(found.is_large[:5000]), np.arange(1000, 1064))
    assert {999, 1000, 1063, 1064, 2999, 3000, 3001} == set(np.flatnonzero(found.is_step[:5000]).tolist())
    assert_allclose(np.flatnonzero(found.is_muscle), np.arange(5120, 5248))
    wide = mark_segments(X, everywhere, BadSegments(margin=0.25), sfreq=SFREQ)
    assert_allclose(np.flatnonzero(wide.is_large[:5000]), np.arange(1000 - 32, 1064 + 32))


def test_a_criterion_can_be_left_out_or_impossible() -> None:
    X = scalp_eeg(0).data
    everywhere = np.ones(X.shape[1], bool)
    none = mark_segments(X, everywhere, BadSegments(amplitude=None, step=None, muscle=None), sfreq=SFREQ)
    assert none.is_muscle is None
    assert np.isnan([none.amplitude_limit, none.step_limit]).all()
    slow = band_pass(X, BandPass(fmax=15), sfreq=SFREQ)
    assert mark_segments(slow, everywhere, BadSegments(), sfreq=SFREQ).is_muscle is None
    with pytest.raises(ValueError, match="BadSegments needs limits above 0"):
        BadSegments(step=0)


@pytest.mark.parametrize("reference", [None, ("Cz",), ("T7", "T8"), "rest"])
def test_components_are_taken_out_of_every_reference(
    monkeypatch: pytest.MonkeyPatch, reference: str | tuple[str, ...] | None
) -> None:
    pytest.importorskip("mne_icalabel")
    pytest.importorskip("onnxruntime")
    import mne_icalabel.iclabel as labels

    clean, _, eog = with_blinks()
    # Blinks as an electrode on the nose sees them: with a mean over the scalp.
    fading = np.exp((electrode_positions(CAP)[:, 1] - 0.09) / 0.06)[:, np.newaxis]
    spoilt = Signal(
        data=clean.data + fading * blinks(clean.n_times), sfreq=SFREQ, ch_names=CAP, kind="eeg", unit="V"
    )

    def label(raw: mne.io.BaseRaw, ica: mne.preprocessing.ICA, backend: str) -> np.ndarray:
        seen = band_pass(eog.data, BandPass(), sfreq=SFREQ)
        sources = ica.get_sources(raw).get_data()
        blink = np.argmax(np.abs(np.corrcoef(seen, sources)[0, 1:]))
        probabilities = np.tile([1.0, 0, 0, 0, 0, 0, 0], (ica.n_components_, 1))
        probabilities[blink] = [0, 0, 1, 0, 0, 0, 0]
        return probabilities

    monkeypatch.setattr(labels, "iclabel_label_components", label)
    plain = EEGCleaning(segments=None, bad_channels=None, unusable=None, reference=reference)
    settings = EEGCleaning(
        segments=None, bad_channels=None, unusable=None, reference=reference, ica=ICA(n_components=12)
    )
    seen = band_pass(eog.data, BandPass(), sfreq=SFREQ)[0]
    before, after = (clean_eeg(spoilt, part).recording.data for part in (plain, settings))
    moving = np.ptp(after, axis=1) > 1e-9
    left = np.abs((after @ seen) / (before[moving] @ seen).max())
    assert left.max() < 0.15
