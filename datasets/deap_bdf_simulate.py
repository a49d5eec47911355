"""Writing the original release of DEAP from a `World`, with what its files have that others have not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .deap_ratings import ELECTRODES, N_CLIPS, RATINGS_FILE, subject_name
from .deap_simulate import Sitting, check_request, moments, new_folder, plan, write_ratings
from .formats.bdf_writer import BdfColumn, write_bdf
from .simulate import simulate_eeg
from .simulate_peripheral import (
    simulate_conductance,
    simulate_ppg,
    simulate_respiration,
    simulate_temperature,
)
from .world import Moment, World

__all__ = ["CLIP_BEGINS", "CLIP_ENDED", "RATE", "simulate"]

RATE = 512.0
CLIP_BEGINS, CLIP_ENDED = 4, 5
_RATING, _FIXATION = 1, 3
# BioSemi's own order of its cap of 32, in which Twente recorded participants 1 to 22.
_TWENTE = (
    *("Fp1", "AF3", "F7", "F3", "FC1", "FC5", "T7", "C3", "CP1", "CP5", "P7", "P3", "Pz", "PO3", "O1", "Oz"),
    *("O2", "PO4", "P4", "P8", "CP6", "CP2", "C4", "T8", "FC6", "FC2", "F4", "F8", "AF4", "Fp2", "Fz", "Cz"),
)
_LAST_OF_TWENTE = 22
# Alternating, so that a few people already show both sites and all spellings of the status channel.
_NUMBERS = (1, 24, 2, 28, 3, 29, 4, 23, 5, 25, 6, 26, 7, 27, 8, 30, 9, 31, 10, 32, *range(11, 23))
_PLANTED = World.planted()
_STRETCHES = {"fixation": 5, "after": 3, "rating": 4}  # Whole seconds; the last is shortened.


def _status(number: int) -> tuple[str, int]:
    """Name of the status channel, and what its high bits hold."""
    if number < 24:
        return "Status", 0
    return "-1" if number == 29 else "", 0x58FF00 if number == 28 else 0x18FF00


def _stretch(world: World, moment: Moment, number: int, n_times: int) -> dict[str, NDArray[np.floating]]:
    """Make the channels of a stretch of time in the units of the header."""
    eeg = 1e6 * simulate_eeg(world, moment, ch_names=ELECTRODES, sfreq=RATE, n_times=n_times)
    made: dict[str, NDArray[np.floating]] = dict(zip(ELECTRODES, eeg.astype(np.float32), strict=True))
    rng = np.random.default_rng([world.seed, moment.subject, moment.trial, int(moment.is_rest), 512])
    for index, noise in enumerate(rng.standard_normal((8, n_times), dtype=np.float32), start=1):
        made[f"EXG{index}"] = 20 * noise
    conductance = simulate_conductance(world, moment, sfreq=RATE, n_times=n_times)[0]
    made["GSR1"] = 1000 * conductance if number <= _LAST_OF_TWENTE else 1e6 / conductance
    for name in ("GSR2", "Erg1", "Erg2"):
        made[name] = np.zeros(n_times, dtype=np.float32)
    made["Resp"] = 1000 * simulate_respiration(world, moment, sfreq=RATE, n_times=n_times)[0]
    made["Plet"] = 20 * simulate_ppg(world, moment, sfreq=RATE, n_times=n_times)[0]
    made["Temp"] = simulate_temperature(world, moment, sfreq=RATE, n_times=n_times)[0]
    return made


def _session(
    world: World, sitting: Sitting, number: int, seconds: float
) -> tuple[dict[str, NDArray[np.floating]], NDArray[np.int32]]:
    """Make a whole session, with the clips in the order in which the person saw them, and its codes."""
    stretches, codes = [], []
    clip_times = round(seconds * RATE)
    rest_of_second = -clip_times % round(RATE)
    for clip in np.argsort(sitting.order):
        rest, moment = moments(sitting, int(clip))
        before = round(_STRETCHES["fixation"] * RATE)
        after, rating = (round(_STRETCHES[name] * RATE) for name in ("after", "rating"))
        stretches += [
            _stretch(world, rest, number, before),
            _stretch(world, moment, number, clip_times + after + rating + rest_of_second),
        ]
        lengths = (before, clip_times, after, rating + rest_of_second)
        codes.append(np.repeat([_FIXATION, CLIP_BEGINS, CLIP_ENDED, _RATING], lengths))
    joined = {name: np.concatenate([stretch[name] for stretch in stretches]) for name in stretches[0]}
    return joined, np.concatenate(codes).astype(np.int32)


def _columns(
    number: int, session: dict[str, NDArray[np.floating]], codes: NDArray[np.int32]
) -> list[BdfColumn]:
    is_twente = number <= _LAST_OF_TWENTE
    units = {"GSR1": ("nS" if is_twente else "Ohm", 1.0), "Temp": ("degC", 1 / 1024)}
    order = _TWENTE if is_twente else ELECTRODES
    names = (*order, *(name for name in session if name not in order))
    columns = []
    for name in names:
        unit, step = units.get(name, ("uV", 1 / 32))
        columns.append(BdfColumn(name, unit, session[name], step=step))
    status, high_bits = _status(number)
    return [*columns, BdfColumn(status, "Boolean", codes | high_bits)]


def simulate(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = 32,
    n_clips: int = N_CLIPS,
    max_seconds: float | None = None,
) -> Path:
    """Write data_original/sNN.bdf and participant_ratings.csv from a world.

    Parameters
    ----------
    root : path
        The folder; it must hold neither.
    world : World
        Strengths of all effects, and the seed.
    n_subjects : int
        People, taken in turn from Twente (1 to 22) and Geneva (23 to 32): s01, s24, s02, s28, ...
    n_clips : int
        Only the first so many of the 40 clips, in an order of each person's own.
    max_seconds : float, optional
        Clips are cut to this length.

    Returns
    -------
    root : Path

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If the folder holds them already.

    Notes
    -----
    Between clips there are 5 s of fixation and 7 s of the rest. The recordings differ between the sites as
    the originals do: order of the electrodes, unit of GSR, name and high bits of the status channel.
    """
    seconds = check_request(n_subjects, n_clips, max_seconds)
    root = Path(root)
    folder = new_folder(root, "data_original", world)
    sittings = {number: plan(world, number, n_clips) for number in sorted(_NUMBERS[:n_subjects])}
    write_ratings(root / RATINGS_FILE, sittings)
    for number, sitting in sittings.items():
        columns = _columns(number, *_session(world, sitting, number, seconds))
        write_bdf(folder / f"{subject_name(number)}.bdf", columns, sfreq=round(RATE), note="Simulated")
    return root
