"""Stress-Predict from a `World`: a zip per person and the labels of every second."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from physioaffect.errors import DataError, PhysioaffectError

from .formats.e4_writer import E4_RATES, E4Recording, write_e4_zip
from .simulate_peripheral import (
    simulate_acc,
    simulate_beats,
    simulate_conductance,
    simulate_ppg,
    simulate_temperature,
)
from .simulated_mark import mark_simulated
from .stress_predict_download import LABELS
from .world import Moment, World

__all__ = ["simulate"]

_PLANTED = World.planted()
# Median seconds of the published recordings, in the protocol's order, and whether they are labelled stress.
_SEGMENTS = ((632, 0), (356, 1), (315, 0), (618, 1), (302, 0), (124, 1), (917, 0))
# Valence and arousal, made up: rest, Stroop test, interview, hyperventilation.
_REST, _AFFECT = (0.2, -0.6), {1: (-0.3, 0.7), 3: (-0.5, 1.0), 5: (-0.1, 0.6)}
_STIMULI = (0, 1, 0, 2, 0, 3, 0)
_BEFORE, _AFTER = 9, 5
_FIRST_SECOND = 1_644_000_000


def _person(world: World, subject: int, lengths: list[int]) -> E4Recording:
    """Seconds before the first and after the last label belong to the segments beside them."""
    made: dict[str, list[np.ndarray]] = {name: [] for name in ("acc", "ppg", "eda", "temperature", "beats")}
    elapsed = 0
    makers = {
        "acc": simulate_acc,
        "ppg": simulate_ppg,
        "eda": simulate_conductance,
        "temperature": simulate_temperature,
    }
    last = len(lengths) - 1
    for order, length in enumerate(lengths):
        seconds = length + _BEFORE * (order == 0) + _AFTER * (order == last)
        valence, arousal = _AFFECT.get(order, _REST)
        moment = Moment(
            subject=subject,
            trial=order,
            stimulus=_STIMULI[order],
            valence=valence,
            arousal=arousal,
            elapsed=elapsed,
        )
        for name, make in makers.items():
            n_times = round(seconds * E4_RATES[name])
            made[name].append(make(world, moment, sfreq=E4_RATES[name], n_times=n_times))
        made["beats"].append(elapsed + simulate_beats(world, moment, seconds=seconds)[np.newaxis])
        elapsed += seconds
    joined = {name: np.concatenate(parts, axis=1) for name, parts in made.items()}
    beats = joined.pop("beats")[0]
    edges = _BEFORE + np.cumsum([0, *lengths])
    presses = tuple(int(edge) for order in (1, 3, 5) for edge in edges[order : order + 2])
    started = _FIRST_SECOND + 86_400 * subject
    return E4Recording(started=started, beats=beats, presses=presses, **joined)


def simulate(
    root: Path | str, world: World = _PLANTED, n_subjects: int = 35, max_seconds: float | None = None
) -> Path:
    """Write Stress-Predict from a world: ``S01_E4.zip`` and so on, the labels, and ``SIMULATED.txt``.

    Parameters
    ----------
    root : path
        The folder; it must hold no labels of this data set.
    world : World
        Strengths of all effects, and the seed. ``stimulus`` tells the conditions apart, too, and ``drift``
        follows the clock: all of the protocol's order is in it.
    n_subjects : int
        People; those there are do not depend on their number. All have labels, S01 too.
    max_seconds : float, optional
        Each of the seven segments is cut to so many whole seconds.

    Returns
    -------
    root : Path

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If the data set is there already.
    """
    root = Path(root)
    if not 1 <= n_subjects <= 9999:
        raise PhysioaffectError(f"Stress-Predict needs 1 to 9999 subjects, got {n_subjects}.")
    if max_seconds is not None and not 1 <= max_seconds < math.inf:
        raise PhysioaffectError(f"max_seconds must be at least 1 s, got {max_seconds}.")
    if (root / LABELS).exists():
        raise DataError(f"{root / LABELS} exists: nothing is overwritten. Name another folder.")
    root.mkdir(parents=True, exist_ok=True)
    lengths = [seconds if max_seconds is None else min(seconds, int(max_seconds)) for seconds, _ in _SEGMENTS]
    labels = np.repeat([label for _, label in _SEGMENTS], lengths)
    mark_simulated(root, world)
    rows = ["Participant,HR,respr,Time(sec),Label"]
    for subject in range(n_subjects):
        recording = _person(world, subject, lengths)
        name = f"S{subject + 1:02d}"
        note = f"Simulated, no recording of anybody. {world}"
        write_e4_zip(root / f"{name}_E4.zip", recording, tags_name=f"tags_{name}.csv", note=note)
        first = recording.started + _BEFORE
        rows += [f"{subject + 1},70.0,15.0,{first + k},{label}" for k, label in enumerate(labels)]
    # Written last: with it the data set is complete.
    (root / LABELS).write_text("\n".join([*rows, ""]), encoding="ascii")
    return root
