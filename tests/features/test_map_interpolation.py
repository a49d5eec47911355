"""Interpolation as one matrix: scipy's and mne's surfaces, fields that are known, and thousands of maps."""

import json
from typing import Any

import matplotlib as mpl
import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.interpolate import CloughTocher2DInterpolator
from scipy.special import eval_legendre

from physioaffect.datasets import DEAP, DREAMER, SEED
from physioaffect.errors import DataError
from physioaffect.features import Recipe, TopographicMap
from physioaffect.features.map_interpolation import Interpolation
from physioaffect.features.topomap import (
    azimuthal_projection,
    interpolate_maps,
    interpolation_matrix,
    topographic_maps,
)
from physioaffect.montage import electrode_positions
from physioaffect.windows import Windowing

mpl.use("Agg")

Floats = NDArray[np.float64]

NAMES = DEAP.ch_names["eeg"]
SIZE = 24
AXIS = np.linspace(-1, 1, SIZE)
X, Y = np.meshgrid(AXIS, AXIS)

both = pytest.mark.parametrize("interpolation", ["thin_plate", "cubic"])


def places(names: tuple[str, ...] = NAMES) -> Floats:
    return azimuthal_projection(electrode_positions(names))


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class TestCubic:
    """Clough-Tocher patches as a matrix."""

    @pytest.mark.parametrize("names", [dataset.ch_names["eeg"] for dataset in (SEED, DEAP, DREAMER)])
    def test_equals_scipys_surface_through_the_same_values(self, names):
        weights = interpolation_matrix(places(names), size=SIZE, interpolation="cubic")
        for values in noise(10, len(names)).astype(float):
            expected = CloughTocher2DInterpolator(places(names), values)(X, Y)
            found = weights @ values
            is_settled = np.isfinite(found)
            # scipy looks for the slopes up to a relative tolerance of 1e-6.
            assert_allclose(found[is_settled], expected[is_settled], atol=1e-5 * np.ptp(values))
            # What is missing is where noise would be amplified: DREAMER's rim has few electrodes.
            assert is_settled.sum() >= 0.94 * np.isfinite(expected).sum()

    def test_is_linear_in_the_values(self):
        units = np.eye(32)[::5]
        surface = [CloughTocher2DInterpolator(places(), unit, tol=1e-12)(X, Y) for unit in units]
        one, other = noise(2, 32).astype(float)
        weights = interpolation_matrix(places(), size=SIZE, interpolation="cubic")
        is_there = np.isfinite(weights[..., 0])
        assert_allclose(weights[is_there][:, ::5], np.stack(surface, axis=-1)[is_there], atol=1e-9)
        both_at_once = CloughTocher2DInterpolator(places(), 3 * one - other, tol=1e-12)(X, Y)
        assert_allclose((weights @ (3 * one - other))[is_there], both_at_once[is_there], atol=1e-8)

    def test_gives_planes_exactly_and_ends_at_the_hull(self):
        weights = interpolation_matrix(places(), size=SIZE, interpolation="cubic")
        found = weights @ (2 + 3 * places()[:, 0] - places()[:, 1])
        is_there = np.isfinite(found)
        assert_allclose(found[is_there], (2 + 3 * X - Y)[is_there], atol=1e-9)
        plate = np.isfinite(interpolation_matrix(places(), size=SIZE)[..., 0])
        assert (plate & ~is_there).any()
        assert not (is_there & ~plate).any()

    def test_passes_through_the_electrodes(self):
        rng = np.random.default_rng(0)
        rows, columns = rng.permutation(np.argwhere(np.hypot(X, Y) <= 0.9))[:30].T
        own = np.column_stack([AXIS[columns], AXIS[rows]])
        values = rng.normal(size=30)
        weights = interpolation_matrix(own, size=SIZE, interpolation="cubic")
        assert_allclose((weights @ values)[rows, columns], values, atol=1e-9)

    def test_a_line_settles_nothing(self):
        line = np.column_stack([np.linspace(-0.9, 0.9, 7), np.linspace(-0.45, 0.45, 7)])
        assert np.isnan(interpolation_matrix(line, size=SIZE, interpolation="cubic")).all()

    def test_an_unknown_choice_is_refused(self):
        with pytest.raises(ValueError, match="Unknown interpolation 'linear': use one of thin_plate, cubic"):
            interpolation_matrix(places(), size=SIZE, interpolation="linear")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="Unknown interpolation 'linear'"):
            TopographicMap(interpolation="linear")  # type: ignore[arg-type]

    def test_older_recipes_are_read_as_they_were_meant(self):
        recipe = Recipe(windows=Windowing(duration=1), features=(TopographicMap(size=8),))
        told = json.loads(recipe.to_json())
        assert told["features"][0]["settings"].pop("interpolation") == "thin_plate"
        assert Recipe.from_json(json.dumps(told)) == recipe
        cubic = Recipe(windows=Windowing(duration=1), features=(TopographicMap(interpolation="cubic"),))
        assert Recipe.from_json(cubic.to_json()) == cubic


