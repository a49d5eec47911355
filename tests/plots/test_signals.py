"""Signals are drawn at their times in their units, and what is not to be trusted is shaded where it is."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from physioaffect.errors import DataError
from physioaffect.plots import plot_signals
from physioaffect.recording import Events, Flag, Signal, Trial


def signal(
    values, *, sfreq: float = 4.0, kind: str = "eda", unit: str = "uS", start: float = 0.0, flags=None
):
    data = np.atleast_2d(np.asarray(values, dtype=float))
    names = tuple(f"{kind.upper()}{n}" for n in range(len(data)))
    return Signal(data=data, sfreq=sfreq, ch_names=names, kind=kind, unit=unit, start=start, flags=flags)


def shaded(ax) -> dict[str, list[tuple[float, float]]]:
    """Spans by reason."""
    found = {}
    for spans in ax.collections:
        if not spans.get_label().startswith("_"):
            xs = [path.vertices[:, 0] for path in spans.get_paths()]
            found[spans.get_label()] = [(float(x.min()), float(x.max())) for x in xs]
    return found


def legend(figure) -> list[str]:
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def test_reasons_are_shaded_where_they_hold_and_each_sample_once():
    flags = np.zeros(80, dtype=np.uint8)
    flags[8:24] = Flag.MOTION
    flags[16:32] |= np.uint8(Flag.OFF_BODY)
    flags[60:64] = Flag.MOTION
    values = np.ones(80)
    values[40:44] = np.nan
    figure = plot_signals(signal(values, start=2.0, flags=flags))
    assert shaded(figure.axes[0]) == {
        "off body": [(6.0, 10.0)],
        "motion": [(4.0, 6.0), (17.0, 18.0)],
        "missing": [(12.0, 13.0)],
    }
    assert legend(figure) == ["missing", "off body", "motion"]
    assert figure.axes[0].get_title(loc="right") == "60 % unflagged"


def test_what_is_not_to_be_trusted_is_drawn_pale():
    flags = np.zeros(8, dtype=np.uint8)
    flags[2:4] = Flag.CLIPPED
    pale, black = plot_signals(signal(np.arange(8), flags=flags)).axes[0].lines
    assert_allclose(pale.get_xydata(), np.stack([np.arange(8) / 4, np.arange(8)], axis=1))
    assert_allclose(black.get_ydata(), [0, 1, np.nan, np.nan, 4, 5, 6, 7])
    assert black.get_color() == "black"


def test_one_artefact_neither_flattens_the_rest_nor_gets_lost():
    values = np.sin(np.arange(100_000) / 50)
    values[70_001] = 1000.0
    flags = np.zeros(100_000, dtype=np.uint8)
    flags[70_001] = Flag.OUT_OF_RANGE
    figure = plot_signals(signal(values, sfreq=64.0, flags=flags))
    ax = figure.axes[0]
    assert np.nanmax(ax.lines[0].get_ydata()) == 1000
    assert len(ax.lines[0].get_ydata()) == 1200
    assert ax.get_ylim()[1] < 1.2
    assert ax.get_xlabel() == "time [min]"
    # Each column stands where its samples do.
    at = ax.lines[0].get_xdata()[np.nanargmax(ax.lines[0].get_ydata())]
    assert at == pytest.approx(70_001 / 64 / 60, abs=100_000 / 64 / 60 / 600)


def test_volts_become_readable_and_vectors_lengths():
    trial = Trial(
        dataset="d",
        subject="S1",
        trial="1",
        stimulus="stroop",
        signals={
            "acc": signal([[3.0] * 8, [4.0] * 8], kind="acc", unit="g"),
            "ecg": signal(1e-3 * np.arange(8), kind="ecg", unit="V"),
        },
    )
    figure = plot_signals(trial)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["ECG", "acceleration, length of the vector"]
    assert [ax.get_ylabel() for ax in figure.axes] == ["[mV]", "[g]"]
    assert_allclose(figure.axes[0].lines[0].get_ydata(), np.arange(8))
    assert_allclose(figure.axes[1].lines[0].get_ydata(), 5)
    assert figure.get_suptitle() == "d S1, session 1, trial 1: stroop"
    assert plot_signals(trial, title="").get_suptitle() == ""


def test_channels_stand_apart_by_what_the_axis_says():
    rng = np.random.default_rng(0)
    data = 1e-5 * rng.normal(size=(20, 1000)) + 1e-3 * np.arange(20)[:, np.newaxis]
    data[19] = np.nan
    figure = plot_signals(signal(data, sfreq=100.0, kind="eeg", unit="V"))
    ax = figure.axes[0]
    assert ax.get_title(loc="left") == "EEG, 12 of 20 channels, 1 without a sample"
    assert ax.get_title(loc="right") == "100 % unflagged"
    assert ax.get_ylabel() == "100 µV apart"
    assert len(ax.get_yticks()) == 12
    assert [ax.get_yticklabels()[n].get_text() for n in (0, -1)] == ["EEG0", "EEG19"]
    first = ax.lines[0].get_ydata()
    assert_allclose(first, 1e4 * (data[0] - np.median(data[0])), atol=1e-12)
    assert shaded(ax) == {}


def test_beats_and_events_stand_at_their_times():
    signals = {
        "ibi": Events(times=np.array([1.0, 2.0, 3.0]), values=np.array([0.9, np.nan, 1.1]), kind="ibi"),
        "tags": Events(times=np.array([0.5, 2.5]), values=np.zeros(2), kind="tags"),
    }
    figure = plot_signals(signals)
    beats, tags = figure.axes
    assert_allclose(beats.lines[0].get_xydata(), [[1.0, 0.9], [3.0, 1.1]])
    assert beats.get_title(loc="right") == "1 of 3 rejected (marks below)"
    assert_allclose([line[0, 0] for line in tags.collections[0].get_segments()], [0.5, 2.5])
    assert tags.get_title(loc="left") == "tags, 2"


def test_names_and_times_are_chosen():
    signals = {
        "eda": signal(np.arange(80)),
        "hr": signal(np.arange(20), sfreq=1.0, kind="hr", unit="bpm"),
        "tags": Events(times=np.array([2.0, 19.0]), values=np.zeros(2), kind="tags"),
    }
    figure = plot_signals(signals, names=["hr", "eda"], start=5, stop=10)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["heart rate", "skin conductance"]
    assert_allclose(figure.axes[0].lines[0].get_xydata(), np.stack([np.arange(5, 10)] * 2, axis=1))
    assert figure.axes[1].get_xlim() == (5, 10)
    # An event at the end is drawn, and one outside is not.
    assert len(plot_signals(signals, names=["tags"]).axes[0].collections[0].get_segments()) == 2
    assert len(plot_signals(signals, start=3).axes[-1].collections[0].get_segments()) == 1


@pytest.mark.parametrize(
    ("recording", "options", "error", "sentence"),
    [
        (signal([1.0]), {"names": ["ecg", "acc"]}, ValueError, "no signal ecg, acc: the recording has eda."),
        (signal([1.0]), {"start": 3, "stop": 3}, ValueError, "end after it begins, got start=3 and stop=3 s"),
        (
            signal([1.0]),
            {"start": 3, "stop": 5},
            DataError,
            "no event to draw between 3 and 5 s. Take another",
        ),
        ({}, {}, DataError, "no sample and no event to draw. Take another trial"),
    ],
)
def test_what_cannot_be_drawn_is_refused(recording, options, error, sentence):
    with pytest.raises(error, match=sentence):
        plot_signals(recording, **options)


def test_a_signal_without_any_number_is_all_missing():
    figure = plot_signals(signal(np.full(8, np.nan)))
    assert figure.axes[0].get_title(loc="right") == "0 % unflagged"
    assert shaded(figure.axes[0]) == {"missing": [(0.0, 2.0)]}
