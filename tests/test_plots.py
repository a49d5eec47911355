"""What is drawn: the values, where they belong, with their units."""

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.datasets import DEAP, DREAMER, EEGMAT, SEED
from physioaffect.errors import DataError
from physioaffect.features import (
    FAMILIES,
    BandPower,
    Bands,
    Connectivity,
    Covariance,
    DifferentialEntropy,
    Hjorth,
    LineLength,
    Recipe,
    concatenate,
    default_recipe,
    features_of_trial,
)
from physioaffect.features.topomap import azimuthal_projection
from physioaffect.montage import electrode_positions
from physioaffect.plots import plot_asymmetry, plot_bands, plot_connectivity, plot_course, plot_covariance
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

# BCI2000's 64 channels, as in PhysioNet's motor imagery.
PHYSIONET = (
    *(
        "FC5",
        "FC3",
        "FC1",
        "FCz",
        "FC2",
        "FC4",
        "FC6",
        "C5",
        "C3",
        "C1",
        "Cz",
        "C2",
        "C4",
        "C6",
        "CP5",
        "CP3",
    ),
    *("CP1", "CPz", "CP2", "CP4", "CP6", "Fp1", "Fpz", "Fp2", "AF7", "AF3", "AFz", "AF4", "AF8", "F7", "F5"),
    *("F3", "F1", "Fz", "F2", "F4", "F6", "F8", "FT7", "FT8", "T7", "T8", "T9", "T10", "TP7", "TP8", "P7"),
    *("P5", "P3", "P1", "Pz", "P2", "P4", "P6", "P8", "PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2"),
    "Iz",
)
MONTAGES = {
    14: DREAMER.ch_names["eeg"],
    19: EEGMAT.ch_names["eeg"],
    32: DEAP.ch_names["eeg"],
    62: SEED.ch_names["eeg"],
    64: PHYSIONET,
}
NAMES = MONTAGES[19]

PLOTS: dict[str, Any] = {
    "de": plot_bands,
    "band_power": plot_bands,
    "topomap": plot_bands,
    "dasm": plot_asymmetry,
    "rasm": plot_asymmetry,
    "asm": plot_asymmetry,
    "dcau": plot_asymmetry,
    "faa": plot_course,
    "spectral_entropy": plot_course,
    "aperiodic": plot_course,
    "hjorth": plot_course,
    "line_length": plot_course,
    "fractal_dimension": plot_course,
    "connectivity": plot_connectivity,
    "covariance": plot_covariance,
}


def trial(n_channels: int = 19, seed: int = 0, name: str = "1", **about: object) -> Trial:
    noise = 1e-5 * np.random.default_rng(seed).normal(size=(n_channels, 2560))
    eeg = Signal(data=noise, sfreq=128.0, ch_names=MONTAGES[n_channels], kind="eeg", unit="V")
    settings = {"subject": "s1", "stimulus": "noise", "order": seed, **about}
    return Trial(dataset="noise", trial=name, signals={"eeg": eeg}, **settings)  # type: ignore[arg-type]


def table(*families, n_channels: int = 19) -> xr.Dataset:
    recipe = Recipe(windows=Windowing(duration=4), features=families)
    parts = [features_of_trial(trial(n_channels, seed, str(seed)), recipe) for seed in range(2)]
    return concatenate(parts)


def titles(figure: Figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes if ax.get_title()]


def labels(figure: Figure) -> list[str]:
    return [label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel()) if label]


def picture(ax: Any) -> np.ndarray:
    return np.ma.filled(ax.images[0].get_array(), np.nan)


def xy(ax: Any) -> np.ndarray:
    """Points of the last line."""
    return np.asarray(ax.lines[-1].get_xydata())


def on_head(values, names=NAMES, **attrs) -> xr.DataArray:
    """One window of one value per channel."""
    data = np.asarray(values, dtype=float)[np.newaxis]
    return xr.DataArray(data, dims=("window", "channel"), coords={"channel": list(names)}, attrs=attrs)


def places(names) -> np.ndarray:
    return azimuthal_projection(electrode_positions(names))


@pytest.mark.parametrize("n_channels", MONTAGES)
def test_every_family_of_eeg_has_a_plot_on_every_cap(n_channels):
    assert set(PLOTS) == {name for name, make in FAMILIES.items() if make(DEAP).signals == ("eeg",)}
    recipe = default_recipe(DEAP, families=[name for name in PLOTS if name != "aperiodic"], window=4)
    features = features_of_trial(trial(n_channels), recipe)
    for name, values in features.data_vars.items():
        figure = PLOTS[str(name)](values)
        stream = io.BytesIO()
        figure.savefig(stream, dpi=40)
        assert stream.getvalue().startswith(b"\x89PNG")
        assert figure.get_suptitle().startswith(str(name))


