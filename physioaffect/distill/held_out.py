"""What teachers say of people they never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from physioaffect.distill.map_input import checked_ratings, images_of
from physioaffect.distill.teacher import MapTeacher
from physioaffect.errors import DataError, ProtocolError
from physioaffect.progress import Progress

__all__ = ["HeldOut", "held_out_embeddings", "held_out_predictions"]


# Apart from what a teacher draws with its seed.
_PEOPLE, _FOLDS = 5, 6


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Maps of people on whom a teacher was not trained, in its eyes.

    Parameters
    ----------
    embeddings : ndarray of float32, shape (n, n_dims)
        Penultimate features, each row of length 1; all of one teacher, in one space.
    predicted : ndarray of float32, shape (n, 2)
        Valence and arousal in [-1, 1].
    valence, arousal : ndarray of float32, shape (n,)
        The ratings.
    people : ndarray of str, shape (n,)
        Whose maps they are.
    rows : ndarray of int, shape (n,)
        Their places among the maps that were given.
    seed : int
        Of the teacher, and of the choice of people.
    teacher : MapTeacher
        The teacher.
    """

    embeddings: NDArray[np.float32]
    predicted: NDArray[np.float32]
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    people: NDArray[np.str_]
    rows: NDArray[np.intp]
    seed: int
    teacher: MapTeacher


def held_out_embeddings(  # noqa: PLR0913  All that it depends on, by name.
    maps: Any,
    ratings: ArrayLike,
    groups: ArrayLike,
    *,
    teacher: MapTeacher | None = None,
    seed: int = 0,
    share: float | None = None,
    apart: bool = False,
    unlabelled: Any = None,
    progress: Progress | None = None,
) -> HeldOut:
    """Train one teacher and embed the people it was not trained on, for prototypes.

    Parameters
    ----------
    maps, ratings, groups
        As for `MapTeacher.fit`.
    teacher : MapTeacher, optional
        Settings; it is not changed, and its ``random_state`` does not matter.
    seed : int
        Draws the people, and all that is random in training. Several seeds give several sets, each with a
        teacher, a space and people of its own.
    share : float, optional
        Share of the people to hold out. Default: the teacher's ``validation_share``.
    apart : bool
        Whether early stopping must not see the held-out people either; it then takes others, of those who are
        left.
    unlabelled, progress
        As for `MapTeacher.fit`.

    Returns
    -------
    held_out : HeldOut

    Raises
    ------
    DataError, ProtocolError
        As `MapTeacher.fit`.

    Notes
    -----
    The published prototypes (NeuroGaze-Distill, arXiv 2509.11916) come from the validation set of one
    teacher. So do these: no weight was learned from anyone in them. Of these people's ratings early stopping
    saw the loss, once an epoch; with ``apart=True`` not even that, for the price of fewer people to learn
    from.

    There are no folds here, on purpose. Two teachers, even of one seed trained on almost the same people,
    have features that nothing ties to each other: the first feature of one is any mixture of those of the
    other. Means over embeddings of several teachers mean nothing. To see each person held out once, compare
    what is in the unit of ratings (`held_out_predictions`); to see how prototypes depend on people and seeds,
    make a set a seed and compare their similarity matrices, which do not depend on the space's axes.
    """
    settings = clone(teacher if teacher is not None else MapTeacher())
    settings.set_params(random_state=seed)
    if share is not None:
        settings.set_params(validation_share=share)
    images = images_of(maps)
    numbers = checked_ratings(ratings, len(images))
    everyone = _people(groups, len(images))
    back = np.moveaxis(images, 1, -1)
    if not apart:
        fitted = settings.fit(back, numbers, groups=everyone, unlabelled=unlabelled, progress=progress)
        is_held_out = np.isin(everyone, fitted.validation_people_)
    else:
        is_held_out = np.isin(everyone, _drawn(np.unique(everyone), settings.validation_share, seed))
        kept = ~is_held_out
        fitted = settings.fit(
            back[kept], numbers[kept], groups=everyone[kept], unlabelled=unlabelled, progress=progress
        )
    rows = np.flatnonzero(is_held_out)
    return HeldOut(
        embeddings=fitted.embed(back[rows]),
        predicted=fitted.predict(back[rows]),
        valence=numbers[rows, 0],
        arousal=numbers[rows, 1],
        people=everyone[rows],
        rows=rows,
        seed=seed,
        teacher=fitted,
    )


