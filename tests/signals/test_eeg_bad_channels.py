"""Broken channels: those that were planted are found, and no others; interpolation and reference."""

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.scalp import CAP, coloured, field, scalp_eeg

from physioaffect.errors import DataError, ProtocolError
from physioaffect.montage import electrode_positions
from physioaffect.signals.eeg_bad_channels import BadChannels, Unusable, find_bad_channels, unusable_samples
from physioaffect.signals.eeg_filter import BandPass, band_pass, remove_dc
from physioaffect.signals.eeg_reference import interpolation_weights, reference_matrix

SFREQ = 128.0
PLACES = electrode_positions(CAP)


def found(data: np.ndarray, settings: BadChannels | None = None) -> dict[str, str]:
    unusable = unusable_samples(data, Unusable(), sfreq=SFREQ)
    clean = band_pass(remove_dc(np.where(np.isfinite(data), data, 0)), BandPass(), sfreq=SFREQ)
    return find_bad_channels(clean, unusable, settings or BadChannels(), sfreq=SFREQ, ch_names=CAP)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_found_where_nothing_is_broken(seed: int) -> None:
    assert found(scalp_eeg(seed).data) == {}


def test_channels_that_all_have_little_in_common_are_not_condemned() -> None:
    rng = np.random.default_rng(0)
    alone = coloured(rng, len(CAP), 7680)
    for share in (0.0, 0.3, 0.6):
        assert found(1e-5 * (alone + share * coloured(rng, 1, 7680))) == {}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", [0.0, 4200e-6])