def test_the_aperiodic_part_has_its_units():
    pytest.importorskip("specparam")
    recipe = default_recipe(DEAP, families=["aperiodic"], window=10)
    features = features_of_trial(trial(14), recipe)
    figure = plot_course(features["aperiodic"])
    assert [ax.get_ylabel() for ax in figure.axes] == ["offset\n[log10(V^2/Hz)]", "exponent"]


def test_no_figure_stays_open_in_pyplot():
    import matplotlib.pyplot as plt

    plot_bands(on_head(np.arange(19)))
    assert plt.get_fignums() == []


def test_importing_the_plots_does_not_import_matplotlib_or_mne():
    code = "import physioaffect.plots, sys; sys.exit(bool({'matplotlib', 'mne'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Maps of the head.


@pytest.mark.parametrize("n_channels", MONTAGES)
def test_a_plane_over_the_head_is_drawn_as_a_plane(n_channels):
    names = MONTAGES[n_channels]
    x, y = places(names).T
    ax = plot_bands(on_head(2 + 3 * x - y, names)).axes[0]
    drawn = picture(ax)
    axis = np.linspace(-1, 1, len(drawn))
    plane = 2 + 3 * axis[np.newaxis] - axis[:, np.newaxis]
    is_drawn = np.isfinite(drawn)
    assert is_drawn.mean() > 0.5
    assert_allclose(drawn[is_drawn], plane[is_drawn], atol=1e-6)
    assert ax.images[0].origin == "lower"
    assert_allclose(ax.images[0].get_extent(), (1 + 1 / 127) * np.array([-1, 1, -1, 1]))
    assert_allclose(xy(ax), places(names))


def test_maps_show_the_mean_over_windows_and_say_of_how_many():
    values = table(DifferentialEntropy()).de
    values.values[0] = np.nan
    figure = plot_bands(values)
    assert titles(figure) == ["delta", "theta", "alpha", "beta", "gamma"]
    assert figure.get_suptitle() == "de, mean of 9 windows"
    for ax, mean in zip(figure.axes, values.values[1:].mean(axis=0).T, strict=False):
        assert_allclose(ax.images[0].get_clim(), [mean.min(), mean.max()])
    assert labels(figure) == ["[nat re V]"] * 5


def test_a_difference_has_one_symmetric_scale_for_all_bands():
    values = table(DifferentialEntropy()).de
    figure = plot_bands(values[:5], minus=values[5:])
    change = values.values[:5].mean(axis=0) - values.values[5:].mean(axis=0)
    limits = [ax.images[0].get_clim() for ax in figure.axes if ax.images]
    assert len(limits) == 5
    assert_allclose(limits, [[-np.abs(change).max(), np.abs(change).max()]] * 5)
    # The difference of two entropies does not depend on the unit of the signal.
    assert labels(figure) == ["difference [nat]"]


def test_exchanging_the_conditions_exchanges_the_colours():
    values = table(LineLength()).line_length
    there = picture(plot_bands(values[:5], minus=values[5:]).axes[0])
    back = picture(plot_bands(values[5:], minus=values[:5]).axes[0])
    assert_allclose(there, -back, atol=1e-9)


def test_volts_are_shown_as_microvolts():
    values = table(Hjorth()).hjorth
    figure = plot_bands(values)
    assert titles(figure) == ["activity", "mobility", "complexity"]
    assert labels(figure) == ["[µV²]", "[rad/s]"]
    # Noise with a standard deviation of 10 µV.
    low, high = figure.axes[0].images[0].get_clim()
    assert 90 < low < 100 < high < 110


def test_the_unit_of_a_feature_chosen_before_is_not_guessed():
    assert labels(plot_bands(table(Hjorth()).hjorth.sel(hjorth_feature="mobility"))) == []


@pytest.mark.parametrize(
    ("baseline", "unit", "middle"),
    [("subtract", "[µV²]", 0), ("ratio", "[ratio to rest]", 1), ("z", "[SD at rest]", 0)],
)
def test_what_is_relative_to_rest_is_centred_there(baseline, unit, middle):
    figure = plot_bands(on_head(1e-12 * np.arange(19), unit="V^2", baseline=baseline))
    assert labels(figure) == [unit]
    assert_allclose(sum(figure.axes[0].images[0].get_clim()), 2 * middle, atol=1e-9)


