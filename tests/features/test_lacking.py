"""Channels without values are named."""

from dataclasses import replace

import numpy as np
import pytest

from physioaffect.datasets import DEAP, World
from physioaffect.features import BandPower, DifferentialEntropy, Hjorth, Recipe, extract
from physioaffect.features.lacking import channels_without_values
from physioaffect.features.trial_table import concatenate, features_of_trial
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

NAMES = ("F3", "Fz", "F4")
HJORTH = (Hjorth(),)


def table_of(*flat, families=HJORTH):
    """Of trials in which the channels named by (number of trial, channel) are flat."""
    rng, parts = np.random.default_rng(0), []
    for number in range(3):
        data = 1e-5 * rng.normal(size=(3, 1280))
        for trial, name in flat:
            if trial == number:
                data[NAMES.index(name)] = 3e-6
        eeg = Signal(data=data, sfreq=128.0, ch_names=NAMES, kind="eeg", unit="V")
        trial = Trial(
            dataset="made", subject="1", trial=str(number), stimulus=str(number), signals={"eeg": eeg}
        )
        parts.append(features_of_trial(trial, Recipe(windows=Windowing(duration=2), features=families)))
    return concatenate(parts)


def test_nothing_is_said_of_a_table_that_is_whole():
    assert channels_without_values(table_of()) == []


@pytest.mark.parametrize(
    ("flat", "said"),
    [
        ([(0, "Fz")], ["Fz has no hjorth in 1 of 3 trials"]),
        ([(0, "Fz"), (1, "Fz"), (2, "Fz"), (1, "F4")],
         ["Fz has no hjorth in 3 of 3 trials", "F4 has no hjorth in 1 of 3 trials"]),
        ([(0, "Fz"), (1, "F4")], ["Fz, F4 have no hjorth in 1 of 3 trials"]),
        # No channel has a value: the trial lacks them, no channel.
        ([(0, "F3"), (0, "Fz"), (0, "F4")], []),
    ],
)  # fmt: skip
def test_channels_are_named_with_the_number_of_trials(flat, said):
    found = channels_without_values(table_of(*flat))
    assert [one.reason.split(", where")[0] for one in found] == said
    assert all(one.expected and one.subject == "1" for one in found)


def test_every_family_with_channels_is_looked_at():
    found = channels_without_values(table_of((0, "Fz"), families=(DifferentialEntropy(), BandPower())))
    assert [one.reason.split(" in ")[0] for one in found] == ["Fz has no de", "Fz has no band_power"]


def test_a_data_set_with_a_channel_that_stands_still_says_so(tmp_path):
    assert DEAP.simulate is not None
    root = DEAP.simulate(tmp_path / "deap", World(), n_subjects=2, n_clips=2, max_seconds=8)
    recipe = Recipe(windows=Windowing(duration=2), features=(DifferentialEntropy(),))
    assert extract(DEAP, root, recipe).exclusions == ()

    def with_a_dead_channel(subject, source, report):
        for trial in DEAP.trials(subject, source, report):
            eeg = trial.signal("eeg")
            if subject == "s02":
                eeg.data[eeg.ch_names.index("FC1")] = 3e-6
            yield trial

    (told,) = extract(replace(DEAP, trials=with_a_dead_channel), root, recipe, strict=True).exclusions
    assert (told.subject, told.reason.split(", where")[0]) == ("s02", "FC1 has no de in 2 of 2 trials")
