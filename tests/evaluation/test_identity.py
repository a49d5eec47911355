"""Settings in words: the same setting has the same words, another has others."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from physioaffect.identity import describe


@dataclass(frozen=True, slots=True)
class Band:
    fmin: float
    fmax: float


class Plain:
    def __init__(self, n: int) -> None:
        self.n = n

    def more(self) -> int:
        return self.n + 1


class Ring:
    """Holds itself."""

    def __init__(self, n: int) -> None:
        self.n, self.self = n, self

    def above(self):
        return lambda value: value > self.n


class Empty:
    __slots__ = ()


def above(threshold):
    return lambda value: value > threshold


def with_default(threshold):
    def above(value, than=threshold, *, by=0):
        return value > than + by

    return above


def with_option(amount):
    def above(value, than=0, *, by=amount):
        return value > than + by

    return above


def countdown(step):
    def down(n):
        return down(n - step) if n > 0 else n

    return down


PAIRS = {
    "closures": (above(1), above(1), above(2)),
    "closures over arrays": (above(np.ones(2)), above(np.ones(2)), above(np.zeros(2))),
    "defaults": (with_default(1), with_default(1), with_default(2)),
    "options": (with_option(1), with_option(1), with_option(2)),
    "functions that call themselves": (countdown(1), countdown(1), countdown(2)),
    "functions of what holds itself": (Ring(1).above(), Ring(1).above(), Ring(2).above()),
    "modules": (above(np), above(np), above(os)),
    "tables": (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
    "partial functions": (partial(max, 1), partial(max, 1), partial(min, 1)),
    "options of partial functions": (partial(max, key=abs), partial(max, key=abs), partial(max, key=hash)),
    "methods": (Plain(1).more, Plain(1).more, Plain(2).more),
    "built-in functions": (max, max, min),
    "universal functions": (np.log, np.log, np.sqrt),
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


def test_a_function_is_the_same_in_every_process():
    """Also if it holds a set, the order of which differs between these two."""
    told = "from physioaffect.identity import describe; "
    told += "print(*{'low', 'high', 'mid'}, describe(lambda value: value in {'low', 'high', 'mid'})['code'])"
    printed = [
        subprocess.run(
            [sys.executable, "-c", told],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for seed in "12"
    ]  # fmt: skip
    (*order, code), (*other_order, same_code) = printed
    assert order != other_order
    assert code == same_code


def test_a_variable_that_is_not_assigned_yet_is_left_out():
    def make():
        def inner():
            return later

        said = describe(inner)
        later = 1
        return said, describe(inner)

    before, after = make()
    assert "variables" not in before
    assert after["variables"] == {"later": 1}
