"""Drawn faces whose valence and arousal are known and whose classes mostly are not, and prototypes beside."""

import numpy as np
from numpy.typing import NDArray

from physioaffect.datasets import World, draw_face
from physioaffect.distill.anchors import ANCHORS
from physioaffect.distill.faces_table import FaceTable
from physioaffect.distill.grid import grid_centres
from physioaffect.distill.prototypes import Prototypes

CLASSES = tuple(ANCHORS)
SIDE = 32
_WORLD = World(seed=3, subject=2.0, trial=2.0)


def planted_faces(first: int, n: int, *, n_labelled: int | None = None, spread: float = 0.2) -> FaceTable:
    """Draw people ``first`` to ``first + n``, with valence and arousal around the anchor of their class.

    Only the first ``n_labelled`` have a class; of the others every class is as likely.
    """
    rng = np.random.default_rng([_WORLD.seed, first])
    n_labelled = n if n_labelled is None else n_labelled
    images, points = [], []
    for person in range(first, first + n):
        name = CLASSES[person % len(CLASSES)]
        noise = spread * rng.standard_normal(2)
        valence, arousal = np.clip(np.array(ANCHORS[name]) + noise, -1, 1)
        images.append(
            draw_face(_WORLD, person, 0, name, shape=(SIDE, SIDE), affect=(float(valence), float(arousal)))
        )
        points.append((valence, arousal))
    targets = np.full((n, len(CLASSES)), 1 / len(CLASSES), dtype=np.float32)
    known = np.arange(first, first + n_labelled) % len(CLASSES)
    targets[:n_labelled] = np.eye(len(CLASSES), dtype=np.float32)[known]
    names = np.array([f"person {number}" for number in range(first, first + n)])
    return FaceTable(
        images=np.array(images),
        targets=targets,
        classes=CLASSES,
        identities=names,
        splits=np.full(n, ""),
        faces=names,
        valence=np.array(points, dtype=np.float32)[:, 0],
        arousal=np.array(points, dtype=np.float32)[:, 1],
        dataset="drawn",
    )


def planted_prototypes(*, knows_the_plane: bool, seed: int = 7, n_dims: int = 32) -> Prototypes:
    """Prototypes whose similarity falls with distance in the plane, or that know nothing of it.

    The first are cosines of random waves across the plane, whose products are close to a bell of the
    distance, SD 0.8 (Rahimi & Recht 2007, random Fourier features).
    """
    rng = np.random.default_rng(seed)
    vectors: NDArray[np.float64]
    if knows_the_plane:
        waves = rng.standard_normal((2, n_dims)) / 0.8
        vectors = np.cos(grid_centres(5) @ waves + rng.uniform(0, 2 * np.pi, n_dims))
    else:
        vectors = rng.standard_normal((25, n_dims))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Prototypes(
        vectors=vectors.astype(np.float32),
        k=5,
        counts=np.full(25, 10),
        confidence=np.ones(25, dtype=np.float32),
        filled_from=np.arange(25),
        origin={"planted": knows_the_plane},
    )
