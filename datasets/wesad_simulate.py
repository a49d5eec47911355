"""WESAD from a `World`, in the layout of the original: what both devices wrote, and the pickle made of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices.respiban import respiban_temperature
from physioaffect.errors import DataError, PhysioaffectError

from .formats import pickle_writer
from .formats.e4_writer import E4_RATES, E4Recording, write_e4_zip
from .simulate import simulate_ecg, simulate_ratings
from .simulate_peripheral import (
    simulate_acc,
    simulate_beats,
    simulate_conductance,
    simulate_ppg,
    simulate_respiration,
    simulate_temperature,
)
from .wesad_texts import write_quest, write_readme, write_respiban
from .world import Moment, World, generator, latent_affect

__all__ = ["SUBJECTS", "simulate"]

Array = NDArray[np.float64]

SUBJECTS = tuple(f"S{number}" for number in (*range(2, 12), *range(13, 18)))
_RATE = 700
_PLANTED = World.planted()

# Seconds of each period in S2, without its 10 s at either end, which the makers cut off. S2 did not read
# after the baseline; the others' first period of reading is as long as its second.
_SECONDS = {"Base": 1144, "TSST": 615, "Fun": 362, "Medi 1": 391, "Medi 2": 377}
_SECONDS |= {"bRead": 65, "sRead": 65, "fRead": 64}
_LABELS = {"Base": 1, "TSST": 2, "Fun": 3, "Medi 1": 4, "Medi 2": 4, "bRead": 5, "sRead": 6, "fRead": 7}
_MARGIN, _PAUSE, _LEAD = 10, 365, 60
_E4_LEAD = 20  # The wrist device starts earlier than the pickle, by another time than the chest's.
_STRESS_FIRST = ("Base", "bRead", "TSST", "sRead", "Medi 1", "Fun", "fRead", "Medi 2")
_FUN_FIRST = ("Base", "bRead", "Fun", "fRead", "Medi 1", "TSST", "sRead", "Medi 2")
_TASKS = ("Base", "TSST", "Fun", "Medi 1", "Medi 2")
_STIMULI = {"Base": 0, "TSST": 1, "Fun": 2, "Medi 1": 3, "Medi 2": 3}
# Mean ratings, made up.
_VALENCE = {"Base": 6.0, "TSST": 3.5, "Fun": 7.5, "Medi 1": 6.5, "Medi 2": 6.5}
_AROUSAL = {"Base": 3.0, "TSST": 7.5, "Fun": 4.0, "Medi 1": 2.5, "Medi 2": 2.5}

_TEMPERATURES = respiban_temperature(np.arange(1, 65535, dtype=np.float64))
_EMG_VOLTS = 10e-6
_FIRST_DAY = datetime(2017, 5, 22, 7, 39, 1, tzinfo=UTC)


class _Period(NamedTuple):
    """Seconds [start, stop) after the chest device began, margins and all; no name between two periods."""

    name: str
    start: int
    stop: int


def _timeline(subject: int, max_seconds: float) -> list[_Period]:
    order = _FUN_FIRST if subject % 2 else _STRESS_FIRST
    names = [name for name in order if (subject, name) != (0, "bRead")]
    if SUBJECTS[subject % len(SUBJECTS)] == "S14":
        swapped = {"Medi 1": "Medi 2", "Medi 2": "Medi 1"}
        names = [swapped.get(name, name) for name in names]
    pause = math.ceil(min(_PAUSE, max_seconds / 4))
    at, periods = _LEAD, []
    for name in names:
        length = max(1, int(min(_SECONDS[name], max_seconds))) + 2 * _MARGIN
        periods += [_Period("", at, at + pause), _Period(name, at + pause, at + pause + length)]
        at += pause + length
    return [_Period("", 0, _LEAD), *periods, _Period("", at, at + pause)]


def _moment(subject: int, period: _Period, ratings: dict[str, NDArray[np.int64]]) -> Moment:
    trial = _TASKS.index(period.name) if period.name in _TASKS else 1000 + period.start
    if trial >= 1000:
        return Moment(subject=subject, trial=trial, stimulus=0, elapsed=period.start, is_rest=True)
    valence, arousal = (latent_affect(ratings[name][trial], (1, 9)) for name in ("valence", "arousal"))
    return Moment(
        subject=subject,
        trial=trial,
        stimulus=_STIMULI[period.name],
        valence=valence,
        arousal=arousal,
        elapsed=period.start,
    )


def _chest_counts(world: World, moment: Moment, seconds: int) -> NDArray[np.int32]:
    """What the chest device wrote, shape (n_times, 8)."""
    n_times = seconds * _RATE
    rng = generator(world, "ecg", moment.subject, moment.trial, int(moment.is_rest), 1)
    tension = _EMG_VOLTS * math.exp(0.0 if moment.is_rest else 0.3 * world.affect * moment.arousal)
    millivolts = np.concatenate(
        [
            simulate_ecg(world, moment, sfreq=_RATE, n_times=n_times),
            tension * rng.standard_normal((1, n_times)),
        ]
    )
    ecg, emg = (millivolts * 1e3 / 3 + 0.5) * 2**16
    eda = simulate_conductance(world, moment, sfreq=_RATE, n_times=n_times)[0] * 0.12 / 3 * 2**16
    skin = simulate_temperature(world, moment, sfreq=_RATE, n_times=n_times)[0]
    # Warmer is less resistance and fewer counts.
    temperature = np.interp(-skin, -_TEMPERATURES, np.arange(1, 65535))
    acc = (simulate_acc(world, moment, sfreq=_RATE, n_times=n_times) + 1) / 2 * 10000 + 28000
    breath = (0.1 * simulate_respiration(world, moment, sfreq=_RATE, n_times=n_times)[0] + 0.5) * 2**16
    counts = np.stack([ecg, eda, emg, temperature, *acc, breath], axis=1)
    written: NDArray[np.int32] = np.clip(np.rint(counts), 1, 2**16 - 2).astype(np.int32)
    return written


def _chest(counts: NDArray[np.int32]) -> dict[str, NDArray[np.floating]]:
    """Arrays of the pickle, by the makers' formulas."""
    scaled = counts / 2**16
    return {
        "ACC": (counts[:, 4:7] - 28000) / 10000 * 2 - 1,
        "ECG": (scaled[:, [0]] - 0.5) * 3,
        "EMG": (scaled[:, [2]] - 0.5) * 3,
        "EDA": scaled[:, [1]] * 3 / 0.12,
        "Temp": respiban_temperature(counts[:, [3]].astype(np.float64)).astype(np.float32),
        "Resp": (scaled[:, [7]] - 0.5) * 100,
    }


