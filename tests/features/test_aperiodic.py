"""The aperiodic part of spectra against simulated 1/f^b and specparam itself."""

import builtins
import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features.aperiodic import Aperiodic, aperiodic, fit_aperiodic
from physioaffect.features.spectral import welch_density
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals, Windowing

specparam = pytest.importorskip("specparam")

Floats = NDArray[np.float64]

SFREQ = 250.0
FREQS = np.arange(1, 45.25, 0.5)


def coloured(exponent: float, *shape: int, seconds: float, seed: int = 0) -> Floats:
    """Noise whose density falls as 1 / f**exponent, cut out of a longer stretch so as not to repeat."""
    rng = np.random.default_rng(seed)
    n_times = round(seconds * SFREQ)
    freqs = np.fft.rfftfreq(4 * n_times, 1 / SFREQ)
    size = np.zeros_like(freqs)
    size[1:] = freqs[1:] ** (-exponent / 2)
    phases = rng.normal(size=(*shape, len(freqs))) + 1j * rng.normal(size=(*shape, len(freqs)))
    return np.fft.irfft(size * phases)[..., :n_times]


def make_trial(data: NDArray[Any]) -> Trial:
    names = tuple(f"E{index}" for index in range(len(data)))
    eeg = Signal(data=data, sfreq=SFREQ, ch_names=names, kind="eeg", unit="V")
    return Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})


def peaks(*at: tuple[float, float, float]) -> Floats:
    return np.asarray(
        sum(height * np.exp(-((FREQS - centre) ** 2) / (2 * width**2)) for centre, height, width in at)
    )


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("offset", [-12.0, 0.5, 3.0])
def test_power_law_is_found_exactly(exponent: float, offset: float) -> None:
    assert_allclose(fit_aperiodic(FREQS, 10**offset / FREQS**exponent), [offset, exponent], atol=1e-6)


@pytest.mark.parametrize("exponent", [0.8, 1.5, 2.2])
def test_peaks_on_top_do_not_bend_the_line(exponent: float) -> None:
    log_density = -11 - exponent * np.log10(FREQS) + peaks((10, 0.9, 1.5), (21, 0.5, 2.5))
    assert_allclose(fit_aperiodic(FREQS, 10**log_density), [-11, exponent], atol=0.02)
    line = fit_aperiodic(FREQS, 10**log_density, max_n_peaks=0)
    assert np.abs(line - [-11, exponent]).max() > 0.1


def test_line_without_peaks_is_the_regression_of_logarithms() -> None:
    log_density = -np.log10(FREQS) + np.random.default_rng(0).normal(size=(6, len(FREQS)))
    slope, intercept = np.polyfit(np.log10(FREQS), log_density.T, 1)
    found = fit_aperiodic(FREQS, 10**log_density, max_n_peaks=0)
    assert_allclose(found, np.stack([intercept, -slope], axis=-1), rtol=1e-6)


def test_fit_equals_specparam_of_each_spectrum_alone() -> None:
    rng = np.random.default_rng(0)
    log_density = -1.2 * np.log10(FREQS) + peaks((10, 0.8, 1.5)) + 0.1 * rng.normal(size=(2, 3, len(FREQS)))
    expected = []
    for row in 10 ** log_density.reshape(6, -1):
        model = specparam.SpectralModel(
            peak_width_limits=(2.0, 8.0), max_n_peaks=4, min_peak_height=0.1, verbose=False
        )
        model.fit(FREQS, row)
        expected.append(model.get_params("aperiodic"))
    assert_allclose(fit_aperiodic(FREQS, 10**log_density), np.reshape(expected, (2, 3, 2)), rtol=1e-9)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5, 2.0])
def test_exponent_of_simulated_noise(exponent: float) -> None:
    found = aperiodic(coloured(exponent, 24, seconds=30), sfreq=SFREQ)[:, 1]
    # 30 s give a scatter of about 0.06; Hann's window and what passes for a peak lift the mean by up to 0.05.
    assert_allclose(found.mean(), exponent, atol=0.06)
    assert_allclose(found, exponent, atol=0.3)


def test_scale_moves_the_offset_only_and_sign_nothing() -> None:
    x = coloured(1.0, 4, seconds=10)
    found = aperiodic(x, sfreq=SFREQ)
    assert_allclose(aperiodic(-1e-6 * x, sfreq=SFREQ), found + np.array([-12, 0]), atol=1e-3)


