"""Asymmetries against closed forms, and what they do not depend on."""

import json
import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from physioaffect.datasets import DEAP, DREAMER, SEED
from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import Bands, DifferentialEntropy, Family, Recipe, features_of_trial
from physioaffect.features.asymmetry import ASM, DASM, DCAU, RASM, rational_asymmetry
from physioaffect.montage import frontal_posterior_pairs, mirror_pairs
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals, Windowing

SFREQ = 200.0
SEED_NAMES = SEED.ch_names["eeg"]
MICROVOLTS = 1e-6
FIVE = Intervals(np.arange(5.0), 1.0)
ALPHA = DifferentialEntropy(bands=Bands.of(alpha=(8, 13)))
FAMILIES = (DASM, RASM, ASM, DCAU)

families = pytest.mark.parametrize("family", FAMILIES)


def trial_of(data: NDArray[Any], ch_names: tuple[str, ...], *, unit: str = "V", **more: Any) -> Trial:
    eeg = Signal(data=data, sfreq=SFREQ, ch_names=ch_names, kind="eeg", unit=unit, **more)
    return Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})


def noise(n_channels: int, *, seconds: float = 5, seed: int = 0) -> NDArray[np.float64]:
    white = np.random.default_rng(seed).normal(size=(n_channels, round(seconds * SFREQ)))
    return 50 * MICROVOLTS * white


def sine(amplitude: float) -> NDArray[np.float64]:
    """Five seconds of 10 Hz, whose band variance is amplitude^2 / 2 exactly."""
    return amplitude * np.sin(2 * np.pi * 10 * np.arange(5 * SFREQ) / SFREQ)


def sine_entropy(amplitude: float) -> float:
    return 0.5 * math.log(math.pi * math.e * amplitude**2)


@pytest.mark.parametrize("log_base", [math.e, 2.0])
@pytest.mark.parametrize("ratio", [0.25, 1.0, 3.0])
@pytest.mark.parametrize(("family", "names"), [(DASM, ("C3", "C4")), (DCAU, ("F3", "P3"))])
def test_a_difference_is_the_logarithm_of_the_ratio_of_amplitudes(family, names, ratio, log_base):
    settings = DifferentialEntropy(bands=ALPHA.bands, log_base=log_base)
    trial = trial_of(np.stack([sine(ratio * 20e-6), sine(20e-6)]), names)
    found = family(entropy=settings)(trial, FIVE)
    assert_allclose(found, math.log(ratio) / math.log(log_base), atol=1e-12)


@pytest.mark.parametrize("log_base", [math.e, 2.0])
def test_the_ratio_is_that_of_entropies_in_microvolts_in_any_base(log_base):
    settings = DifferentialEntropy(bands=ALPHA.bands, log_base=log_base)
    trial = trial_of(np.stack([sine(30e-6), sine(10e-6)]), ("C3", "C4"))
    found = RASM(entropy=settings)(trial, FIVE)
    assert_allclose(found, sine_entropy(30) / sine_entropy(10), rtol=1e-12)


def test_the_ratio_of_a_signal_in_no_unit_is_relative_to_its_own():
    trial = trial_of(np.stack([sine(30), sine(10)]), ("C3", "C4"), unit="au")
    assert_allclose(RASM(entropy=ALPHA)(trial, FIVE), sine_entropy(30) / sine_entropy(10), rtol=1e-12)


def test_the_ratio_is_nan_where_the_right_entropy_is_too_near_to_zero():
    # Entropy 0 at amplitude 1 / sqrt(pi e) = 0.34; 0.2 nats away from it on both sides, then 0.3.
    distances = np.array([-0.3, -0.2, 0.0, 0.2, 0.3])
    right = [sine(MICROVOLTS * math.exp(by) / math.sqrt(math.pi * math.e)) for by in distances]
    for by, data in zip(distances, right, strict=True):
        found = RASM(entropy=ALPHA, smallest=0.25)(
            trial_of(np.stack([sine(10e-6), data]), ("C3", "C4")), FIVE
        )
        expected = sine_entropy(10) / by if abs(by) > 0.25 else np.nan
        assert_allclose(found, np.full(found.shape, expected), rtol=1e-9)


def test_the_bound_of_the_ratio_does_not_depend_on_the_base():
    trial = trial_of(np.stack([sine(10e-6), sine(0.45e-6)]), ("C3", "C4"))  # 0.28 nats, 0.40 bits.
    for bound, is_nan in ((0.25, False), (0.3, True)):
        for base in (math.e, 2.0, 10.0):
            settings = DifferentialEntropy(bands=ALPHA.bands, log_base=base)
            found = RASM(entropy=settings, smallest=bound)(trial, FIVE)
            assert np.isnan(found).all() == is_nan


