"""Faces as arrays that are made in no time: a class is a patch of light in a place of its own."""

import numpy as np

from physioaffect.datasets import FERPLUS_EMOTIONS
from physioaffect.distill.faces_table import FaceTable


def patches(n, *, size=16, classes=FERPLUS_EMOTIONS, seed=0, noise=40.0, colours=False, soft=0.0):
    """Faces whose class is a bright row of blocks; a share ``soft`` of each label is of the next class."""
    rng = np.random.default_rng(seed)
    n_classes = len(classes)
    labels = np.arange(n) % n_classes
    images = rng.normal(90, noise, (n, size, size, 3) if colours else (n, size, size))
    height = max(size // n_classes, 1)
    for row, label in enumerate(labels):
        images[row, label * height : (label + 1) * height] += 90
    names = np.array([f"f{row:04d}" for row in range(n)])
    targets = (1 - soft) * np.eye(n_classes)[labels] + soft * np.eye(n_classes)[(labels + 1) % n_classes]
    unknown = np.full(n, np.nan, dtype=np.float32)
    return FaceTable(
        images=images.clip(0, 255).astype(np.uint8),
        targets=targets.astype(np.float32),
        classes=tuple(classes),
        identities=names,
        splits=np.full(n, "Training"),
        faces=names,
        valence=unknown,
        arousal=unknown,
        dataset="patches",
    )