def potential(directions: Floats, *, to: Floats, depth: float) -> Floats:
    """Potential on a homogeneous sphere of a dipole that points outwards.

    ``sum_n (2 n + 1) f^(n - 1) P_n(cos)``, f being its distance from the centre in radii: what it would be in
    an infinite medium, and what makes no current leave the sphere.
    """
    cosine = directions @ to
    terms = [(2 * n + 1) * depth ** (n - 1) * eval_legendre(n, cosine) for n in range(1, 60)]
    return np.asarray(np.sum(terms, axis=0))


def directions_of(x: Floats, y: Floats) -> Floats:
    """Invert the projection on a sphere."""
    angle = np.hypot(x, y) * np.radians(100)
    scale = np.sin(angle) / np.where(angle > 0, np.hypot(x, y), 1)
    return np.stack([x * scale, y * scale, np.cos(angle)], axis=-1)


class TestDipole:
    """The field of a dipole halfway to the surface, at 30 degrees from the vertex in eight directions."""

    def worst(self, names: tuple[str, ...], interpolation: Interpolation) -> float:
        """Largest error inside the electrodes, as a share of the field's range."""
        there = places(names)
        weights = interpolation_matrix(there, size=SIZE, interpolation=interpolation)
        inside = np.isfinite(interpolation_matrix(there, size=SIZE, interpolation="cubic")[..., 0])
        errors = []
        for turn in np.arange(8) * np.pi / 4:
            to = np.array([np.cos(turn) / 2, np.sin(turn) / 2, np.sqrt(0.75)])
            field = potential(directions_of(*there.T), to=to, depth=0.5)
            truth = potential(directions_of(X, Y), to=to, depth=0.5)
            found = weights @ field
            errors.append(np.abs(found - truth)[inside].max() / np.ptp(truth[inside]))
        return float(max(errors))

    @both
    def test_the_error_falls_as_electrodes_are_added(self, interpolation):
        few, some, many = (
            self.worst(dataset.ch_names["eeg"], interpolation) for dataset in (DREAMER, DEAP, SEED)
        )
        # DREAMER has no electrode within 60 degrees of the vertex, and so does not see this dipole's peak.
        assert few < 0.95
        assert some < 0.19
        assert many < 0.07


class TestAgainstMNE:
    """What mne draws, and what it puts in the place of a bad channel."""

    def test_agrees_with_its_map_between_electrodes(self):
        import matplotlib.pyplot as plt

        values = np.sin(3 * places()[:, 0]) + np.cos(2 * places()[:, 1])
        figure, axes = plt.subplots()
        image, _ = mne.viz.plot_topomap(
            values,
            places(),
            axes=axes,
            res=SIZE,
            extrapolate="local",
            image_interp="cubic",
            sphere=(0, 0, 0, 1),
            contours=0,
            show=False,
        )
        drawn, (left, right, bottom, top) = np.asarray(image.get_array()), image.get_extent()
        plt.close(figure)
        x, y = np.meshgrid(np.linspace(left, right, SIZE), np.linspace(bottom, top, SIZE))
        # mne invents values around the head, so that slopes at the rim differ: the inner half tells.
        inner = np.hypot(x, y) < 0.6
        for interpolation in ("cubic", "thin_plate"):
            fine = interpolation_matrix(places(), size=128, interpolation=interpolation) @ values
            axis = np.linspace(-1, 1, 128)
            at = (np.abs(axis - coordinate[inner][:, None]).argmin(axis=1) for coordinate in (x, y))
            column, row = at
            assert_allclose(fine[row, column], drawn[inner], atol=0.04 * np.ptp(values))

    @both
    def test_a_missing_electrode_is_filled_in_about_as_mne_does(self, interpolation):
        montage = mne.channels.make_dig_montage(
            dict(zip(NAMES, electrode_positions(NAMES), strict=True)), coord_frame="head"
        )
        info = mne.create_info(list(NAMES), 1.0, "eeg").set_montage(montage)
        to = np.array([0.3, 0.3, 0.9]) / np.linalg.norm([0.3, 0.3, 0.9])
        field = potential(directions_of(*places().T), to=to, depth=0.4)
        lost = NAMES.index("C4")
        evoked = mne.EvokedArray(field[:, None] * 1e-6, info, verbose="error")
        evoked.info["bads"] = ["C4"]
        theirs = evoked.interpolate_bads(verbose="error").data[lost, 0] * 1e6
        values = field.copy()
        values[lost] = np.nan
        with_gap = topographic_maps(values[None], ch_names=NAMES, size=128, interpolation=interpolation)[0]
        axis = np.linspace(-1, 1, 128)
        x, y = places()[lost]
        ours = with_gap[np.abs(axis - y).argmin(), np.abs(axis - x).argmin()]
        span = np.ptp(field)
        assert abs(ours - theirs) < 0.1 * span
        assert abs(ours - field[lost]) < 0.1 * span