def held_out_predictions(  # noqa: PLR0913  All that it depends on, by name.
    maps: Any,
    ratings: ArrayLike,
    groups: ArrayLike,
    *,
    teacher: MapTeacher | None = None,
    n_folds: int | None = None,
    seed: int = 0,
    unlabelled: Any = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Valence and arousal of each map, by a teacher that never saw its person in any way.

    Parameters
    ----------
    maps, ratings, groups
        As for `MapTeacher.fit`.
    teacher : MapTeacher, optional
        Settings; it is not changed, and its ``random_state`` does not matter.
    n_folds : int, optional
        Groups of people, of equal size but for one, each of which is held out once. Default: each person
        alone.
    seed : int
        Of the groups and the teachers.
    unlabelled, progress
        As for `MapTeacher.fit`; the unlabelled maps must be of nobody in ``groups``.

    Returns
    -------
    predicted : ndarray of float32, shape (n, 2)
        In the order of the maps, in [-1, 1].

    Notes
    -----
    In each fold early stopping holds out people of those that are left, so that the people who are predicted
    decide nothing.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ratings = rng.uniform(-1, 1, size=(60, 2))
    >>> maps = ratings[:, None, None] + rng.normal(size=(60, 8, 8, 2))
    >>> people = np.repeat(["a", "b", "c", "d", "e", "f"], 10)
    >>> teacher = MapTeacher(epochs=1, batch_size=10)
    >>> predicted = held_out_predictions(maps, ratings, people, teacher=teacher, n_folds=2)
    >>> predicted.shape, bool(np.abs(predicted).max() <= 1)
    ((60, 2), True)
    """
    settings = clone(teacher if teacher is not None else MapTeacher())
    images = images_of(maps)
    numbers = checked_ratings(ratings, len(images))
    everyone = _people(groups, len(images))
    people = np.unique(everyone)
    n_folds = len(people) if n_folds is None else n_folds
    if not 2 <= n_folds <= len(people) or len(people) < 3:
        raise ProtocolError(
            f"Each of n_folds={n_folds} folds needs a person to predict, one to stop by and one to learn "
            f"from; there are {len(people)} people. Give more people, or n_folds from 2 to their number."
        )
    order = np.random.default_rng(np.random.SeedSequence([seed, _FOLDS])).permutation(people)
    back = np.moveaxis(images, 1, -1)
    predicted = np.empty((len(images), 2), dtype=np.float32)
    for number, tested in enumerate(np.array_split(order, n_folds)):
        own = np.isin(everyone, tested)
        fold = clone(settings).set_params(random_state=_seed_of_fold(seed, number))
        fold.fit(back[~own], numbers[~own], groups=everyone[~own], unlabelled=unlabelled, progress=progress)
        predicted[own] = fold.predict(back[own])
    return predicted


def _seed_of_fold(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, _FOLDS, number]).generate_state(1)[0])


def _people(groups: ArrayLike, n_maps: int) -> NDArray[np.str_]:
    people = np.asarray(groups).astype(str)
    if people.shape != (n_maps,):
        raise DataError(f"There are {n_maps} maps and people (groups) of shape {people.shape}.")
    return people


def _drawn(people: NDArray[np.str_], share: float, seed: int) -> NDArray[np.str_]:
    n_drawn = max(1, round(share * len(people)))
    if len(people) - n_drawn < 2:
        raise ProtocolError(
            f"Of {len(people)} people {n_drawn} would be held out, and two others are needed: one to learn "
            "from and one to stop by. Give more people or a smaller share."
        )
    return np.random.default_rng(np.random.SeedSequence([seed, _PEOPLE])).permutation(people)[:n_drawn]
