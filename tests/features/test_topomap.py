"""Maps of the head: what interpolation must reproduce, and where it must keep silent."""

import json
import math

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from physioaffect.datasets import DEAP, DREAMER, SEED
from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import Bands, DifferentialEntropy, Recipe, features_of_trial
from physioaffect.features.topomap import TopographicMap, azimuthal_projection, interpolation_matrix
from physioaffect.montage import electrode_positions, mirror_pairs
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals, Windowing

Floats = NDArray[np.float64]

SFREQ = 200.0
NAMES = SEED.ch_names["eeg"]
SIZE = 21
AXIS = np.linspace(-1, 1, SIZE)
IS_INSIDE = np.hypot(AXIS, AXIS[:, np.newaxis]) <= 1 + 1e-9
FIVE = Intervals(np.arange(5.0), 1.0)
ALPHA = DifferentialEntropy(bands=Bands.of(alpha=(8, 13)))
# Single precision of values around ten.
SINGLE = 1e-5

caps = pytest.mark.parametrize("names", [dataset.ch_names["eeg"] for dataset in (SEED, DEAP, DREAMER)])


def places(names: tuple[str, ...]) -> Floats:
    return azimuthal_projection(electrode_positions(names))


def matrix(names: tuple[str, ...]) -> Floats:
    return interpolation_matrix(places(names), size=SIZE)


def trial_of(data: Floats, ch_names: tuple[str, ...] = NAMES) -> Trial:
    eeg = Signal(data=data, sfreq=SFREQ, ch_names=ch_names, kind="eeg", unit="V")
    return Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})


def noise(n_channels: int = len(NAMES), *, seed: int = 0) -> Floats:
    return 5e-5 * np.random.default_rng(seed).normal(size=(n_channels, round(5 * SFREQ)))


def sines(log_amplitudes: Floats) -> Floats:
    """Five seconds of 10 Hz per channel, of entropy ``log_amplitudes`` and a constant."""
    t = np.arange(5 * SFREQ) / SFREQ
    return 1e-5 * np.exp(log_amplitudes)[:, np.newaxis] * np.sin(2 * np.pi * 10 * t)


CONSTANT = 0.5 * math.log(math.pi * math.e) + math.log(1e-5)


def test_projection_keeps_arcs_and_directions_from_the_vertex():
    # 25, 50 and 100 degrees from the vertex to the right, to the front and between, on a sphere of any size.
    angles, to = np.radians([0, 25, 50, 100, 30]), np.radians([0, 0, 90, 45, 180])
    directions = np.stack([np.sin(angles) * np.cos(to), np.sin(angles) * np.sin(to), np.cos(angles)], axis=1)
    diagonal = math.sqrt(0.5)
    expected = np.array([[0, 0], [0.25, 0], [0, 0.5], [diagonal, diagonal], [-0.3, 0]])
    for radius in (0.08, 0.1):
        found = azimuthal_projection(radius * directions + (0, -0.016, 0))
        assert_allclose(found, expected, atol=1e-12)


def test_projections_centre_is_that_of_the_sphere_through_the_template():
    everything = mne.channels.make_standard_montage("biosemi64").ch_names
    positions = electrode_positions(everything)
    plane = np.column_stack([2 * positions, np.ones(len(positions))])
    fitted = np.linalg.lstsq(plane, np.square(positions).sum(axis=1))[0][:3]
    assert_allclose(fitted, (0, -0.016, 0), atol=5e-3)


@caps
def test_the_head_holds_every_electrode(names):
    assert np.hypot(*places(names).T).max() < 1
    (cz,) = places(("Cz",))
    assert_allclose(cz, 0, atol=0.05)


@caps
def test_constants_and_planes_come_out_exactly(names):
    weights, (px, py) = matrix(names), places(names).T
    assert_array_equal(np.isfinite(weights).all(axis=-1), IS_INSIDE)
    for a, b, c in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (-10, 0.3, -2)):
        expected = np.where(IS_INSIDE, a + b * AXIS + c * AXIS[:, np.newaxis], np.nan)
        assert_allclose(weights @ (a + b * px + c * py), expected, atol=1e-10)


def test_the_map_passes_through_the_electrodes():
    rng = np.random.default_rng(0)
    rows, columns = (rng.permutation(np.argwhere(IS_INSIDE))[:30]).T
    weights = interpolation_matrix(np.column_stack([AXIS[columns], AXIS[rows]]), size=SIZE)
    values = rng.normal(size=30)
    assert_allclose((weights @ values)[rows, columns], values, atol=1e-10)


