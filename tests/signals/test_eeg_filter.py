"""Filters over whole recordings: what passes, what is stopped, and who knows the future."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import DataError, ProtocolError
from physioaffect.signals.eeg_filter import BandPass, Method, band_pass, remove_dc, resample, resample_mask
from physioaffect.signals.eeg_line import LineNoise, harmonics, line_frequency, remove_line

SFREQ = 256.0
TIMES = np.arange(0, 30, 1 / SFREQ)
MIDDLE = slice(len(TIMES) // 4, 3 * len(TIMES) // 4)
METHODS: tuple[Method, ...] = ("fir", "fir_causal", "iir_causal")


def sine(frequency: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * TIMES)


def response(filtered: np.ndarray, frequency: float) -> complex:
    """Gain and phase of a sine, in the middle."""
    carrier = np.exp(-2j * np.pi * frequency * TIMES[MIDDLE])
    return complex((filtered[MIDDLE] @ carrier) / (sine(frequency)[MIDDLE] @ carrier))


@pytest.mark.parametrize("frequency", [1.0, 4.0, 10.0, 30.0, 45.0])
def test_the_zero_phase_filter_leaves_its_band_alone(frequency: float) -> None:
    assert_allclose(response(band_pass(sine(frequency), BandPass(), sfreq=SFREQ), frequency), 1, atol=0.01)


@pytest.mark.parametrize("method", METHODS[:2])
@pytest.mark.parametrize("frequency", [0.0, 50.0, 60.0, 100.0])
def test_nothing_is_left_of_the_mains_and_of_drifts(method: Method, frequency: float) -> None:
    kept = band_pass(1 + sine(frequency), BandPass(method=method), sfreq=SFREQ)
    assert np.abs(kept[MIDDLE]).max() < 0.01


@pytest.mark.parametrize("method", METHODS[1:])
def test_the_causal_filters_have_the_gain_and_come_late(method: Method) -> None:
    wave = 10.0
    gain = response(band_pass(sine(wave), BandPass(method=method), sfreq=SFREQ), wave)
    assert_allclose(abs(gain), 1, atol=0.02)
    assert np.angle(gain) < -0.05


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize("what", ["band", "line"])
def test_the_causal_filters_do_not_know_the_future(method: Method, what: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2, 2000))
    changed = X.copy()
    changed[:, 1200:] = 1000 * rng.normal(size=(2, 800))
    if what == "band":
        one, other = (band_pass(x, BandPass(method=method), sfreq=SFREQ) for x in (X, changed))
    else:
        settings = LineNoise(method=method)
        one, other = (remove_line(x, settings, sfreq=SFREQ, frequency=50) for x in (X, changed))
    assert_array_equal(one[:, :1200], other[:, :1200])
    assert not np.allclose(one[:, 1200:], other[:, 1200:])


def test_the_zero_phase_filter_does() -> None:
    X = np.random.default_rng(0).normal(size=2000)
    changed = np.where(np.arange(2000) < 1200, X, 0.0)
    one, other = (band_pass(x, BandPass(), sfreq=SFREQ) for x in (X, changed))
    assert np.abs(one - other)[1100:1200].max() > 1e-3


@pytest.mark.parametrize("method", METHODS[1:])
def test_the_causal_filters_start_as_if_the_first_value_had_always_been(method: Method) -> None:
    level = np.full((2, 2000), 7.0)
    assert_allclose(remove_line(level, LineNoise(method=method), sfreq=SFREQ, frequency=50), 7, rtol=0.01)
    assert_allclose(band_pass(level, BandPass(method=method), sfreq=SFREQ), 0, atol=0.02)


def test_it_is_linear_and_turns_with_time() -> None:
    X, Y = np.random.default_rng(0).normal(size=(2, 3, 4000))
    both = band_pass(2 * X - Y, BandPass(), sfreq=SFREQ)
    assert_allclose(
        both, 2 * band_pass(X, BandPass(), sfreq=SFREQ) - band_pass(Y, BandPass(), sfreq=SFREQ), atol=1e-12
    )
    turned = band_pass(X[:, ::-1], BandPass(), sfreq=SFREQ)[:, ::-1]
    assert_allclose(turned, band_pass(X, BandPass(), sfreq=SFREQ), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_notch_takes_harmonics_and_nothing_else(method: Method) -> None:
    assert harmonics(50, sfreq=SFREQ, width=1) == [50, 100]
    for frequency in (50.0, 100.0):
        clean = remove_line(sine(frequency), LineNoise(method=method), sfreq=SFREQ, frequency=50)
        assert np.abs(clean[MIDDLE]).max() < 0.02
    for frequency in (10.0, 40.0, 75.0):
        clean = remove_line(sine(frequency), LineNoise(method=method), sfreq=SFREQ, frequency=50)
        assert_allclose(abs(response(clean, frequency)), 1, atol=0.01)


@pytest.mark.parametrize("mains", [50.0, 60.0, None])
def test_the_mains_are_found(mains: float | None) -> None:
    noise = np.cumsum(np.random.default_rng(0).normal(size=(4, len(TIMES))), axis=1)
    noise += 0.3 * sine(mains) if mains else 0
    assert line_frequency(noise, sfreq=SFREQ) == mains
    assert line_frequency(noise[:, ::4], sfreq=SFREQ / 4) is None  # Above Nyquist.


def test_dc_is_the_median() -> None:
    X = np.array([[1.0, 2.0, 1e9, np.nan], [5.0, 5.0, 5.0, 5.0], [np.nan] * 4])
    assert_array_equal(remove_dc(X), [[-1, 0, 1e9 - 2, np.nan], [0] * 4, [np.nan] * 4])


@pytest.mark.parametrize(("sfreq", "to"), [(256.0, 128.0), (500.0, 128.0), (128.0, 200.0), (160.0, 128.0)])
def test_resampling_keeps_slow_waves_and_their_time(sfreq: float, to: float) -> None:
    old, new = np.arange(0, 10, 1 / sfreq), np.arange(0, 10, 1 / to)
    got = resample(np.sin(2 * np.pi * 7 * old), sfreq=sfreq, to=to)
    assert_allclose(got[200:-200], np.sin(2 * np.pi * 7 * new)[200:-200], atol=3e-3)


def test_resampling_lets_nothing_fold_back() -> None:
    assert np.abs(resample(sine(100), sfreq=SFREQ, to=128)[300:-300]).max() < 2e-3


def test_a_mask_is_never_thinned_away() -> None:
    mask = np.zeros(1000, bool)
    mask[[0, 501, 999]] = True
    assert_array_equal(np.flatnonzero(resample_mask(mask, 250, 4.0)), [0, 125, 249])
    assert_array_equal(np.flatnonzero(resample_mask(mask, 2000, 0.5)), [0, 1, 1002, 1003, 1998, 1999])


def test_what_cannot_be_filtered_is_refused() -> None:
    X = np.random.default_rng(0).normal(size=(2, 200))
    with pytest.raises(
        ProtocolError, match=r"band-pass filter is 3.3 s long, the signal 0.781 s.*raise fmin"
    ):
        band_pass(X, BandPass(), sfreq=SFREQ)
    with pytest.raises(
        ProtocolError, match=r"notch filter is 6.* s long, the signal 0.781 s.*Leave this step"
    ):
        remove_line(X, LineNoise(), sfreq=SFREQ, frequency=50)
    with pytest.raises(
        ProtocolError, match=r"Cannot band-pass up to 45 Hz.*holds nothing above 40 Hz.*lower it"
    ):
        band_pass(X, BandPass(), sfreq=80)
    with pytest.raises(ProtocolError, match=r"Cannot notch 50 Hz.*holds nothing above 40 Hz.*line=None"):
        remove_line(X, LineNoise(), sfreq=80, frequency=50)
    with pytest.raises(DataError, match=r"1 samples are NaN or infinite.*Use clean_eeg"):
        band_pass(np.append(X[0], np.nan), BandPass(method="iir_causal"), sfreq=SFREQ)
    with pytest.raises(ValueError, match=r"Cannot resample from 256 to 100.003 Hz.*ratio of whole numbers"):
        resample(X, sfreq=SFREQ, to=100.003)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fmin": 45, "fmax": 1}, "0 < fmin < fmax"),
        ({"fmin": 0.0}, "0 < fmin < fmax"),
        ({"fmin": None, "fmax": None}, "fmin, fmax or both"),
        ({"method": "iir"}, "fir, fir_causal, iir_causal, got 'iir'"),
        ({"lower_transition": 0}, "transitions and an order above 0"),
    ],
)
def test_a_wrong_band_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BandPass(**settings)


@pytest.mark.parametrize("settings", [{"frequency": 0.0}, {"width": 0.0}, {"method": "x"}])
def test_wrong_line_noise_is_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="LineNoise"):
        LineNoise(**settings)
