"""Both estimators through torch against those of the processor; on torch's CPU, so that no card is needed."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import filter_bank, stft
from physioaffect.features.bands import SEED_BANDS, Bands
from physioaffect.features.differential_entropy import ESTIMATORS, DifferentialEntropy
from physioaffect.features.filter_bank import BandFilter
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

torch = pytest.importorskip("torch")
from physioaffect.features import _on_device  # noqa: E402  It needs torch.

ALPHA = Bands.of(alpha=(8, 13))
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
TOLERANCE = 1e-9  # Nats.

devices = pytest.mark.parametrize("device", DEVICES)


def walk(*shape, seed=0):
    """Noise that wanders, on an offset of a millivolt."""
    rng = np.random.default_rng(seed)
    return 1e-3 + 2e-6 * rng.standard_normal(shape).cumsum(axis=-1)


def nats(variance):
    """Entropy but for a constant."""
    return 0.5 * np.log(variance)


def filtered(X, first, n_samples, device, **settings):
    """Entropies of both, the processor's last."""
    found = _on_device.band_variance_filtered(X, first, n_samples, device=device, **settings)
    expected = filter_bank.band_variance_filtered(X, first, n_samples, precision="double", **settings)
    return nats(found), nats(expected)


@devices
@pytest.mark.parametrize("phase", ["zero", "causal"])
@pytest.mark.parametrize(("sfreq", "n_channels"), [(128.0, 32), (200.0, 62), (1000.0, 5)])
def test_the_filter_bank_gives_the_same(sfreq, n_channels, phase, device):
    X, n_samples = walk(n_channels, round(12 * sfreq)), round(sfreq)
    first = np.arange(0, X.shape[1] - n_samples, round(0.3 * sfreq))
    found, expected = filtered(
        X, first, n_samples, device, sfreq=sfreq, bands=SEED_BANDS, band_filter=BandFilter(phase=phase)
    )
    assert_allclose(found, expected, atol=TOLERANCE)


@devices
@pytest.mark.parametrize("phase", ["zero", "causal"])
@pytest.mark.parametrize("design", ["butterworth", "bessel", "chebyshev1"])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_every_design_and_order_gives_the_same(design, order, phase, device):
    how = BandFilter(design=design, order=order, phase=phase)
    found, expected = filtered(
        walk(3, 2500), np.arange(0, 2500, 250), 250, device, sfreq=250.0, bands=ALPHA, band_filter=how
    )
    assert_allclose(found, expected, atol=TOLERANCE)


@devices
def test_a_filter_from_rest_gives_the_same(device):
    how = BandFilter(phase="causal", start="rest")
    first = np.zeros(1, dtype=np.intp)
    found, expected = filtered(
        walk(6, 128), first, 128, device, sfreq=128.0, bands=SEED_BANDS, band_filter=how
    )
    assert_allclose(found, expected, atol=TOLERANCE)


@devices
def test_a_slow_and_narrow_band_gives_the_same(device):
    slow = Bands.of(slow=(0.05, 0.15))
    found, expected = filtered(
        walk(2, 100_000), np.arange(0, 100_000, 20_000), 20_000, device, sfreq=500.0, bands=slow
    )
    assert_allclose(found, expected, atol=1e-7)  # Poles this close to one cost the recursion some digits.


@devices
@pytest.mark.parametrize("phase", ["zero", "causal"])
def test_gaps_and_windows_that_reach_out_give_the_same(phase, device):
    X = walk(3, 1500)
    X[0, :200], X[0, 700:760], X[1] = np.nan, np.inf, np.nan
    first = np.array([-5000, -125, 0, 150, 650, 1400, 1499, 1500, 9000])
    how = BandFilter(phase=phase)
    found, expected = filtered(X, first, 250, device, sfreq=250.0, bands=SEED_BANDS, band_filter=how)
    assert np.isnan(found).any(axis=(0, 2)).all()
    assert_allclose(np.exp(2 * found), np.exp(2 * expected), rtol=1e-7, atol=1e-24)