def _wrist(world: World, moment: Moment, seconds: int) -> dict[str, Array]:
    """What the wrist device wrote, in its own units and steps, shape (n_channels, n_times)."""
    made = {}
    for name, make, digits in (
        ("acc", simulate_acc, None),
        ("ppg", simulate_ppg, 2),
        ("eda", simulate_conductance, 6),
        ("temperature", simulate_temperature, 2),
    ):
        data = make(world, moment, sfreq=E4_RATES[name], n_times=round(seconds * E4_RATES[name]))
        made[name] = np.clip(np.rint(data * 64), -128, 127) if digits is None else np.round(data, digits)
    return made


class _Body(NamedTuple):
    """Everything of one person; the chest begins with the raw file, the wrist with the pickle."""

    counts: NDArray[np.int32]
    wrist: dict[str, Array]
    beats: Array
    labels: NDArray[np.int32]


def _body(world: World, subject: int, periods: list[_Period], ratings: dict[str, NDArray[np.int64]]) -> _Body:
    counts, wrist, beats, labels = [], [], [], []
    for period in periods:
        seconds = period.stop - period.start
        moment = _moment(subject, period, ratings)
        counts.append(_chest_counts(world, moment, seconds))
        if period.start < _LEAD:
            continue
        wrist.append(_wrist(world, moment, seconds))
        beats.append(simulate_beats(world, moment, seconds=seconds) + period.start - _LEAD)
        label = np.zeros(seconds * _RATE, dtype=np.int32)
        if period.name:
            label[_MARGIN * _RATE : -_MARGIN * _RATE] = _LABELS[period.name]
        labels.append(label)
    joined = {name: np.concatenate([part[name] for part in wrist], axis=1) for name in wrist[0]}
    return _Body(np.concatenate(counts), joined, np.concatenate(beats), np.concatenate(labels))


def _e4(body: _Body, subject: int) -> E4Recording:
    """Make the wrist's own export: it starts earlier, and with values that are none."""
    padded = {
        name: np.pad(data, ((0, 0), (round(_E4_LEAD * E4_RATES[name]), 0)), mode="edge")
        for name, data in body.wrist.items()
    }
    padded["temperature"][:, :4] = 382.21
    padded["eda"][:, 0] = 0.0
    started = _FIRST_DAY + timedelta(days=subject, seconds=_LEAD - _E4_LEAD)
    return E4Recording(
        started=round(started.timestamp()),
        acc=padded["acc"] / 64,
        ppg=padded["ppg"],
        eda=padded["eda"],
        temperature=padded["temperature"],
        beats=body.beats + _E4_LEAD,
    )


