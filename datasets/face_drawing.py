"""Drawn faces for simulated data: expressions follow valence, arousal and emotion in a `World`.

``affect`` scales the expression, ``subject`` what differs between people (shape of the head, place of the
eyes, tone of the skin) and ``trial`` what differs between pictures of one (place, light, grain). Each set has
a look of its own (`LOOKS`), so that what is learned from one does worse on another, as in life. The drawings
are caricatures: they have classes that can be told apart, and estimate nothing about people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError

from .world import World, generator

__all__ = ["LOOKS", "PROTOTYPES", "Look", "Prototype", "draw_face", "draw_valence_arousal"]

# Streams of random numbers that the signals of `simulate` do not use.
_PERSON, _TRIAL, _MOOD = 10, 10, 11

_INK = 25.0


class Prototype(NamedTuple):
    """An emotion's place on the circumplex, and what its face has beside the mouth's curve.

    ``frown`` lowers the inner ends of the brows, below 0 raises them; ``brows`` raises both; ``mouth`` opens;
    ``skew`` lifts one corner of the mouth; ``nose`` wrinkles. Made up.
    """

    valence: float
    arousal: float
    frown: float = 0.0
    brows: float = 0.0
    mouth: float = 0.0
    skew: float = 0.0
    nose: float = 0.0


PROTOTYPES: Mapping[str, Prototype] = {
    "neutral": Prototype(0.0, 0.0),
    "happiness": Prototype(0.8, 0.3),
    "surprise": Prototype(0.2, 0.8, brows=1.0, mouth=1.0),
    "sadness": Prototype(-0.7, -0.5, frown=-0.8),
    "anger": Prototype(-0.6, 0.6, frown=1.0, brows=-0.5),
    "disgust": Prototype(-0.7, 0.3, frown=0.4, nose=1.0),
    "fear": Prototype(-0.5, 0.8, frown=-0.8, brows=0.6, mouth=0.5),
    "contempt": Prototype(-0.5, 0.1, skew=1.0),
}


class Look(NamedTuple):
    """What the pictures of one data set have in common: the shift that a model meets on another set.

    ``people`` keeps people of different sets apart. ``framing`` scales the head in the picture and
    ``intensity`` the expression; ``contrast`` scales grey levels about the middle of 128 and ``tone``, in
    levels of 255, is added; ``blur`` is the SD of a Gaussian in units of half the picture's height.
    """

    people: int = 0
    framing: float = 1.0
    contrast: float = 1.0
    tone: float = 0.0
    blur: float = 0.0
    intensity: float = 1.0

    def times(self, shift: float) -> Look:
        """Take the look ``shift`` times as far from that of FER+: 0 is alike, 1 as it stands."""
        if not 0 <= shift < np.inf:
            raise PhysioaffectError(f"shift, the strength of a set's own look, must be from 0, got {shift}.")
        return Look(
            people=self.people,
            framing=self.framing**shift,
            contrast=self.contrast**shift,
            tone=self.tone * shift,
            blur=self.blur * shift,
            intensity=self.intensity**shift,
        )


# FER+ is what the others are measured by: faces cut out closely. AffectNet's are from the web, too, but
# show weaker expressions; CK+'s were posed in a laboratory: small in the picture, bright, strong.
# Chosen so that a small network that is right on 99 % of FER+'s (affect 0.4, subject 1.5, trial 2.5) is right
# on 78 % of AffectNet's and 77 % of CK+'s, drawn alike; estimates of nothing.
LOOKS: Mapping[str, Look] = {
    "ferplus": Look(),
    "affectnet": Look(people=1, framing=0.95, contrast=0.85, tone=-10.0, blur=0.02, intensity=0.8),
    "ckplus": Look(people=2, framing=0.8, contrast=1.15, tone=18.0, intensity=1.1),
}


def draw_valence_arousal(world: World, subject: int, picture: int, emotion: str) -> tuple[float, float]:
    """Draw the valence and arousal of a picture around its emotion's, SD 0.15, from -1 to 1."""
    prototype = PROTOTYPES[emotion]
    noise = 0.15 * generator(world, "trial", subject, picture, _MOOD).standard_normal(2)
    valence, arousal = np.clip(np.array([prototype.valence, prototype.arousal]) + noise, -1, 1)
    return float(valence), float(arousal)


class _Canvas(NamedTuple):
    """A grey picture on which shapes with soft edges are laid, in units of half its height times the framing.

    ``x`` has the shape (1, width), ``y`` (height, 1).
    """

    grey: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    pixels_per_unit: float

    @classmethod
    def blank(cls, shape: tuple[int, int], centre: tuple[float, float], framing: float) -> _Canvas:
        pixels_per_unit = framing * shape[0] / 2
        y, x = (
            ((np.arange(n) - (n - 1) / 2) / pixels_per_unit - shift).astype(np.float32)
            for n, shift in zip(shape, centre[::-1], strict=True)
        )
        return cls(np.full(shape, 110, dtype=np.float32), x[np.newaxis], y[:, np.newaxis], pixels_per_unit)

    def part(self, x: float, y: float, half_width: float, half_height: float) -> _Canvas:
        """Take a view of the surroundings of a point: most features are small."""
        columns = slice(*np.searchsorted(self.x[0], [x - half_width, x + half_width]))
        rows = slice(*np.searchsorted(self.y[:, 0], [y - half_height, y + half_height]))
        return self._replace(grey=self.grey[rows, columns], x=self.x[:, columns], y=self.y[rows])

    def lay(self, inside: NDArray[np.floating[Any]], tone: float) -> None:
        """Paint where ``inside``, the distance to the edge in units, is above zero."""
        self.grey[:] += np.clip(inside * self.pixels_per_unit + 0.5, 0, 1) * (tone - self.grey)

    def ellipse(self, x: float, y: float, width: float, height: float, tone: float) -> None:
        radius = np.hypot((self.x - x) / width, (self.y - y) / height)
        self.lay((1 - radius) * min(width, height), tone)