@devices
@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4"])
@pytest.mark.parametrize("frame", [None, 0.5, 1.01])
@pytest.mark.parametrize("taper", ["hann", "hanning"])
@pytest.mark.parametrize(("n_samples", "step"), [(256, 256), (401, 100), (2000, 1500)])
def test_the_stft_gives_the_same(n_samples, step, taper, frame, dtype, device):
    X = walk(5, 4000).astype(dtype)
    first = np.arange(0, 4000 - n_samples, step)
    settings = {"sfreq": 128.0, "bands": SEED_BANDS.within((4, 45)), "frame": frame}
    settings["taper"] = taper
    found = _on_device.band_variance_frames(X, first, n_samples, device=device, **settings)
    assert_allclose(
        nats(found), nats(stft.band_variance_frames(X, first, n_samples, **settings)), atol=TOLERANCE
    )


@devices
def test_stft_windows_with_gaps_or_outside_are_nan_and_flat_ones_zero(device):
    X = walk(3, 1000)
    X[0, 300], X[1] = np.nan, 1e-3
    first = np.array([-1, 0, 250, 750, 751])
    found = _on_device.band_variance_frames(X, first, 250, sfreq=250.0, bands=ALPHA, device=device)
    assert np.isnan(found[[0, 4]]).all()
    assert np.isnan(found[2, 0]).all()
    assert (found[1:4, 1] == 0).all()
    assert (found[1:4, 2] > 0).all()


@devices
def test_leading_axes_blocks_and_no_windows(device, monkeypatch):
    X, first = walk(2, 7, 1500), np.arange(0, 1500, 250)
    for compute in (_on_device.band_variance_frames, _on_device.band_variance_filtered):
        settings = {"sfreq": 250.0, "bands": ALPHA, "device": device}
        whole = compute(X, first, 250, **settings)
        assert whole.shape == (6, 2, 7, 1)
        assert compute(X, first[:0], 250, **settings).shape == (0, 2, 7, 1)
        with monkeypatch.context() as patch:
            patch.setattr(_on_device, "_ROOM", 5000)
            assert_allclose(compute(X, first, 250, **settings), whole, rtol=1e-12)


@devices
def test_the_same_is_refused(device):
    X, first = walk(2, 100), np.zeros(1, dtype=np.intp)
    with pytest.raises(DataError, match=r"0.4 s are too short to filter alpha"):
        _on_device.band_variance_filtered(X, first, 50, sfreq=250.0, bands=ALPHA, device=device)
    with pytest.raises(ProtocolError, match="holds only what lies below 10 Hz"):
        _on_device.band_variance_frames(X, first, 50, sfreq=20.0, bands=ALPHA, device=device)
    with pytest.raises(ProtocolError, match="lies in alpha"):
        _on_device.band_variance_frames(X, first, 10, sfreq=250.0, bands=ALPHA, device=device)


def on_processor(compute):
    """Whatever device is asked for."""
    return lambda *args, device, **how: compute(*args, device="cpu", **how)


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_a_family_computes_where_it_is_told_and_says_so(estimator, monkeypatch):
    # Torch's processor stands for the card.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("band_variance_frames", "band_variance_filtered"):
        monkeypatch.setattr(_on_device, name, on_processor(getattr(_on_device, name)))
    X = walk(2, 1280)
    X[0, 500:900] = X[0, 500]
    eeg = Signal(data=X, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="au")
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="1", signals={"eeg": eeg})
    intervals = Windowing(duration=1).intervals(10)
    here = DifferentialEntropy(bands=ALPHA, estimator=estimator, precision="double")
    found = {device: replace(here, device=device)(trial, intervals) for device in ("cpu", "cuda", "auto")}
    assert {device: one.attrs["device"] for device, one in found.items()} == {
        "cpu": "cpu", "cuda": "cuda", "auto": "cuda"
    }  # fmt: skip
    for there in ("cuda", "auto"):
        assert_allclose(found[there], found["cpu"], atol=TOLERANCE)
    assert np.isnan(found["cuda"][4:6, 0]).all()


def test_a_family_refuses_a_device_that_nobody_knows():
    with pytest.raises(ValueError, match="Unknown device 'tpu'"):
        DifferentialEntropy(device="tpu")  # type: ignore[arg-type]
