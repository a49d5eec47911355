"""Worlds to simulate: every effect on the signals has a stated size and can be put to zero.

Each frequency band of each electrode is scaled by ``exp(g)``, which shifts the differential entropy of that
band by exactly g nats and its power by 8.69 g dB. g is a sum, each term times its strength in `World`:

* ``affect``: per unit of latent valence (-1 at the lowest rating, 1 at the highest) alpha -0.15 at left and
  +0.15 at right frontal electrodes, +0.20 at posterior ones; per unit of latent arousal beta +0.15 and gamma
  +0.20 everywhere. The heart beats 8 bpm faster per unit of arousal.
* ``stimulus``: normal with SD 0.15 per clip, electrode and band, and with SD 3 bpm per clip, alike for all.
* ``drift``: per hour of session theta +0.2, alpha +0.3, beta -0.1 and gamma +0.2 everywhere, and -4 bpm.
* ``subject``: normal with SD 0.25 per person, electrode and band plus SD 0.15 per person and band. It also
  scales what else is a person's own: alpha peak (SD 0.8 Hz), electrode offsets (SD 80 uV), resting heart rate
  (SD 8 bpm), breathing, height of the ECG.
* ``trial``: normal with SD 0.12 per trial, electrode and band, electrode offsets (SD 20 uV) and heart rate
  (SD 2 bpm); the rest before a trial shares them.

The sizes are chosen so that effects are plausible and can be found; they estimate nothing. Every draw depends
on the seed and on who, which trial and which clip, never on how many others are made nor on a strength.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError

__all__ = ["RHYTHMS", "WORLDS", "Moment", "World", "band_gains", "heart_rate", "latent_affect"]

RHYTHMS: Mapping[str, tuple[float, float]] = {
    "delta": (0.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, math.inf),
}
_ALPHA, _BETA, _GAMMA = (list(RHYTHMS).index(name) for name in ("alpha", "beta", "gamma"))

# Nats, bpm and volts, as stated above.
_VALENCE_ASYMMETRY, _VALENCE_POSTERIOR = 0.15, 0.20
_AROUSAL_BETA, _AROUSAL_GAMMA, _AROUSAL_BPM = 0.15, 0.20, 8.0
_STIMULUS_GAIN, _STIMULUS_BPM = 0.15, 3.0
_SUBJECT_GAIN, _SUBJECT_BAND_GAIN, _SUBJECT_OFFSET, _SUBJECT_BPM = 0.25, 0.15, 80e-6, 8.0
_TRIAL_GAIN, _TRIAL_OFFSET, _TRIAL_BPM = 0.12, 20e-6, 2.0
_REST_BPM = 70.0
SLOWEST_BPM = 30.0


class _Drift(NamedTuple):
    """Change per hour of session at strength 1: nats for each band, bpm."""

    gains: NDArray[np.float64]
    bpm: float


DRIFT = _Drift(np.array([0.0, 0.2, 0.3, -0.1, 0.2]), -4.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Strengths of all effects, each from zero; 1 gives the sizes that `physioaffect.datasets.world` states.

    Parameters
    ----------
    affect : float
        What the signals say of the person's own ratings.
    stimulus : float
        A response to each clip, alike for every person, that has nothing to do with affect.
    drift : float
        Change with time in the session.
    subject, trial : float
        What differs between people and between trials without any cause of interest: the nuisances by which
        a window is recognised as part of a trial that was seen.
    seed : int
        Another seed gives other people in the same world.

    Raises
    ------
    PhysioaffectError
        If a strength is negative or not finite, or the seed is not a whole number from 0.

    Examples
    --------
    >>> World.null(seed=3)
    World(affect=0.0, stimulus=0.0, drift=0.0, subject=1.0, trial=1.0, seed=3)
    """

    affect: float = 1.0
    stimulus: float = 0.0
    drift: float = 0.0
    subject: float = 1.0
    trial: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.name != "seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise PhysioaffectError(
                    f"The strength {name} must be a number from 0, got {getattr(self, name)}."
                )
        if not isinstance(self.seed, int) or self.seed < 0:
            raise PhysioaffectError(f"seed must be a whole number from 0, got {self.seed!r}.")

    @classmethod
    def null(cls, seed: int = 0) -> World:
        """Nuisances only: whatever is found in new people is chance."""
        return cls(affect=0.0, seed=seed)

    @classmethod
    def planted(cls, seed: int = 0) -> World:
        """Affect and nuisances, the default."""
        return cls(seed=seed)

    @classmethod
    def stimulus_only(cls, seed: int = 0) -> World:
        """Clips differ, affect does not show: what holds for new people fails for new clips."""
        return cls(affect=0.0, stimulus=1.0, seed=seed)

    @classmethod
    def drift_only(cls, seed: int = 0) -> World:
        """Time in the session shows, affect does not: a clock does as well as any model."""
        return cls(affect=0.0, drift=1.0, seed=seed)


