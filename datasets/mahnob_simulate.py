"""MAHNOB-HCI from a `World`, in the layout of the original."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError

from .formats.bdf_writer import BdfColumn, write_bdf
from .simulate import simulate_ecg, simulate_eeg, simulate_ratings
from .simulate_peripheral import simulate_conductance, simulate_respiration, simulate_temperature
from .simulated_mark import new_marked_folder
from .world import Moment, World, generator, latent_affect

__all__ = ["CLIP_BEGINS", "ELECTRODES", "SFREQ", "simulate"]

Array = NDArray[np.float64]

ELECTRODES = (
    *("Fp1", "AF3", "F7", "F3", "FC1", "FC5", "T7", "C3", "CP1", "CP5", "P7", "P3", "Pz", "PO3", "O1", "Oz"),
    *("O2", "PO4", "P4", "P8", "CP6", "CP2", "C4", "T8", "FC6", "FC2", "F4", "F8", "AF4", "Fp2", "Fz", "Cz"),
)
SFREQ = 256.0
CLIP_BEGINS = 30.0
_RATE, _REST = 256, 30
_PASSBAND = (0.05, 67.0)
_PULSE, _TRIGGER = 0.1, 268
_HIGH_BITS = 0x180000  # What the amplifier says of itself.
_N_CLIPS, _N_SUBJECTS = 20, 30
_PLANTED = World.planted()
# Made up, within what is known: 35 to 117 s, and emotions of every quarter.
_SECONDS = (*(81, 117, 35, 92, 64, 101, 58, 73, 110, 49), *(96, 69, 88, 53, 77, 104, 61, 84, 42, 99))
_VALENCE = (
    *(6.5, 2.5, 7.0, 3.0, 5.0, 2.0, 7.5, 4.0, 6.0, 3.5),
    *(7.0, 2.5, 5.0, 6.5, 3.0, 7.5, 4.5, 2.0, 6.0, 5.5),
)
_AROUSAL = (
    *(5.0, 6.5, 6.0, 4.0, 2.5, 7.0, 5.5, 3.0, 6.5, 4.5),
    *(4.0, 7.0, 2.0, 6.0, 5.0, 3.5, 6.5, 7.5, 3.0, 5.5),
)
# Joy, amusement, fear, disgust, anger and sadness, by the quarter.
_EMOTIONS = {(True, True): 11, (True, False): 4, (False, True): 3, (False, False): 5}


def _recording(world: World, rest: Moment, moment: Moment, lengths: tuple[int, int, int]) -> list[BdfColumn]:
    """47 channels and the status: rest, clip, rest."""
    parts = tuple(zip((rest, moment, rest), lengths, strict=True))

    def joined(make: Callable[..., Array], **options: object) -> Array:
        return np.concatenate(
            [make(world, when, sfreq=SFREQ, n_times=length * _RATE, **options) for when, length in parts],
            axis=1,
        )

    eeg = 1e6 * joined(simulate_eeg, ch_names=ELECTRODES, passband=_PASSBAND)
    ecg = 1e6 * joined(simulate_ecg, n_channels=3)
    n_times = eeg.shape[1]
    nothing = generator(world, "eeg", moment.subject, moment.trial, 2).standard_normal((9, n_times))
    status = np.full(n_times, _HIGH_BITS)
    for second in (lengths[0], lengths[0] + lengths[1]):
        status[second * _RATE : round((second + _PULSE) * _RATE)] |= _TRIGGER
    return [
        *(BdfColumn(name, "uV", data) for name, data in zip(ELECTRODES, eeg, strict=True)),
        *(BdfColumn(f"EXG{number}", "uV", data) for number, data in enumerate([*ecg, *nothing[:5]], start=1)),
        BdfColumn("GSR1", "Ohm", 1e6 / joined(simulate_conductance)[0], 1.0),
        BdfColumn("GSR2", "Ohm", nothing[5], 1.0),
        BdfColumn("Erg1", "uV", nothing[6]),
        BdfColumn("Erg2", "uV", nothing[7]),
        BdfColumn("Resp", "uV", 1e3 * joined(simulate_respiration)[0]),
        BdfColumn("Temp", "Degree C", joined(simulate_temperature)[0], 1 / 1024),
        BdfColumn("Status", "Boolean", status),
    ]


def _write_xml(path: Path, subject: int, attributes: dict[str, object]) -> None:
    written = " ".join(f"{name}={quoteattr(str(value))}" for name, value in attributes.items())
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<session {written}>\n'
        f'  <subject id="{subject}"/>\n</session>\n',
        encoding="utf-8",
    )


def _simulate_person(sessions: Path, world: World, number: int, n_clips: int, max_seconds: float) -> None:
    means = {
        "valence": _VALENCE[:n_clips],
        "arousal": _AROUSAL[:n_clips],
        "dominance": [5 + 0.4 * (v - 5) for v in _VALENCE[:n_clips]],
        "predictability": [5.0] * n_clips,
    }
    ratings = simulate_ratings(world, number, means, scale=(1, 9))
    elapsed = 0.0
    for clip in range(n_clips):
        valence, arousal = (latent_affect(ratings[name][clip], (1, 9)) for name in ("valence", "arousal"))
        rest = Moment(subject=number, trial=clip, stimulus=clip, elapsed=elapsed, is_rest=True)
        moment = Moment(
            subject=number,
            trial=clip,
            stimulus=clip,
            valence=valence,
            arousal=arousal,
            elapsed=elapsed + _REST,
        )
        seconds = max(1, int(min(_SECONDS[clip], max_seconds)))
        after = max(1, int(min(_REST, max_seconds)))
        # The neutral clip before each is shown but not rated.
        for kind, session in (("N", 130 * number + 2 * clip + 1), ("S", 130 * number + 2 * clip + 2)):
            folder = sessions / str(session)
            folder.mkdir()
            attributes: dict[str, object] = {
                "sessionId": session,
                "date": "2009-07-08 12:00:00",
                "isStim": int(kind == "S"),
                "mediaFile": f"{clip + 1}.avi" if kind == "S" else "colorbars_final.avi",
                "cutNr": clip + 1,
                "cutLenSec": seconds,
                "vidRate": 60.9708,
            }
            # Nobody reads what was recorded during a neutral clip, so little of it is made.
            lengths = (_REST, seconds, after) if kind == "S" else (1, 1, 1)
            columns = _recording(world, rest, moment if kind == "S" else rest, lengths)
            if kind == "S":
                rated = {name: int(ratings[name][clip]) for name in means}
                attributes |= {
                    "feltEmo": _EMOTIONS[rated["valence"] > 5, rated["arousal"] > 5],
                    "feltArsl": rated["arousal"],
                    "feltVlnc": rated["valence"],
                    "feltCtrl": rated["dominance"],
                    "feltPred": rated["predictability"],
                }
            _write_xml(folder / "session.xml", number + 1, attributes)
            name = f"Part_{number + 1}_{kind}_Trial{clip + 1}_emotion.bdf"
            write_bdf(folder / name, columns, sfreq=_RATE, note="Simulated, no recording of anybody")
        elapsed += 2 * _REST + _SECONDS[clip]


def simulate(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = _N_SUBJECTS,
    n_clips: int = _N_CLIPS,
    max_seconds: float | None = None,
) -> Path:
    """Write MAHNOB-HCI from a world: 150 MB a person at full length.

    Parameters
    ----------
    root : path
        The folder, in which there must be no folder Sessions.
    world : World
        Strengths of all effects, and the seed. Everyone sees the clips in the same order.
    n_subjects : int
        People, at most 99.
    n_clips : int
        Only the first so many of the 20 clips; a short neutral one goes before each.
    max_seconds : float, optional
        Clips, and the rest after each, are cut to this length; the 30 s before a clip stay.

    Returns
    -------
    path : Path
        The folder.

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If Sessions exists.
    """
    if not 1 <= n_subjects <= 99 or not 1 <= n_clips <= _N_CLIPS:
        raise PhysioaffectError(
            f"MAHNOB-HCI needs 1 to 99 subjects and 1 to {_N_CLIPS} clips, got {n_subjects} and {n_clips}."
        )
    max_seconds = math.inf if max_seconds is None else max_seconds
    if not max_seconds >= 1:
        raise PhysioaffectError(f"max_seconds must be at least 1 s, got {max_seconds}.")
    root = Path(root)
    sessions = new_marked_folder(root / "Sessions", world)
    for number in range(n_subjects):
        _simulate_person(sessions, world, number, n_clips, max_seconds)
    return root
