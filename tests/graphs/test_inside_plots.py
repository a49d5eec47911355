"""What pictures of importance, attention and filters show: the right numbers at the right places."""

import io

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from physioaffect.datasets import DEAP
from physioaffect.errors import DataError
from physioaffect.features.topomap import azimuthal_projection
from physioaffect.graphs import plot_attention, plot_filters, plot_importance
from physioaffect.montage import electrode_positions

NAMES = list(DEAP.ch_names["eeg"])
PLACES = azimuthal_projection(electrode_positions(NAMES))


def is_saved(figure: Figure) -> bool:
    file = io.BytesIO()
    figure.savefig(file, dpi=30)
    return file.getvalue().startswith(b"\x89PNG")


def shown(ax: Axes) -> NDArray[np.float64]:
    return np.asarray(ax.images[0].get_array(), dtype=np.float64)


def at_electrodes(ax: Axes) -> NDArray[np.float64]:
    """Values of a map of the head at its electrodes."""
    image = shown(ax)
    x, y = np.rint((PLACES + 1) / 2 * (len(image) - 1)).astype(int).T
    values: NDArray[np.float64] = image[y, x]
    return values


def importance_of(seed: int = 0) -> xr.DataArray:
    shares = np.random.default_rng(seed).normal(size=(32, 2))
    shares[:, 1] += 1
    return xr.DataArray(
        shares / shares.sum(),
        dims=("channel", "band"),
        coords={"channel": NAMES, "band": ["theta", "alpha"]},
    )


def test_maps_show_the_importance_of_each_electrode_in_per_cent_on_one_scale():
    # A plane, which the spline reproduces: neighbouring points of the grid tell the same to a few per cent.
    importance = importance_of()
    importance[:, 0] = 0.01 * PLACES[:, 0]
    importance[:, 1] = 0.02 + 0.01 * PLACES[:, 1]
    figure = plot_importance(importance, title="what it looks at")
    theta, alpha, bar = figure.axes
    assert_allclose(at_electrodes(theta), PLACES[:, 0], atol=0.02)
    assert_allclose(at_electrodes(alpha), 2 + PLACES[:, 1], atol=0.02)
    low, high = theta.images[0].get_clim()
    assert (low, high) == alpha.images[0].get_clim()
    assert -low == high == pytest.approx(100 * float(np.abs(importance).max()))
    assert theta.get_title() == f"theta: {round(100 * importance[:, 0].values.sum()) + 0} %"
    assert alpha.get_title() == f"alpha: {round(100 * importance[:, 1].values.sum())} %"
    assert bar.get_ylabel() == "importance [%]"
    assert figure.get_suptitle() == "what it looks at"
    assert is_saved(figure)


def test_one_map_needs_no_band():
    ax, _ = plot_importance(importance_of().sum("band")).axes
    assert ax.get_title() == ""


def test_many_bands_stand_in_rows():
    many = xr.concat([importance_of().isel(band=0)] * 8, "band").transpose("channel", "band")
    figure = plot_importance(many.assign_coords(band=[f"{hertz} Hz" for hertz in range(8)]))
    assert sum(bool(ax.get_title()) for ax in figure.axes) == 8
    assert is_saved(figure)


def test_attention_is_shown_in_multiples_of_even_attention():
    weights = np.random.default_rng(0).dirichlet(np.ones(32), size=32)
    weights[:, 3] = 0.5
    attention = xr.DataArray(
        weights / weights.sum(axis=1, keepdims=True),
        dims=("channel", "looked_at"),
        coords={"channel": NAMES, "looked_at": NAMES},
    )
    figure = plot_attention(attention, title="attention")
    left, right, *_ = figure.axes
    assert_allclose(shown(left), 32 * attention.values)
    assert left.images[0].get_clim() == right.images[0].get_clim() == (0, 2)
    assert (left.get_xlabel(), left.get_ylabel()) == ("is looked at", "looks")
    assert is_saved(figure)


def test_even_attention_is_one():
    even = xr.DataArray(
        np.full((32, 32), 1 / 32),
        dims=("channel", "looked_at"),
        coords={"channel": NAMES, "looked_at": NAMES},
    )
    _, right, *_ = plot_attention(even).axes
    assert_allclose(at_electrodes(right), 1)


def gain_of(dim: str = "filter") -> xr.DataArray:
    frequency = np.arange(0, 65, 1.0)
    peaks = np.array([30.0, 10.0, 20.0])
    gain = np.array([[3], [1], [2]]) * np.exp(-((frequency - peaks[:, np.newaxis]) ** 2) / 20)
    coords = {dim: [1, 2, 3] if dim == "filter" else ["F3", "F4", "Oz"], "frequency": frequency}
    return xr.DataArray(gain, dims=(dim, "frequency"), coords=coords)


def test_filters_are_sorted_by_their_peaks_in_units_of_them():
    upper, lower, bar = plot_filters(gain_of(), fmax=45, title="filters").axes
    rows = shown(lower)
    assert rows.argmax(axis=1).tolist() == [10, 20, 30]
    assert_allclose(rows.max(axis=1), 1)
    assert rows.shape == (3, 46)
    assert_allclose(np.asarray(upper.lines[0].get_ydata()), rows.mean(axis=0))
    assert lower.get_ylabel() == "3 filters"
    assert lower.get_xlabel() == "frequency [Hz]"
    assert bar.get_ylabel() == "gain / its maximum"
    # The middle of a pixel lies at its frequency.
    left, right, *_ = lower.images[0].get_extent()
    assert (left, right) == (-0.5, 45.5)


def test_electrodes_stay_in_their_order_and_keep_their_names():
    figure = plot_filters(gain_of("channel"))
    lower = figure.axes[1]
    assert shown(lower).argmax(axis=1).tolist() == [30, 10, 20]
    assert [label.get_text() for label in lower.get_yticklabels()] == ["F3", "F4", "Oz"]
    assert is_saved(figure)


def test_a_filter_that_passes_nothing_is_drawn_as_nothing():
    gain = gain_of() * 0
    assert not shown(plot_filters(gain).axes[1]).any()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(DataError, match=r"dimensions \(channel\) or \(channel, band\), got \(window,"):
        plot_importance(importance_of().expand_dims("window"))
    with pytest.raises(DataError, match="if its electrodes have names"):
        plot_importance(importance_of().drop_vars("channel"))
    with pytest.raises(DataError, match="No position is known for 'ECG'"):
        plot_importance(importance_of().assign_coords(channel=["ECG", *NAMES[1:]]))
    with pytest.raises(DataError, match=r"dimensions \(channel, looked_at\), got \(channel, band\)"):
        plot_attention(importance_of())
    with pytest.raises(DataError, match=r"No two frequencies lie below 0\.5 Hz"):
        plot_filters(gain_of(), fmax=0.5)