def _answers(
    world: World, subject: int, order: list[str], ratings: dict[str, NDArray[np.int64]]
) -> dict[str, list[list[int]]]:
    """Rows of the questionnaire in the order of the conditions; all but DIM are chance and stress."""
    rows: dict[str, list[list[int]]] = {name: [] for name in ("PANAS", "STAI", "DIM", "SSSQ")}
    for name in order:
        index, is_stress = _TASKS.index(name), name == "TSST"
        rng = generator(world, "ratings", subject, 1000 + index)
        rows["PANAS"].append([int(answer) for answer in rng.integers(1, 6, 26 if is_stress else 24)])
        rows["STAI"].append([int(answer) for answer in rng.integers(1, 5, 6)])
        rows["DIM"].append([int(ratings[scale][index]) for scale in ("valence", "arousal")])
        if is_stress:
            rows["SSSQ"].append([int(answer) for answer in rng.integers(1, 6, 6)])
    return rows


def _write_person(
    folder: Path, world: World, number: int, max_seconds: float, *, is_raw_written: bool
) -> None:
    subject = folder.name
    means = {
        "valence": [_VALENCE[name] for name in _TASKS],
        "arousal": [_AROUSAL[name] for name in _TASKS],
    }
    ratings = simulate_ratings(world, number, means, scale=(1, 9))
    periods = _timeline(number, max_seconds)
    body = _body(world, number, periods, ratings)
    named = [period for period in periods if period.name]
    order = [period.name for period in named if period.name in _TASKS]
    reading = [period for period in named if period.name not in _TASKS]
    intervals = {
        period.name: (period.start, period.stop)
        for period in [*(p for p in named if p.name in _TASKS), *reading]
    }
    folder.mkdir(parents=True)
    write_quest(
        folder / f"{subject}_quest.csv",
        subject=subject,
        has_colon=number % 3 == 1,
        intervals=intervals,
        answers=_answers(world, number, order, ratings),
    )
    write_readme(folder / f"{subject}_readme.txt", [f"Simulated, no recording of anybody. {world}"])
    if is_raw_written:
        # The chest's clock showed the time in Germany.
        local = (_FIRST_DAY + timedelta(days=number, hours=2)).replace(tzinfo=None)
        write_respiban(folder / f"{subject}_respiban.txt", body.counts, sfreq=_RATE, started_local=local)
        write_e4_zip(folder / f"{subject}_E4_Data.zip", _e4(body, number), note="Simulated.")
    wrist = {"ACC": "acc", "BVP": "ppg", "EDA": "eda", "TEMP": "temperature"}
    pickle_writer.save(
        folder / f"{subject}.pkl",
        {
            "signal": {
                "chest": _chest(body.counts[_LEAD * _RATE :]),
                "wrist": {key: np.ascontiguousarray(body.wrist[name].T) for key, name in wrist.items()},
            },
            "label": body.labels,
            "subject": subject,
        },
        protocol=0,
    )


def simulate(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = len(SUBJECTS),
    n_clips: int = len(_TASKS),
    max_seconds: float | None = None,
    *,
    is_raw_written: bool = True,
) -> Path:
    """Write WESAD from a world: 1.2 GB a person at full length.

    Parameters
    ----------
    root : path
        The folder; those of its people must not exist.
    world : World
        Strengths of all effects, and the seed. A condition shows by the ratings that a person gave it.
    n_subjects : int
        People, from S2 on; S12 is missing as in the original. At most 15.
    n_clips : int
        The five conditions; a person has all of them or is none of WESAD.
    max_seconds : float, optional
        Conditions are cut to this length (and 10 s at either end, as in the original), pauses to a quarter.
    is_raw_written : bool
        Whether to write the devices' own files, too.

    Returns
    -------
    path : Path
        The folder.

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If a person's folder exists.
    """
    if not 1 <= n_subjects <= len(SUBJECTS) or n_clips != len(_TASKS):
        raise PhysioaffectError(
            f"WESAD needs 1 to {len(SUBJECTS)} subjects and all {len(_TASKS)} conditions as clips, got "
            f"{n_subjects} and {n_clips}."
        )
    max_seconds = math.inf if max_seconds is None else max_seconds
    if not max_seconds >= 1:
        raise PhysioaffectError(f"max_seconds must be at least 1 s, got {max_seconds}.")
    root = Path(root)
    folders = [root / subject for subject in SUBJECTS[:n_subjects]]
    for folder in folders:
        if folder.exists():
            raise DataError(f"{folder} exists and is not overwritten. Remove it, or choose another folder.")
    for number, folder in enumerate(folders):
        _write_person(folder, world, number, max_seconds, is_raw_written=is_raw_written)
    return root