def test_family_fits_each_window_of_each_channel() -> None:
    data = 1e-5 * coloured(1.3, 3, seconds=30)
    found = Aperiodic(segment=1.0, edges=(2.0, 40.0))(make_trial(data), Windowing(duration=10).intervals(30))
    assert found.dims == ("window", "channel", "aperiodic_feature")
    assert found.attrs["units"] == ["log10(V^2/Hz)", "1"]
    assert found.attrs["edges"] == [2.0, 40.0]
    freqs, density = welch_density(data[1, 2500:5000], sfreq=SFREQ, segment=1.0)
    expected = fit_aperiodic(freqs[2:40], density[2:40])
    assert_allclose(found.sel(channel="E1")[1], expected, rtol=1e-9)


def test_what_cannot_be_fitted_is_nan() -> None:
    data = 1e-5 * coloured(1.0, 3, seconds=12)
    data[0, 100] = np.nan
    data[1, 1000:2000] = 2e-5
    found = Aperiodic()(make_trial(data), Windowing(duration=4).intervals(12))
    expected = [[True, False, False], [False, True, False], [False, False, False]]
    assert_array_equal(np.isnan(found.values).all(axis=-1), expected)
    assert_array_equal(np.isnan(found.values).any(axis=-1), expected)
    assert np.isnan(fit_aperiodic(FREQS, np.zeros((2, len(FREQS))))).all()


def test_no_windows_give_an_empty_table() -> None:
    found = Aperiodic()(make_trial(1e-5 * coloured(1.0, 2, seconds=4)), Intervals(np.empty(0), 4.0))
    assert found.shape == (0, 2, 2)


def test_missing_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "specparam":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DataError, match=re.escape("pip install 'physioaffect[aperiodic]'")):
        fit_aperiodic(FREQS, 1 / FREQS)


def test_what_a_recording_cannot_hold_is_refused() -> None:
    x = coloured(1.0, seconds=10)
    with pytest.raises(ProtocolError, match=r"Cannot measure the spectrum \(1-45 Hz\).*below 40 Hz"):
        aperiodic(x, sfreq=80.0)
    with pytest.raises(ProtocolError, match=r"Peaks of 2 Hz cannot be told.*every 2 Hz.*more than 0.75 s"):
        aperiodic(x[:125], sfreq=SFREQ)
    with pytest.raises(ProtocolError, match="Only 2 of 3 frequencies"):
        aperiodic(x, sfreq=SFREQ, edges=(4.0, 5.0))
    with pytest.raises(ProtocolError, match="A line takes at least 3 frequencies, got 2"):
        fit_aperiodic(FREQS[:2], 1 / FREQS[:2])
    with pytest.raises(DataError, match="it seems to be in microvolts and declared in volts"):
        Aperiodic()(make_trial(100 * coloured(0.0, 2, seconds=4)), Windowing(duration=4).intervals(4))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"edges": (45.0, 1.0)}, "needs 0 < fmin < fmax"),
        ({"segment": 0.0}, "A segment needs a length above 0 s, got 0.0"),
        ({"overlap": -0.1}, "Segments overlap by a share from 0 to below 1, got -0.1"),
        ({"peak_width": (8.0, 2.0)}, "peak_width needs 0 < narrowest < widest in Hz, got (8.0, 2.0)"),
        ({"max_n_peaks": -1}, "max_n_peaks must not be negative, got -1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Aperiodic(**settings)


def test_spectra_of_one_are_flat_lines_at_zero() -> None:
    # The library takes them for missing data.
    freqs = np.arange(1, 45.5, 0.5)
    assert_array_equal(fit_aperiodic(freqs, np.ones((3, len(freqs)))), np.zeros((3, 2)))
    mixed = fit_aperiodic(freqs, np.stack([np.ones(len(freqs)), 1 / freqs]))
    assert_allclose(mixed, [[0, 0], [0, 1]], atol=1e-6)


@pytest.mark.parametrize(
    "freqs",
    [np.arange(0, 45, 0.5), np.geomspace(1, 45, 60), np.arange(45, 0, -0.5)],
    ids=["0", "log", "down"],
)
def test_frequencies_that_do_not_rise_evenly_from_above_zero_are_refused(freqs: Floats) -> None:
    with pytest.raises(ValueError, match="freqs must rise evenly from above 0 Hz, got"):
        fit_aperiodic(freqs, np.ones(len(freqs)))


@pytest.mark.parametrize("height", [-0.1, np.nan])
def test_a_peak_of_negative_height_is_refused(height: float) -> None:
    with pytest.raises(ValueError, match="min_peak_height must not be negative"):
        Aperiodic(min_peak_height=height)