def test_an_entropy_relative_to_rest_does_not_depend_on_the_unit():
    attrs = {"unit": "nat", "signal_unit": "V"}
    assert labels(plot_bands(on_head(np.arange(19), **attrs))) == ["[nat re V]"]
    assert labels(plot_bands(on_head(np.arange(19), **attrs, baseline="subtract"))) == ["[nat]"]


def test_a_channel_without_numbers_has_no_dot_and_the_map_no_hole():
    values = on_head(np.arange(19.0))
    values[0, 4] = np.nan
    ax = plot_bands(values).axes[0]
    assert_allclose(xy(ax), np.delete(places(NAMES), 4, axis=0))
    assert ax.images[0].get_clim() == (0, 18)


def test_topographic_maps_are_drawn_as_they_are():
    values = features_of_trial(trial(32), default_recipe(DEAP, families=["topomap"], window=4)).topomap
    figure = plot_bands(values)
    assert titles(figure) == values.band.values.tolist()
    assert_allclose(picture(figure.axes[1]), values.values[..., 1].mean(axis=0), rtol=1e-6)


def test_electrodes_of_unknown_place_are_named():
    with pytest.raises(DataError, match=r"No position is known for 'EXG1', 'Left', expected names"):
        plot_bands(on_head(np.arange(4), ["Cz", "EXG1", "Pz", "Left"]))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            on_head([1.0, 2.0, 3.0], ["Fz", "Cz", "Pz"]),
            "three electrodes or more that lie on no line and have",
        ),
        (on_head(np.full(19, np.nan)), "has no number in 1 windows. Choose others"),
        (on_head(np.ones(19))[:0], "has no number in 0 windows"),
        (
            xr.DataArray(np.ones((1, 2)), dims=("window", "edge")),
            "needs the dimensions window, channel; this",
        ),
        (xr.Dataset({"de": ("window", [1.0])}), r"got a table of de. Choose one: features\['de'\]"),
        (on_head(np.ones(19)).expand_dims(band=["a"], other=["b"]), "choose along band first: values.sel"),
    ],
)
def test_what_cannot_be_mapped_is_refused(values, sentence):
    with pytest.raises(DataError, match=sentence):
        plot_bands(values)


def test_conditions_of_different_channels_are_not_subtracted():
    values = on_head(np.arange(19.0))
    with pytest.raises(DataError, match="two conditions differ in channel, so they cannot be subtracted"):
        plot_bands(values, minus=values[:, ::-1])


def test_closing_the_eyes_is_red_at_the_back_of_the_head(real_data):
    import mne

    powers = []
    for run in ("S001R01", "S001R02"):
        path = real_data / "realeeg" / "eegmmidb_S001" / f"{run}.edf"
        raw = mne.io.read_raw_edf(path, verbose="error")
        source = Trial(
            dataset="real", subject="1", trial=run, stimulus=run, signals={"eeg": Signal.from_mne(raw)}
        )
        family = BandPower(bands=Bands.of(theta=(4, 8), alpha=(8, 13)), scale="log")
        powers.append(features_of_trial(source, Recipe(windows=Windowing(duration=4), features=(family,))))
    figure = plot_bands(powers[1].band_power, minus=powers[0].band_power)
    theta, alpha = (picture(ax) for ax in figure.axes[:2])
    axis = np.linspace(-1, 1, len(alpha))
    row, _ = np.unravel_index(np.nanargmax(alpha), alpha.shape)
    assert axis[row] < -0.6
    assert np.nanmin(alpha) > 0.5
    assert np.nanmax(alpha) > 2.5
    assert np.nanmax(theta) < 1


# Pairs.


def test_asymmetries_are_a_heat_map_of_pairs_and_bands():
    values = features_of_trial(trial(62), default_recipe(SEED, families=["dasm"], window=4)).dasm
    figure = plot_asymmetry(values)
    mean = values.values.mean(axis=0)
    assert picture(figure.axes[0]).shape == (27, 5)
    assert_allclose(picture(figure.axes[0]), mean)
    assert_allclose(figure.axes[0].images[0].get_clim(), [-np.abs(mean).max(), np.abs(mean).max()])
    assert [
        tick.get_text() for tick in figure.axes[0].get_yticklabels()
    ] == values.mirror_pair.values.tolist()
    assert labels(figure) == ["mirror pair", "DE(left) - DE(right) [nat]"]