class TestThousands:
    """One product for all rows."""

    @both
    def test_is_the_matrix_times_the_values(self, interpolation):
        values = noise(300, len(NAMES), 3)
        maps = topographic_maps(values, ch_names=NAMES, size=SIZE, interpolation=interpolation)
        weights = interpolation_matrix(places(), size=SIZE, interpolation=interpolation)
        assert maps.dtype == np.float32
        assert_allclose(maps, np.einsum("yxc,ncb->nyxb", weights, values), atol=1e-5)
        one_band = topographic_maps(values[..., 1], ch_names=NAMES, size=SIZE, interpolation=interpolation)
        assert_array_equal(one_band, maps[..., 1])

    def test_double_precision_is_kept_until_the_end(self):
        values = 1e6 + noise(3000, len(NAMES)).astype(float)
        weights = interpolation_matrix(places(), size=8)
        expected = (values @ weights.reshape(64, -1).T).astype(np.float32).reshape(-1, 8, 8)
        assert_array_equal(topographic_maps(values, ch_names=NAMES, size=8), expected)

    def test_bands_come_first_in_memory(self):
        maps = topographic_maps(noise(5, len(NAMES), 3), ch_names=NAMES, size=8)
        assert np.moveaxis(maps, -1, 1).flags.c_contiguous

    @both
    def test_each_row_is_made_of_what_it_has(self, interpolation):
        values = noise(15, len(NAMES), 2)
        rng = np.random.default_rng(1)
        values[rng.random(values.shape) < 0.02] = np.nan
        values[7] = np.nan
        options: dict[str, Any] = {"size": 12, "interpolation": interpolation}
        maps = topographic_maps(values, ch_names=NAMES, **options)
        for row, own in zip(values, maps, strict=True):
            kept = ~np.isnan(row).any(axis=1)
            alone = [name for name, is_kept in zip(NAMES, kept, strict=True) if is_kept]
            if alone:
                assert_allclose(
                    own, topographic_maps(row[None, kept], ch_names=alone, **options)[0], atol=1e-5
                )
            else:
                assert np.isnan(own).all()
        assert 5 < np.isnan(values).any(axis=(1, 2)).sum() < 15

    def test_positions_take_the_place_of_names(self):
        values, where = noise(4, len(NAMES)), electrode_positions(NAMES)
        assert_array_equal(
            topographic_maps(values, positions=where, size=8),
            topographic_maps(values, ch_names=NAMES, size=8),
        )
        refused: list[dict[str, Any]] = [{}, {"positions": where, "ch_names": NAMES}]
        for options in refused:
            with pytest.raises(ValueError, match="names or their positions, one of the two"):
                topographic_maps(values, **options)

    def test_nothing_gives_nothing(self):
        assert topographic_maps(noise(0, 32, 5), ch_names=NAMES, size=8).shape == (0, 8, 8, 5)
        assert interpolate_maps(noise(0, 32), places(), size=8).shape == (0, 8, 8)

    @pytest.mark.parametrize("shape", [(5, 31), (32,), (5, 31, 4), (1, 32, 2, 2)])
    def test_other_shapes_are_refused(self, shape):
        with pytest.raises(DataError, match=r"for 32 electrodes, got float32 of shape"):
            topographic_maps(noise(*shape), ch_names=NAMES)

    def test_what_is_no_number_is_refused(self):
        values = noise(5, 32)
        values[3, 4] = np.inf
        with pytest.raises(DataError, match=r"infinite. Set them to NaN, and they are left out"):
            topographic_maps(values, ch_names=NAMES)
        with pytest.raises(DataError, match="got complex64 of shape"):
            topographic_maps(noise(5, 32).astype(np.complex64), ch_names=NAMES)