def test_mirrored_and_turned_electrodes_give_the_mirrored_and_turned_map():
    rng = np.random.default_rng(0)
    there, values = rng.uniform(-0.7, 0.7, size=(20, 2)), rng.normal(size=20)
    as_is = interpolation_matrix(there, size=SIZE) @ values
    assert_allclose(interpolation_matrix(there * (-1, 1), size=SIZE) @ values, as_is[:, ::-1], atol=1e-9)
    turned = there[:, ::-1] * (-1, 1)  # (x, y) goes to (-y, x).
    assert_allclose(interpolation_matrix(turned, size=SIZE) @ values, np.rot90(as_is, -1), atol=1e-9)


def test_places_on_a_line_or_too_few_settle_nothing():
    line = np.column_stack([np.linspace(-0.9, 0.9, 7), np.linspace(-0.45, 0.45, 7)])
    for there in (line, line[:2], np.eye(2)[:1], np.empty((0, 2))):
        assert np.isnan(interpolation_matrix(there, size=SIZE)).all()


def test_the_map_keeps_silent_where_noise_would_be_amplified():
    back = matrix(("O1", "Oz", "O2", "P3", "Pz", "P4"))
    is_settled = np.asarray(np.isfinite(back).all(axis=-1))
    assert not is_settled[AXIS > 0.1].any()
    assert is_settled[np.ix_((AXIS < -0.4) & (AXIS > -0.7), abs(AXIS) < 0.3)].all()
    assert np.linalg.norm(back[is_settled], axis=-1).max() <= 1.5
    nearly_a_line = matrix(("T7", "C3", "Cz", "C4", "T8"))
    assert np.isnan(nearly_a_line[abs(AXIS) > 0.5]).all()


@pytest.mark.parametrize("size", [1, 0, -3, 129])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f"2 to 128 points along each axis, got {size}"):
        TopographicMap(size=size)
    with pytest.raises(ValueError, match=f"2 to 128 points along each axis, got {size}"):
        interpolation_matrix(places(NAMES), size=size)


def test_an_entropy_that_falls_from_left_to_right_gives_a_plane():
    slope = 1.5
    trial = trial_of(sines(slope * places(NAMES)[:, 0]))
    maps = TopographicMap(entropy=ALPHA, size=SIZE)(trial, FIVE)
    expected = np.where(IS_INSIDE, CONSTANT + slope * AXIS, np.nan)
    assert_allclose(maps[..., 0], np.broadcast_to(expected, (5, SIZE, SIZE)), atol=SINGLE)


def test_axes_point_to_the_right_and_to_the_front():
    is_front = np.array([name in ("Fp1", "Fpz", "Fp2") for name in NAMES])
    is_right = np.array([name in ("T8", "C6") for name in NAMES])
    for is_loud, x, y in ((is_front, 0, 0.9), (is_right, 0.9, 0)):
        maps = TopographicMap(entropy=ALPHA)(trial_of(sines(2.0 * is_loud)), FIVE)
        highest = maps[0, ..., 0].fillna(-np.inf).argmax(["x", "y"])
        assert_allclose([maps["x"][highest["x"]], maps["y"][highest["y"]]], [x, y], atol=0.25)


def test_a_map_is_the_matrix_times_the_entropies():
    trial = trial_of(noise())
    maps = TopographicMap(size=SIZE)(trial, FIVE)
    expected = np.einsum("yxc,wcb->wyxb", matrix(NAMES), DifferentialEntropy()(trial, FIVE).values)
    assert_allclose(maps, expected, atol=SINGLE)
    assert maps.dims == ("window", "y", "x", "band")
    assert maps.dtype == np.float32


def test_mirrored_data_gives_the_mirrored_map():
    # The template is not quite symmetric: up to 4 mm, 2 % of the map's width.
    across = dict(mirror_pairs(NAMES))
    across |= {right: left for left, right in across.items()}
    rows = [NAMES.index(across.get(name, name)) for name in NAMES]
    x, y = places(NAMES).T
    data = sines(np.sin(2 * x) + x * y)
    as_is, flipped = (TopographicMap(entropy=ALPHA)(trial_of(d), FIVE)[0, ..., 0] for d in (data, data[rows]))
    apart = abs(flipped - as_is.values[:, ::-1])
    assert apart.max() < 0.15
    assert apart.max() < 0.1 * (as_is.max() - as_is.min())