WORLDS: Mapping[str, Callable[[int], World]] = {
    "drift": World.drift_only,
    "null": World.null,
    "planted": World.planted,
    "stimulus": World.stimulus_only,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One person in one trial: all that shapes the signals beside the world and chance.

    Parameters
    ----------
    subject, trial, stimulus : int
        Numbers from 0 that name the person, the trial among the person's trials, and the clip.
    valence, arousal : float
        Latent affect from -1 to 1, see `latent_affect`.
    elapsed : float
        Seconds from the beginning of the session to the onset.
    is_rest : bool
        Whether this is the baseline before the trial: the same electrodes, neither affect nor clip.
    """

    subject: int
    trial: int
    stimulus: int
    valence: float = 0.0
    arousal: float = 0.0
    elapsed: float = 0.0
    is_rest: bool = False


def latent_affect(rating: float, scale: tuple[float, float]) -> float:
    """Put a rating on the scale of the model: -1 at the lowest, 0 in the middle, 1 at the highest.

    Parameters
    ----------
    rating : float
        On its own scale.
    scale : tuple of float
        Its lowest and highest value.

    Examples
    --------
    >>> latent_affect(4, (1, 5))
    0.5
    """
    lowest, highest = scale
    return (2 * rating - lowest - highest) / (highest - lowest)


def generator(world: World, purpose: str, *key: int) -> np.random.Generator:
    """Open the stream of random numbers for a purpose and the person, trial or clip that it is about."""
    purposes = ("ratings", "clip", "person", "trial", "eeg", "ecg", "peripheral")
    sequence = np.random.SeedSequence(world.seed, spawn_key=(purposes.index(purpose), *key))
    return np.random.default_rng(sequence)


_ROWS = {"FP": 1.0, "AF": 0.75, "F": 0.5, "FC": 0.25, "FT": 0.25, "C": 0.0, "T": 0.0, "CP": -0.25}
_ROWS |= {"TP": -0.25, "P": -0.5, "PO": -0.75, "O": -1.0, "I": -1.25}
# The last two are SEED's; its cap diagram draws them level with O1 and O2.
_OTHER_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8", "CB1": "O5", "CB2": "O6"}


class Sites(NamedTuple):
    """Where electrodes sit: x to the right and y to the front, about -1 to 1; shape (n_channels,) each."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @classmethod
    def of(cls, ch_names: Sequence[str]) -> Sites:
        """Tell the sites from names of the 10-20 system, in upper or lower case."""
        places = []
        for name in ch_names:
            upper = name.upper()
            parts = re.fullmatch(r"([A-Z]+?)(Z|\d{1,2})", _OTHER_NAMES.get(upper, upper))
            if parts is None or parts[1] not in _ROWS:
                raise ValueError(f"{name!r} is no electrode of the 10-20 system, such as Fz, AF3 or PO8.")
            number = 0 if parts[2] == "Z" else int(parts[2])
            # Odd numbers lie on the left, and 1, 3, 5, 7 lead outwards in equal steps.
            places.append((0.25 * ((number + 1) // 2) * (-1) ** number, _ROWS[parts[1]]))
        if not places or len(set(ch_names)) < len(ch_names):
            raise ValueError(f"EEG needs one or more electrodes of different names, got {tuple(ch_names)}.")
        return cls(*np.array(places).T)


def _affect_gains(sites: Sites, moment: Moment) -> NDArray[np.float64]:
    gains = np.zeros((len(sites.x), len(RHYTHMS)))
    is_frontal, is_posterior = sites.y >= 0.25, sites.y <= -0.5
    alpha = _VALENCE_ASYMMETRY * np.sign(sites.x) * is_frontal + _VALENCE_POSTERIOR * is_posterior
    gains[:, _ALPHA] = moment.valence * alpha
    gains[:, _BETA] = moment.arousal * _AROUSAL_BETA
    gains[:, _GAMMA] = moment.arousal * _AROUSAL_GAMMA
    return gains


def band_gains(world: World, moment: Moment, ch_names: Sequence[str]) -> NDArray[np.float64]:
    """Compute the truth behind a trial: how far each band's differential entropy is shifted at the onset.

    Parameters
    ----------
    world : World
        Strengths and seed.
    moment : Moment
        Who, which trial, which affect.
    ch_names : sequence of str
        Electrodes of the 10-20 system. Nuisances are drawn for the list as it stands.

    Returns
    -------
    gains : ndarray, shape (n_channels, n_bands)
        Nats, in the order of `RHYTHMS`.

    Raises
    ------
    ValueError
        If a name is not of the 10-20 system or occurs twice.

    Examples
    --------
    >>> world = World(subject=0, trial=0)
    >>> glad = Moment(subject=0, trial=0, stimulus=0, valence=1)
    >>> band_gains(world, glad, ("F3", "F4", "O1"))[:, 2]
    array([-0.15,  0.15,  0.2 ])
    """
    sites = Sites.of(ch_names)
    shape = (len(ch_names), len(RHYTHMS))
    person = generator(world, "person", moment.subject, 0)
    own = _SUBJECT_GAIN * person.standard_normal(shape)
    own += _SUBJECT_BAND_GAIN * person.standard_normal(shape[1])
    trial = generator(world, "trial", moment.subject, moment.trial, 0)
    gains: NDArray[np.float64] = world.subject * own
    gains += world.trial * _TRIAL_GAIN * trial.standard_normal(shape)
    gains += world.drift * DRIFT.gains * moment.elapsed / 3600
    if not moment.is_rest:
        gains += world.affect * _affect_gains(sites, moment)
        clip = generator(world, "clip", moment.stimulus, 0)
        gains += world.stimulus * _STIMULUS_GAIN * clip.standard_normal(shape)
    return gains


def offsets(world: World, moment: Moment, n_channels: int) -> NDArray[np.float64]:
    """Compute the electrodes' offsets in volts, shape (n_channels,)."""
    person = generator(world, "person", moment.subject, 1).standard_normal(n_channels)
    trial = generator(world, "trial", moment.subject, moment.trial, 1).standard_normal(n_channels)
    return world.subject * _SUBJECT_OFFSET * person + world.trial * _TRIAL_OFFSET * trial


def heart_rate(world: World, moment: Moment) -> float:
    """Compute the mean heart rate at the onset in bpm, before breathing and chance; never below 30.

    Parameters
    ----------
    world : World
        How strong each effect is.
    moment : Moment
        Whose trial it is, of which clip, and when.

    Examples
    --------
    >>> heart_rate(World(subject=0, trial=0), Moment(subject=0, trial=0, stimulus=0, arousal=0.5))
    74.0
    """
    person = generator(world, "person", moment.subject, 2).standard_normal()
    trial = generator(world, "trial", moment.subject, moment.trial, 2).standard_normal()
    rate = _REST_BPM + world.subject * _SUBJECT_BPM * person + world.trial * _TRIAL_BPM * trial
    rate += world.drift * DRIFT.bpm * moment.elapsed / 3600
    if not moment.is_rest:
        clip = generator(world, "clip", moment.stimulus, 1).standard_normal()
        rate += world.affect * _AROUSAL_BPM * moment.arousal + world.stimulus * _STIMULUS_BPM * clip
    return float(max(rate, SLOWEST_BPM))
