"""One face for all pictures: light to import, in one style, shown by notebooks."""

import io
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from physioaffect import plots
from physioaffect.recording import Signal


def eda(n_times: int = 240) -> Signal:
    data = 2 + np.sin(np.arange(n_times) / 9)[np.newaxis]
    return Signal(data=data, sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")


def pixels(figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="rgba", dpi=60)
    return picture.getvalue()


def test_importing_the_face_imports_nothing_that_is_slow():
    slow = "numpy, pandas, xarray, matplotlib, mne, torch"
    code = f"import physioaffect.plots, sys; sys.exit(any(m in sys.modules for m in '{slow}'.split(', ')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_name_is_a_function_of_that_name():
    pytest.importorskip("torch")
    for name in plots.__all__:
        assert getattr(plots, name).__name__ == name


def test_names_are_completed_and_others_refused():
    assert set(plots.__all__) <= set(dir(plots))
    with pytest.raises(AttributeError, match="has no attribute 'plot_nothing'"):
        plots.plot_nothing  # noqa: B018


def test_every_picture_that_the_package_draws_is_on_the_face():
    from physioaffect import distill, eda_plots

    drawn = {name for module in (distill, eda_plots) for name in module.__all__ if name.startswith("plot_")}
    assert drawn <= set(plots.__all__)


def test_a_figure_looks_the_same_whatever_the_settings_of_a_notebook():
    plain = pixels(plots.plot_signals(eda()))
    with mpl.rc_context(
        {"font.size": 30, "axes.grid": True, "figure.facecolor": "black", "xtick.color": "red"}
    ):
        assert pixels(plots.plot_signals(eda())) == plain


def test_settings_stay_as_they_were_also_after_an_error():
    with mpl.rc_context({"font.size": 17.0}):
        before = dict(mpl.rcParams)
        plots.plot_signals(eda()).savefig(io.BytesIO(), dpi=20)
        with pytest.raises(ValueError, match="no signal"):
            plots.plot_signals(eda(), names=["ecg"])
        assert dict(mpl.rcParams) == before


def test_a_notebook_shows_a_figure_that_is_last_in_a_cell():
    formatters = pytest.importorskip("IPython.core.formatters")
    shown, about = formatters.DisplayFormatter().format(plots.plot_signals(eda()))
    assert shown["image/png"].startswith(b"\x89PNG")
    assert about["image/png"] == {"width": 750, "height": 205}


def test_a_figure_is_no_wider_than_a_page_and_its_letters_can_be_read():
    values = xr.DataArray(
        np.random.default_rng(0).normal(size=(4, 5, 5)),
        dims=("window", "channel", "band"),
        coords={
            "channel": ["Fz", "C3", "Cz", "C4", "Pz"],
            "band": list("abcde"),
            "condition": ("window", ["rest", "rest", "task", "task"]),
        },
        name="de",
    )
    for figure in (
        plots.plot_bands(values),
        plots.plot_bands(values, by="condition"),
        plots.plot_signals(eda()),
    ):
        figure.draw_without_rendering()
        assert figure.get_figwidth() <= 7.5
        texts = figure.findobj(
            lambda one: isinstance(one, mpl.text.Text) and bool(one.get_text()) and one.get_visible()
        )
        assert min(text.get_fontsize() for text in texts) >= 6


def test_maps_of_classes_share_the_scale_of_a_band_and_are_their_means():
    rng = np.random.default_rng(1)
    values = xr.DataArray(
        rng.normal(size=(6, 5, 2)),
        dims=("window", "channel", "band"),
        coords={
            "channel": ["Fz", "C3", "Cz", "C4", "Pz"],
            "band": ["theta", "alpha"],
            "emotion": ("window", ["sad", "joy", "sad", "joy", "joy", "joy"]),
        },
        name="de",
    )
    figure = plots.plot_bands(values, by="emotion")
    maps = [ax for ax in figure.axes if ax.images]
    words = [[text.get_text() for text in ax.texts] for ax in maps]
    assert words == [["sad\n2 windows"], [], ["joy\n4 windows"], []]
    means = np.stack([values.values[[0, 2]].mean(axis=0), values.values[[1, 3, 4, 5]].mean(axis=0)])
    limits = np.array([ax.images[0].get_clim() for ax in maps]).reshape(2, 2, 2)
    np.testing.assert_allclose(limits[0], limits[1])
    np.testing.assert_allclose(limits[0].T, [means.min(axis=(0, 1)), means.max(axis=(0, 1))])


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"by": "mood"}, "DataError", "no coordinate 'mood'; they have number. Choose one, or add it"),
        (
            {"by": "number"},
            "DataError",
            "for each of 9 values of number is more than a page holds; at most 8 fit",
        ),
        (
            {"by": "number", "minus": True},
            "ValueError",
            "difference .minus. or of each class .by., not of both",
        ),
    ],
)
def test_classes_that_cannot_be_drawn_are_refused(options, error, sentence):
    from physioaffect import errors

    values = xr.DataArray(
        np.ones((9, 3)),
        dims=("window", "channel"),
        coords={"channel": ["Fz", "C3", "Pz"], "number": ("window", np.arange(9))},
    )
    minus = values if options.pop("minus", False) else None
    with pytest.raises(getattr(errors, error, ValueError), match=sentence):
        plots.plot_bands(values, minus, **options)


def test_the_title_names_the_conditions_and_may_be_another():
    values = xr.DataArray(
        np.random.default_rng(2).normal(size=(4, 5)),
        dims=("window", "channel"),
        coords={
            "channel": ["Fz", "C3", "Cz", "C4", "Pz"],
            "band": "alpha",
            "condition": ("window", ["rest", "rest", "task", "task"]),
        },
        name="de",
    )
    figure = plots.plot_bands(values[2:], minus=values[:2])
    # On two lines, as the figure is too narrow for one.
    words = figure.get_suptitle().replace("\n", " ")
    assert words == "de, mean of 2 windows of task minus mean of 2 windows of rest"
    assert "\n" in figure.get_suptitle()
    assert figure.axes[0].get_title() == "alpha"
    assert plots.plot_bands(values, title="Alpha").get_suptitle() == "Alpha"