def test_ratio_of_arrays():
    left, right = np.array([3.0, 1.0, np.nan, 1.0, 1.0]), np.array([2.0, 0.0, 1.0, np.nan, -4.0])
    assert_array_equal(rational_asymmetry(left, right, smallest=0.1), [1.5, np.nan, np.nan, np.nan, -0.25])


@pytest.mark.parametrize("smallest", [0.0, -1.0, math.nan])
@pytest.mark.parametrize("family", [RASM, ASM])
def test_a_denominator_of_zero_is_refused(family, smallest):
    with pytest.raises(ValueError, match="denominator must be above 0, got"):
        family(smallest=smallest)
    with pytest.raises(ValueError, match="denominator must be above 0, got"):
        rational_asymmetry(np.ones(1), np.ones(1), smallest=smallest)


def mirrored(data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exchange the data of the left and the right electrodes of SEED's cap."""
    rows = np.arange(len(data))
    for left, right in mirror_pairs(SEED_NAMES):
        one, other = SEED_NAMES.index(left), SEED_NAMES.index(right)
        rows[[one, other]] = other, one
    return data[rows]


@given(seed=st.integers(0, 1000))
@settings(max_examples=5)
def test_asymmetry_flips_under_mirrored_electrodes(seed):
    data = noise(62, seed=seed)
    as_is, flipped = (trial_of(x, SEED_NAMES) for x in (data, mirrored(data)))
    assert_array_equal(DASM()(flipped, FIVE), -DASM()(as_is, FIVE))
    assert_allclose(RASM()(flipped, FIVE), 1 / RASM()(as_is, FIVE), rtol=1e-12)


@given(seed=st.integers(0, 1000))
@settings(max_examples=5)
def test_caudality_does_not_tell_left_from_right(seed):
    data = noise(62, seed=seed)
    as_is, flipped = (DCAU()(trial_of(x, SEED_NAMES), FIVE) for x in (data, mirrored(data)))
    across = dict(mirror_pairs(SEED_NAMES))
    across |= {right: left for left, right in across.items()}
    pairs = [f"{across.get(a, a)}-{across.get(b, b)}" for a, b in frontal_posterior_pairs(SEED_NAMES)]
    assert_array_equal(flipped.sel(caudal_pair=pairs), as_is)


def test_a_symmetric_head_has_no_asymmetry():
    data = noise(62)
    for left, right in mirror_pairs(SEED_NAMES):
        data[SEED_NAMES.index(right)] = -data[SEED_NAMES.index(left)]
    trial = trial_of(data, SEED_NAMES)
    assert_allclose(DASM()(trial, FIVE), 0, atol=1e-12)
    assert_allclose(RASM()(trial, FIVE), 1, atol=1e-12)


@given(exponent=st.floats(-1, 1))
@settings(max_examples=10)
def test_differences_do_not_depend_on_a_common_gain_and_ratios_do(exponent):
    data = noise(62)
    trial, scaled = (trial_of(gain * data, SEED_NAMES) for gain in (1.0, 10**exponent))
    for family in (DASM(), DCAU()):
        assert_allclose(family(scaled, FIVE), family(trial, FIVE), atol=1e-9)
    if abs(exponent) > 0.1:
        assert abs(RASM()(scaled, FIVE) - RASM()(trial, FIVE)).max() > 1e-3


@families
def test_the_order_of_channels_does_not_change_a_number(family):
    data, order = noise(62), np.random.default_rng(1).permutation(62)
    found = family()(trial_of(data, SEED_NAMES), FIVE)
    names = tuple(SEED_NAMES[row] for row in order)
    shuffled = family()(trial_of(data[order], names), FIVE)
    xr.testing.assert_equal(shuffled.reindex_like(found), found)


@pytest.mark.parametrize(
    ("family", "names", "shape"),
    [
        (DASM, SEED_NAMES, (27, 5)),
        (RASM, SEED_NAMES, (27, 5)),
        (ASM, SEED_NAMES, (2, 27, 5)),
        (DCAU, SEED_NAMES, (23, 5)),
        (DASM, DEAP.ch_names["eeg"], (14, 5)),
        (DCAU, DEAP.ch_names["eeg"], (11, 5)),
        (DASM, DREAMER.ch_names["eeg"], (7, 5)),
    ],
)
def test_sizes_are_the_published_ones(family, names, shape):
    trial = trial_of(noise(len(names)), names)
    assert family()(trial, FIVE).shape == (5, *shape)
    assert family()(trial, Intervals(np.empty(0), 1.0)).shape == (0, *shape)


def test_both_asymmetries_together_are_each_alone():
    trial = trial_of(noise(62), SEED_NAMES)
    both = ASM()(trial, FIVE)
    assert_array_equal(both.sel(asymmetry="difference"), DASM()(trial, FIVE))
    assert_array_equal(both.sel(asymmetry="ratio"), RASM()(trial, FIVE))


def test_pairs_and_bands_have_names():
    found = DASM()(trial_of(noise(3), ("FP2", "Cz", "FP1")), FIVE)
    assert found.dims == ("window", "mirror_pair", "band")
    assert found["mirror_pair"].values.tolist() == ["FP1-FP2"]
    assert found["band"].values.tolist() == ["delta", "theta", "alpha", "beta", "gamma"]
    assert (found.attrs["unit"], found.attrs["formula"]) == ("nat", "DE(left) - DE(right)")
    assert RASM()(trial_of(noise(2), ("F3", "F4")), FIVE).attrs["unit"] == "1"


@families
@pytest.mark.parametrize("fault", ["flat", "missing", "flagged"])
def test_a_faulty_electrode_gives_nan_in_its_pairs_only(family, fault):
    names = ("F3", "F4", "C3", "C4", "P3", "P4")
    data, flags = noise(6), np.zeros(round(5 * SFREQ), dtype=np.uint8)
    is_hit = np.zeros((5, 6), dtype=bool)
    if fault == "flat":
        data[0] = 7e-6
        is_hit[:, 0] = True
    elif fault == "missing":
        data[0, 250] = np.nan
        is_hit[1, 0] = True
    else:
        flags[250] = Flag.MOTION
        is_hit[1] = True
    found = family()(trial_of(data, names, flags=flags), FIVE)
    pairs = frontal_posterior_pairs(names) if family is DCAU else mirror_pairs(names)
    expected = np.array([is_hit[:, names.index(one)] | is_hit[:, names.index(other)] for one, other in pairs])
    pair = "caudal_pair" if family is DCAU else "mirror_pair"
    for index in range(len(pairs)):
        values = np.isnan(found.isel({pair: index}))
        other_dims = [dim for dim in values.dims if dim != "window"]
        assert_array_equal(values.all(other_dims), expected[index])
        assert_array_equal(values.any(other_dims), expected[index])


@families
def test_channels_without_a_pair_are_refused(family):
    with pytest.raises(
        ProtocolError, match=r"No two electrodes of Fz, C3 make a pair.*Leave this feature out"
    ):
        family()(trial_of(noise(2), ("Fz", "C3")), FIVE)


@families
def test_unknown_electrodes_are_refused(family):
    with pytest.raises(DataError, match=r"No position is known for 'E1', .*Rename"):
        family()(trial_of(noise(3), ("F3", "F4", "E1")), FIVE)


@families
def test_microvolts_declared_as_volts_are_refused(family):
    with pytest.raises(DataError, match=r"EEG of subject 1, trial 1 swings by .* declared in volts"):
        family()(trial_of(1e6 * noise(4), ("F3", "F4", "P3", "P4")), FIVE)


@families
def test_a_band_that_cannot_be_measured_is_refused(family):
    trial = trial_of(noise(4), ("F3", "F4", "P3", "P4"))
    with pytest.raises(ProtocolError, match=r"Cannot measure high \(90-120 Hz\)"):
        family(entropy=DifferentialEntropy(bands=Bands.of(high=(90, 120))))(trial, FIVE)


def test_all_families_fit_into_one_table_and_one_recipe():
    made: tuple[Family, ...] = (DifferentialEntropy(), *(family() for family in FAMILIES))
    recipe = Recipe(windows=Windowing(duration=1), features=made)
    features = features_of_trial(trial_of(noise(62), SEED_NAMES), recipe)
    assert set(features.data_vars) == {"de", "dasm", "rasm", "asm", "dcau"}
    described = {part["name"]: part["settings"] for part in json.loads(recipe.to_json())["features"]}
    assert described["asm"]["smallest"] == 0.25
    assert described["asm"]["entropy"]["estimator"] == "stft"
    assert recipe.signals == ("eeg",)
