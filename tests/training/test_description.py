"""A description is the same for equal values, in every process, and another for others."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from physioaffect.graphs import MLPClassifier
from physioaffect.training import ClassBalanced, Cosine, Dropout, Shuffled, Steps
from physioaffect.training.description import described


class Pair(NamedTuple):
    left: str
    right: int


class Custom(nn.Module):
    def __init__(self, n_hops: int, graph: float) -> None:
        super().__init__()
        self.n_hops = n_hops
        self.drop = Dropout(0.1)
        self.register_buffer("graph", torch.tensor(graph), persistent=False)


def times(factor: float) -> Callable[[float], float]:
    return lambda rate: factor * rate


DIFFERENT = [
    None,
    times(1.0),
    times(2.0),
    lambda: 0,
    lambda: 1,
    True,
    1,
    1.5,
    "1",
    (1, 2),
    (12,),
    ("1, 2",),
    Pair("a", 1),
    {"a": 1},
    {"a": 2},
    {"a", "b"},
    np.arange(2000),
    np.where(np.arange(2000) == 1000, 0, np.arange(2000)),
    np.arange(2000).reshape(2, 1000),
    np.arange(2000.0),
    np.array(["a", "b"], dtype=object),
    torch.tensor([1, 2, 3]),
    Steps({30: 0.5}),
    Steps({30: 0.2}),
    Cosine(last=0.1),
    Shuffled(),
    ClassBalanced(),
    Shuffled,
    np.sort,
    partial(np.sort, axis=0),
    partial(np.sort, axis=1),
    MLPClassifier(dropout=0.1),
    MLPClassifier(dropout=0.2),
    Custom(1, 0.0),
    Custom(2, 0.0),
    Custom(1, 1.0),
]


def test_other_values_are_described_otherwise():
    texts = [described(value) for value in DIFFERENT]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a", "b"], ("a", "b")),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.float64(0.1), 0.1),
        (np.asfortranarray(np.eye(3)[:2]), np.eye(3)[:2].copy()),
        (Custom(1, 0.0), Custom(1, 0.0)),
        # Where it is computed, and the seed, which a replica tells.
        (MLPClassifier(device="cpu", random_state=1), MLPClassifier(device="auto")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_equal_values_are_described_alike(one, other):
    assert described(one) == described(other)


def test_where_something_lies_in_memory_is_not_told():
    assert described(object()) == described(object())
    assert "0x" not in described([object(), np.sort, lambda: 0])


def test_a_description_is_that_of_another_process():
    """With another order of sets, and at other addresses."""
    code = (
        "from functools import partial; import numpy as np; "
        "from physioaffect.training import Steps; "
        "from physioaffect.training.description import described; "
        "print(described([{'a', 'b', 'c'}, {'x': object()}, partial(np.sort, axis=1), Steps({30: 0.5})]))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