def _features(canvas: _Canvas, eyes: float, tone: float, face: Prototype) -> None:
    """Draw eyes, brows, nose and mouth; ``eyes`` is their distance from the middle."""
    opening = 0.09 * (1 + 0.5 * face.arousal)
    for side in (-eyes, eyes):
        eye = canvas.part(side, -0.35, 0.25, 0.35)
        eye.ellipse(side, -0.2, 0.14, opening, 245.0)
        eye.ellipse(side, -0.2, 0.06, min(0.06, opening), _INK)
        brow = -0.42 - 0.1 * face.brows - 0.35 * face.frown * (np.abs(eye.x) - eyes)
        eye.lay(np.minimum(0.03 - np.abs(eye.y - brow), 0.17 - np.abs(eye.x - side)), _INK)
    nose = canvas.part(0.0, 0.05, 0.2, 0.3)
    nose.lay(np.minimum(0.02 - np.abs(nose.x), 0.17 - np.abs(nose.y - 0.05)), 0.6 * tone)
    for wrinkle in (-0.1, 0.0) if face.nose > 0 else ():
        nose.lay(np.minimum(0.03 * face.nose - np.abs(nose.y - wrinkle), 0.12 - np.abs(nose.x)), 0.4 * tone)
    mouth = canvas.part(0.0, 0.45, 0.4, 0.5)
    across = mouth.x / 0.32
    line = 0.45 - 0.22 * face.valence * (across**2 - 0.4) - 0.14 * face.skew * np.maximum(across, 0)
    lips = 0.03 + 0.16 * face.mouth * np.maximum(1 - across**2, 0)
    mouth.lay(np.minimum(lips - np.abs(mouth.y - line), 0.32 - np.abs(mouth.x)), _INK)


def draw_face(  # noqa: PLR0913  All options are named.
    world: World,
    subject: int,
    picture: int,
    emotion: str,
    *,
    shape: tuple[int, int],
    affect: tuple[float, float] | None = None,
    intensity: float = 1.0,
    look: Look = LOOKS["ferplus"],
) -> NDArray[np.uint8]:
    """Draw one picture of one person.

    Parameters
    ----------
    world : World
        Strengths of affect, subject and trial, and the seed.
    subject, picture : int
        Numbers from 0 that name the person and the picture among the person's.
    emotion : str
        One of `PROTOTYPES`.
    shape : (int, int)
        Height and width in pixels.
    affect : (float, float), optional
        Valence and arousal from -1 to 1, which curve the mouth and open the eyes. Default: the emotion's.
    intensity : float
        From 0, a neutral face, to 1.
    look : Look
        What the data set's pictures have in common. Default: FER+'s.

    Returns
    -------
    image : ndarray of uint8, shape (height, width)

    Examples
    --------
    >>> draw_face(World(), 0, 0, "happiness", shape=(48, 48)).shape
    (48, 48)
    """
    apart = (look.people,) if look.people else ()
    own = generator(world, "person", subject, _PERSON, *apart).standard_normal(4).clip(-2, 2) * world.subject
    rng = generator(world, "trial", subject, picture, _TRIAL, *apart)
    x, y, light = np.clip(rng.standard_normal(3), -2, 2) * world.trial
    prototype = PROTOTYPES[emotion]
    valence, arousal = affect or (prototype.valence, prototype.arousal)
    shown = prototype._replace(valence=valence, arousal=arousal)
    face = Prototype(*(world.affect * intensity * look.intensity * value for value in shown))
    canvas = _Canvas.blank(shape, (0.03 * x, 0.03 * y), look.framing)
    tone = float(np.clip(190 + 15 * own[0], 120, 240))
    canvas.ellipse(0.0, 0.0, 0.68 * np.exp(0.08 * own[1]), 0.88 * np.exp(0.04 * own[2]), tone)
    _features(canvas, float(np.clip(0.28 + 0.02 * own[3], 0.2, 0.4)), tone, face)
    grey = 128 + look.contrast * (canvas.grey - 128) + look.tone
    if look.blur:
        from scipy.ndimage import gaussian_filter  # noqa: PLC0415  Reading does without it.

        grey = gaussian_filter(grey, look.blur * shape[0] / 2)
    grain = 4 * world.trial * rng.standard_normal(shape, dtype=np.float32)
    image: NDArray[np.uint8] = np.clip(grey * (1 + 0.05 * light) + grain, 0, 255).astype(np.uint8)
    return image
