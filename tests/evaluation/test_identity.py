"""Settings in words: the same setting has the same words, another has others."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from physioaffect.evaluation.running.identity import describe


@dataclass(frozen=True, slots=True)
class Band:
    fmin: float
    fmax: float


class Plain:
    def __init__(self, n: int) -> None:
        self.n = n


class Empty:
    __slots__ = ()


def above(threshold):
    return lambda value: value > threshold


PAIRS = {
    "sets": ({"b", "a"}, {"a", "b"}, {"a", "c"}),
    "functions": (above, above, describe),
    "closures in functions": (lambda: above(1), lambda: above(1), lambda: above(2)),
    "functions in functions": (lambda: lambda n: n + 1, lambda: lambda n: n + 1, lambda: lambda n: n + 2),
    "generators": (np.random.default_rng(1), np.random.default_rng(1), np.random.default_rng(2)),
    "old generators": (np.random.RandomState(1), np.random.RandomState(1), np.random.RandomState(2)),
    "dataclasses": (Band(1, 4), Band(1, 4), Band(1, 5)),
    "objects": (Plain(1), Plain(1), Plain(2)),
    "objects without attributes": (Empty(), Empty(), Plain(1)),
    "classes": (Band, Band, Plain),
    "estimators": (LogisticRegression(C=2), LogisticRegression(C=2), LogisticRegression(C=3)),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(PAIRS))
def test_the_same_has_the_same_words_and_another_has_others(kind):
    one, same, other = (json.dumps(describe(value)) for value in PAIRS[kind])
    assert one == same
    assert one != other
    assert " at 0x" not in one
