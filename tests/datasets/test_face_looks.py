"""Looks of drawn face sets: each of its stated size, and together a shift that costs a model accuracy."""

import numpy as np
import pytest
from numpy.typing import NDArray

from physioaffect.datasets import AFFECTNET, CKPLUS, FERPLUS_EMOTIONS, LOOKS, Look, World, draw_face
from physioaffect.errors import PhysioaffectError

SHAPE = (48, 48)
PLAIN = World(subject=0, trial=0)


def face(look: Look, *, emotion: str = "happiness", world: World = PLAIN, person: int = 0) -> NDArray:
    found: NDArray = draw_face(world, person, 0, emotion, shape=SHAPE, look=look).astype(float)
    return found


def test_contrast_and_tone_are_in_grey_levels() -> None:
    expected = 128 + 0.5 * (face(Look()) - 128) + 10
    assert np.abs(face(Look(contrast=0.5, tone=10.0)) - expected).max() <= 1


def test_intensity_is_that_of_the_expression() -> None:
    assert np.array_equal(face(Look(intensity=0.0)), face(Look(), emotion="neutral"))
    mouth = np.s_[32:42, 12:36]
    away = [np.abs(face(Look(intensity=one)) - face(Look(intensity=0.0)))[mouth].sum() for one in (0.5, 1.0)]
    assert 0 < away[0] < away[1]


@pytest.mark.parametrize("framing", [0.5, 0.8])
def test_framing_scales_the_head(framing: float) -> None:
    def area(look: Look) -> int:
        return int((face(look, emotion="neutral") != 110).sum())

    assert area(Look(framing=framing)) == pytest.approx(
        framing**2 * area(Look()), rel=0.08
    )  # Its edge is soft.


def test_blur_takes_edges_and_leaves_the_mean() -> None:
    sharp, soft = face(Look()), face(Look(blur=0.05))
    assert np.abs(np.diff(soft)).sum() < 0.7 * np.abs(np.diff(sharp)).sum()
    assert soft.mean() == pytest.approx(sharp.mean(), abs=1)


def test_sets_are_of_different_people() -> None:
    world = World(trial=0)
    assert not np.array_equal(face(Look(), world=world), face(Look(people=1), world=world))
    assert np.array_equal(face(Look(), world=PLAIN), face(Look(people=1), world=PLAIN))
    assert len({look.people for look in LOOKS.values()}) == len(LOOKS)


def test_a_look_of_no_strength_is_that_of_ferplus() -> None:
    for look in LOOKS.values():
        assert look.times(0) == Look(people=look.people)
        assert look.times(1) == look
    with pytest.raises(
        PhysioaffectError, match="shift, the strength of a set's own look, must be from 0, got -1"
    ):
        Look().times(-1)
    for faceset in (AFFECTNET, CKPLUS):
        with pytest.raises(PhysioaffectError, match="shift"):
            faceset.simulate("unused", shift=-1)  # type: ignore[misc]


def test_what_is_learned_from_ferplus_does_worse_elsewhere() -> None:
    """Nearest mean face of 600 people of FER+, on 240 others of each set."""
    world = World()

    def drawn(look: Look, first: int, n: int) -> tuple[NDArray, NDArray]:
        emotions = np.arange(first, first + n) % len(FERPLUS_EMOTIONS)
        images = [
            face(look, emotion=FERPLUS_EMOTIONS[one], world=world, person=first + number)
            for number, one in enumerate(emotions)
        ]
        return np.array(images).reshape(n, -1), emotions

    X, y = drawn(Look(), 0, 600)
    means = np.array([X[y == one].mean(axis=0) for one in range(len(FERPLUS_EMOTIONS))])

    def accuracy(look: Look) -> float:
        images, emotions = drawn(look, 1000, 240)
        near = ((images[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        return float((near == emotions).mean())

    own = accuracy(Look())
    for name in ("affectnet", "ckplus"):
        assert abs(accuracy(LOOKS[name].times(0)) - own) < 0.1
        assert accuracy(LOOKS[name]) < own - 0.15