def test_a_ratio_is_centred_on_one_and_its_change_on_zero():
    rasm = features_of_trial(trial(), default_recipe(EEGMAT, families=["rasm"], window=4)).rasm
    low, high = plot_asymmetry(rasm).axes[0].images[0].get_clim()
    assert_allclose(low + high, 2)
    low, high = plot_asymmetry(rasm[:2], minus=rasm[2:]).axes[0].images[0].get_clim()
    assert_allclose(low, -high)


def test_both_asymmetries_have_a_panel_each():
    asm = features_of_trial(trial(), default_recipe(EEGMAT, families=["asm"], window=4)).asm
    figure = plot_asymmetry(asm)
    drawn = [ax for ax in figure.axes if ax.images]
    assert [sum(ax.images[0].get_clim()) for ax in drawn] == pytest.approx([0, 2])
    assert [label for label in labels(figure) if label != "mirror pair"] == ["difference [nat]", "ratio"]


def test_frontal_alpha_asymmetry_is_one_column():
    faa = features_of_trial(trial(), default_recipe(EEGMAT, families=["faa"], window=4)).faa
    figure = plot_asymmetry(faa)
    assert_allclose(picture(figure.axes[0]), [[faa.values.mean()]])
    assert labels(figure)[-1] == "ln P(right) - ln P(left)"


def test_what_has_no_pairs_is_refused():
    with pytest.raises(
        DataError, match="asymmetry needs the dimensions window, mirror_pair, band; this array"
    ):
        plot_asymmetry(on_head(np.ones(19)))


# Courses.


def course(elapsed=(100.0, 0.0), subject=("a", "a"), **options) -> xr.DataArray:
    """Two trials of three windows of 2 s; the second stands first in the session if ``elapsed`` says so."""
    which = np.repeat([0, 1], 3)
    start = np.tile([0.0, 2.0, 4.0], 2)
    coords = {
        "dataset": ["d"] * 6,
        "subject": np.array(subject)[which],
        "session": [""] * 6,
        "trial": np.array(["late", "early"])[which],
        "order": np.array([1, 0])[which],
        "start": start,
        "duration": np.full(6, 2.0),
        "elapsed": np.array(elapsed)[which] + start,
    }
    named = {name: ("window", values) for name, values in coords.items()}
    return xr.DataArray(np.arange(6.0), dims="window", coords=named, name="rate", attrs={"unit": "bpm"})


def test_a_course_follows_the_clock_and_breaks_between_trials():
    figure = plot_course(course())
    (line,) = figure.axes[0].lines
    assert_array_equal(line.get_xdata(), [1, 3, 5, np.nan, 101, 103, 105])
    assert_array_equal(line.get_ydata(), [3, 4, 5, np.nan, 0, 1, 2])
    assert [text.get_text() for text in figure.axes[0].texts] == ["early", "late"]
    assert labels(figure) == ["time in the session [s]", "rate\n[bpm]"]
    spans: Any = figure.axes[0].patches
    assert [(span.get_x(), span.get_width()) for span in spans] == [(0, 6), (100, 6)]


def test_without_a_clock_trials_stand_one_after_the_other():
    figure = plot_course(course(elapsed=(np.nan, np.nan)))
    assert_array_equal(figure.axes[0].lines[0].get_xdata(), [1, 3, 5, np.nan, 7, 9, 11])
    assert_array_equal(figure.axes[0].lines[0].get_ydata(), [3, 4, 5, np.nan, 0, 1, 2])
    assert "one after the other" in labels(figure)[0]


def test_trials_without_an_order_do_not_mix():
    values = course(elapsed=(np.nan, np.nan))
    figure = plot_course(values.assign_coords(order=("window", [0] * 6)))
    assert_array_equal(figure.axes[0].lines[0].get_ydata(), [0, 1, 2, np.nan, 3, 4, 5])
    assert [text.get_text() for text in figure.axes[0].texts] == ["late", "early"]


def test_a_course_does_not_depend_on_the_order_of_rows():
    shuffled = course()[np.random.default_rng(0).permutation(6)]
    first, second = (plot_course(values).axes[0].lines[0].get_xydata() for values in (course(), shuffled))
    assert_array_equal(first, second)


def test_of_many_channels_the_median_and_the_middle_are_drawn():
    values = table(LineLength()).line_length
    figure = plot_course(values)
    middle = np.insert(np.median(values.values, axis=1) * 1e6, 5, np.nan)
    assert_allclose(xy(figure.axes[0])[:, 1], middle)
    assert figure.axes[0].get_legend_handles_labels()[1] == ["80 % of 19", "median"]
    few = plot_course(values.sel(channel=["O1", "O2"]))
    assert [line.get_label() for line in few.axes[0].lines] == ["O1", "O2"]
    assert_allclose(xy(few.axes[0])[:5, 1], values.sel(channel="O2").values[:5] * 1e6)