def test_the_order_of_channels_does_not_matter():
    data, order = noise(), np.random.default_rng(1).permutation(len(NAMES))
    shuffled = trial_of(data[order], tuple(NAMES[row] for row in order))
    assert_allclose(TopographicMap()(shuffled, FIVE), TopographicMap()(trial_of(data), FIVE), atol=SINGLE)


def test_a_faulty_electrode_is_interpolated_from_the_others_in_its_windows():
    data, dead = noise(), NAMES.index("C3")
    data[dead, : round(2 * SFREQ)] = 4e-6
    data[dead, round(3.5 * SFREQ)] = np.nan
    maps = TopographicMap(size=SIZE)(trial_of(data), FIVE)
    kept = [name for name in NAMES if name != "C3"]
    rows = [NAMES.index(name) for name in kept]
    without = TopographicMap(size=SIZE)(trial_of(data[rows], tuple(kept)), FIVE)
    intact = TopographicMap(size=SIZE)(trial_of(noise()), FIVE)
    assert_array_equal(maps[[0, 1, 3]], without[[0, 1, 3]])
    assert_array_equal(maps[[2, 4]], intact[[2, 4]])


def test_where_all_electrodes_fail_the_map_is_nan():
    data = noise()
    data[:, : round(SFREQ)] = np.nan
    data[NAMES.index("Cz") + 1 :, round(SFREQ) : round(2 * SFREQ)] = 0  # The back half is flat.
    maps = TopographicMap(size=SIZE)(trial_of(data), FIVE)
    assert np.isnan(maps[0]).all()
    assert np.isnan(maps[1].sel(y=slice(-1, -0.5))).all()
    assert np.isfinite(maps[1].sel(y=0.5, x=0.0, method="nearest")).all()
    assert_array_equal(np.isfinite(maps[2, ..., 0]), IS_INSIDE)


def test_no_windows_give_no_maps():
    maps = TopographicMap(size=8)(trial_of(noise()), Intervals(np.empty(0), 1.0))
    assert maps.shape == (0, 8, 8, 5)


@pytest.mark.parametrize("names", [("Cz",), ("C3", "C4"), ("Fz", "Cz")])
def test_electrodes_that_span_no_map_are_refused(names):
    message = f"three electrodes or more that lie on no line, got {', '.join(names)}"
    with pytest.raises(ProtocolError, match=message):
        TopographicMap()(trial_of(noise(len(names)), names), FIVE)


def test_unknown_electrodes_are_refused():
    with pytest.raises(DataError, match="No position is known for 'X1'"):
        TopographicMap()(trial_of(noise(4), ("Fz", "C3", "C4", "X1")), FIVE)


def test_microvolts_declared_as_volts_are_refused():
    with pytest.raises(DataError, match="EEG of subject 1, trial 1 swings by"):
        TopographicMap()(trial_of(1e6 * noise()), FIVE)


def test_a_recipe_can_make_it_and_write_it_down():
    recipe = Recipe(windows=Windowing(duration=1), features=(DifferentialEntropy(), TopographicMap(size=8)))
    features = features_of_trial(trial_of(noise()), recipe)
    assert features["topomap"].shape == (5, 8, 8, 5)
    described = json.loads(recipe.to_json())["features"][1]
    assert (described["name"], described["settings"]["size"]) == ("topomap", 8)


def test_closing_the_eyes_raises_alpha_at_the_back_of_a_real_head(real_data):
    maps = {}
    for run, eyes in (("S001R01", "open"), ("S001R02", "closed")):
        path = real_data / "realeeg" / "eegmmidb_S001" / f"{run}.edf"
        eeg = Signal.from_mne(mne.io.read_raw_edf(path, preload=True, verbose="error"))
        trial = Trial(dataset="eegmmidb", subject="1", trial=run, stimulus=eyes, signals={"eeg": eeg})
        intervals = Windowing(duration=2).intervals(eeg.duration)
        maps[eyes] = TopographicMap(entropy=ALPHA)(trial, intervals)[..., 0].median("window")
    rise = maps["closed"] - maps["open"]
    highest = rise.fillna(-np.inf).argmax(["x", "y"])
    assert rise["y"][highest["y"]] < -0.5
    # Half of ln(2) is a doubling of power.
    assert rise.max() > 0.5 * math.log(2)
    assert rise.sel(y=slice(-1, -0.5)).mean() > rise.sel(y=slice(0.5, 1)).mean() + 0.3