def test_every_kind_of_broken_channel_is_found_and_only_those(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    data = scalp_eeg(seed).data
    rows = rng.choice(len(CAP), 5, replace=False)
    n_times = data.shape[1]
    data[rows[0]] = level  # A stuck electrode.
    data[rows[1]] += 30e-6 * np.diff(rng.normal(size=n_times + 1))  # A tense muscle, a bad contact.
    data[rows[2]] *= 30
    data[rows[3], : n_times // 2] = np.nan
    data[rows[4]] = 20e-6 * coloured(rng, 1, n_times)  # EEG, but of nobody's head.
    reasons = found(data)
    assert set(reasons) == {CAP[row] for row in rows}
    expected = ("flat", "noisy", "deviating", "missing", "uncorrelated")
    for row, word in zip(rows, expected, strict=True):
        assert word in reasons[CAP[row]]


def test_the_unit_does_not_matter() -> None:
    data = scalp_eeg(3).data
    data[4] *= 20
    assert list(found(data)) == list(found(data * 1e6)) == [CAP[4]]


def test_few_channels_are_not_compared() -> None:
    data = scalp_eeg(1).data[:6]
    data[2] *= 50
    data[3] = 1.0
    unusable = unusable_samples(data, Unusable(), sfreq=SFREQ)
    got = find_bad_channels(data, unusable, BadChannels(), sfreq=SFREQ, ch_names=CAP[:6])
    assert got == {CAP[3]: "flat"}


def test_spikes_and_flat_stretches_are_found_to_the_sample() -> None:
    data = scalp_eeg(2).data
    data[5, 1000] = 0.3
    data[7, 2000:2128] = data[7, 2000]
    data[8, 3000:3100] = data[8, 3000]  # Shorter than a second.
    data[9, 10] = -np.inf
    got = unusable_samples(data, Unusable(), sfreq=SFREQ)
    assert_array_equal(np.argwhere(got.is_extreme), [[5, 1000]])
    assert_array_equal(np.argwhere(got.is_flat), [[7, sample] for sample in range(2000, 2128)])
    assert_array_equal(np.argwhere(got.is_missing), [[9, 10]])


def test_blinks_are_not_extreme_and_coarse_steps_not_flat() -> None:
    data = scalp_eeg(2).data
    data[0] += 400e-6 * (np.abs(np.arange(data.shape[1]) % 1000 - 500) < 20)
    assert not unusable_samples(data, Unusable(), sfreq=SFREQ).is_extreme.any()
    coarse = 5e-6 * np.round(data / 5e-6)
    assert not unusable_samples(coarse, Unusable(), sfreq=SFREQ).is_flat.any()


def test_all_flat_and_all_missing_are_said() -> None:
    flat = unusable_samples(np.ones((3, 500)), Unusable(), sfreq=SFREQ)
    assert flat.is_flat.all()
    nothing = unusable_samples(np.full((3, 500), np.nan), Unusable(), sfreq=SFREQ)
    assert nothing.is_missing.all()
    assert not unusable_samples(np.ones((3, 1)), Unusable(), sfreq=SFREQ).is_flat.any()


@pytest.mark.parametrize("name", CAP[:8])
def test_splines_recover_a_smooth_field(name: str) -> None:
    rng = np.random.default_rng(0)
    data = field(rng, CAP, 40, depth=0.03) @ coloured(rng, 40, 2000)
    row = CAP.index(name)
    made = interpolation_weights(PLACES, [row]) @ data
    # The edge of the cap has neighbours on one side only.
    assert np.corrcoef(made[0], data[row])[0, 1] > (0.85 if name in ("Fp1", "F7", "T7") else 0.95)


def test_splines_are_those_of_mne() -> None:
    data = scalp_eeg(0).data
    info = mne.create_info(list(CAP), SFREQ, "eeg")
    info.set_montage(mne.channels.make_dig_montage(dict(zip(CAP, PLACES, strict=True)), coord_frame="head"))
    raw = mne.io.RawArray(data, info, verbose="error")
    raw.info["bads"] = ["C3", "Oz"]
    # MNE's own fit of the head's centre needs more points than 32 electrodes, hence ours.
    solution = np.linalg.lstsq(np.c_[2 * PLACES, np.ones(len(CAP))], (PLACES**2).sum(1))[0]
    raw.interpolate_bads(origin=solution[:3], verbose="error")
    rows = [CAP.index("C3"), CAP.index("Oz")]
    assert_allclose(interpolation_weights(PLACES, rows) @ data, raw.get_data()[rows], atol=1e-12)


def test_a_place_or_neighbours_that_lack_are_refused() -> None:
    places = PLACES.copy()
    places[3] = np.nan
    with pytest.raises(DataError, match=r"1 channels have no known position.*10-05 system or a montage"):
        interpolation_weights(places, [0])
    with pytest.raises(DataError, match=r"Only 3 good channels are left, expected at least four"):
        interpolation_weights(PLACES[:5], [0, 1])


def test_references() -> None:
    data = scalp_eeg(0).data
    average = reference_matrix("average", ch_names=CAP) @ data
    assert_allclose(average.sum(axis=0), 0, atol=1e-15)
    mastoids = reference_matrix(("T7", "T8"), ch_names=CAP) @ data
    assert_allclose(mastoids[CAP.index("T7")], -mastoids[CAP.index("T8")], atol=1e-18)
    assert_allclose(mastoids[0] - mastoids[1], data[0] - data[1], atol=1e-18)
    with pytest.raises(ProtocolError, match=r"'M1' is no good channel.*there are Fp1"):
        reference_matrix(("M1",), ch_names=CAP)
    with pytest.raises(DataError, match="no known position"):
        reference_matrix("rest", ch_names=CAP)


def test_rest_is_that_of_mne_and_forgets_the_old_reference() -> None:
    matrix = reference_matrix("rest", ch_names=CAP, positions=PLACES)
    assert_allclose(matrix @ np.ones(len(CAP)), 0, atol=1e-12)
    info = mne.create_info(list(CAP), SFREQ, "eeg")
    info.set_montage(mne.channels.make_dig_montage(dict(zip(CAP, PLACES, strict=True)), coord_frame="head"))
    solution = np.linalg.lstsq(np.c_[2 * PLACES, np.ones(len(CAP))], (PLACES**2).sum(1))[0]
    radius = float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))
    sphere = mne.make_sphere_model(tuple(solution[:3]), radius, verbose="error")
    sources = mne.setup_volume_source_space(sphere=sphere, pos=15.0, exclude=30.0, verbose="error")
    forward = mne.make_forward_solution(info, None, sources, sphere, meg=False, verbose="error")
    raw = mne.io.RawArray(scalp_eeg(0).data, info, verbose="error")
    expected = mne.set_eeg_reference(raw, "REST", forward=forward, verbose="error")[0].get_data()
    assert_allclose(matrix @ scalp_eeg(0).data, expected, atol=1e-12)


def test_rest_comes_closer_to_infinity_than_the_average() -> None:
    rng = np.random.default_rng(1)
    # Potentials against infinity of a few sources, and the same recorded against Cz.
    true = field(rng, CAP, 3) @ coloured(rng, 3, 500)
    recorded = true - true[CAP.index("Cz")]
    errors = [
        np.linalg.norm(reference_matrix(kind, ch_names=CAP, positions=PLACES) @ recorded - true)
        for kind in ("rest", "average")
    ]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("settings", [{"share": 2}, {"noisy": 0}, {"window": -1}, {"correlation": -0.1}])
def test_wrong_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="BadChannels needs"):
        BadChannels(**settings)
    with pytest.raises(ValueError, match="Unusable needs"):
        Unusable(flat=0)