def test_each_feature_of_a_course_has_a_panel_with_its_unit():
    figure = plot_course(table(Hjorth()).hjorth)
    assert [label.replace("\n", " ") for label in labels(figure) if "time" not in label] == [
        "activity [µV²]",
        "mobility [rad/s]",
        "complexity",
    ]


def test_trials_may_be_named_by_another_coordinate():
    values = table(LineLength()).line_length
    figure = plot_course(values, trials="stimulus")
    assert [text.get_text() for text in figure.axes[0].texts] == ["noise", "noise"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (course(subject=("a", "b")), r"one subject, got a, b. Choose one: values\[values.subject == 'a'\]"),
        (course()[:0], "There is no window to draw"),
        (
            course().drop_vars(["start", "session"]),
            "coordinates of a feature table, and session, start is not",
        ),
        (course().to_dataset(), r"got a table of rate. Choose one: features\['rate'\]"),
    ],
)
def test_what_is_no_course_is_refused(values, sentence):
    with pytest.raises(DataError, match=sentence):
        plot_course(values)


# Connectivity and covariance.


def edges(values, estimator: str = "plv") -> xr.DataArray:
    """Of F3, F4 and Pz."""
    attrs = {"ch_names": ["F3", "F4", "Pz"], "estimator": estimator}
    return xr.DataArray([values], dims=("window", "edge"), attrs=attrs, name="connectivity")


def test_connectivity_is_a_symmetric_matrix_and_the_strongest_edges():
    figure = plot_connectivity(edges([0.2, 0.9, 0.4]), n_edges=2)
    matrix, head = figure.axes[:2]
    nan = np.nan
    assert_array_equal(picture(matrix), [[nan, 0.2, 0.9], [0.2, nan, 0.4], [0.9, 0.4, nan]])
    lines: Any = head.collections[0]
    f3, f4, pz = places(["F3", "F4", "Pz"])
    assert_allclose(lines.get_segments(), [[f4, pz], [f3, pz]])
    assert_array_equal(lines.get_array(), [0.4, 0.9])
    assert lines.get_clim() == matrix.images[0].get_clim() == (0.2, 0.9)


def test_imaginary_coherence_changes_its_sign_with_the_direction():
    figure = plot_connectivity(edges([0.2, -0.5, 0.4], "imaginary_coherence"))
    assert_allclose(picture(figure.axes[0])[2, 0], 0.5)
    assert figure.axes[0].images[0].get_clim() == (-0.5, 0.5)


def test_an_edge_without_a_number_is_not_drawn():
    figure = plot_connectivity(edges([0.2, np.nan, 0.4]))
    lines: Any = figure.axes[1].collections[0]
    assert len(lines.get_segments()) == 2


def test_bands_of_connectivity_share_one_scale():
    values = table(Connectivity(bands=Bands.of(theta=(4, 8), alpha=(8, 13))), n_channels=14).connectivity
    figure = plot_connectivity(values[:5], minus=values[5:])
    assert titles(figure) == ["theta", "alpha"]
    first, second = (ax.images[0].get_clim() for ax in figure.axes[:2])
    assert first == second == (-first[1], first[1])
    assert "difference of plv" in labels(figure)


def test_a_graph_without_edges_is_refused():
    with pytest.raises(ValueError, match="needs at least one edge, got n_edges=0"):
        plot_connectivity(edges([0.2, 0.9, 0.4]), n_edges=0)


def test_connectivity_without_names_of_channels_is_refused():
    with pytest.raises(DataError, match="lost its attribute ch_names, as it may in arithmetic"):
        plot_connectivity(edges([0.2, 0.9, 0.4]).drop_attrs())


def test_the_covariance_drawn_is_that_of_the_signal_in_square_microvolts():
    recipe = Recipe(windows=Windowing(duration=20), features=(Covariance(estimator="scm"),))
    source = trial(14)
    figure = plot_covariance(features_of_trial(source, recipe).covariance)
    expected = np.cov(source.signal("eeg").data * 1e6, bias=True)
    assert_allclose(picture(figure.axes[0]), expected)
    assert_allclose(figure.axes[0].images[0].get_clim(), [-expected.max(), expected.max()])
    assert labels(figure) == ["covariance [µV²]"]


def test_logarithms_of_covariances_are_not_drawn():
    with pytest.raises(
        DataError, match=r"are logarithms, in no unit to look at. Use Covariance\(log=False\)"
    ):
        plot_covariance(table(Covariance(log=True), n_channels=14).covariance)
