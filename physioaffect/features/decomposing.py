"""Decompositions of skin conductance: by name, and such that a recipe can write them down."""

from __future__ import annotations

import math
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.pinn import Convex
from physioaffect.signals.eda import DECOMPOSITION_CONTEXTS, Decompose, Decomposition
from physioaffect.signals.eda import DECOMPOSITIONS as FILTERS

__all__ = ["DECOMPOSITIONS", "NamedDecomposition", "checked_decomposition", "context_of", "function_of"]

DECOMPOSITIONS: dict[str, Decompose] = {**FILTERS, "convex": Convex()}
"""The filters of `physioaffect.signals.eda`, and `physioaffect.pinn.Convex`."""


class NamedDecomposition:
    """A decomposition that a recipe can write down: its text says what it is, not where it lies in memory."""

    def __init__(self, function: Decompose) -> None:
        self._function = function
        if isinstance(function, FunctionType) and "<" not in function.__qualname__:
            self._name = f"{function.__module__}.{function.__qualname__}"
        elif is_dataclass(function) and not isinstance(function, type):
            self._name = f"{type(function).__module__}.{function!r}"
        else:
            raise ValueError(
                "decompose needs a function with a name of its own or a dataclass of settings, got "
                f"{function!r}: the recipe has to say what it was. Write it as `def` at the top of a module."
            )

    @property
    def context(self) -> tuple[float, float]:
        """What the function says of itself; everything if it does not."""
        return getattr(self._function, "context", (math.inf, math.inf))

    def __call__(self, eda: NDArray[np.floating[Any]], *, sfreq: float) -> Decomposition:
        """Split it."""
        return self._function(eda, sfreq=sfreq)

    def __str__(self) -> str:
        return self._name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedDecomposition) and self._function == other._function

    def __hash__(self) -> int:
        return hash(self._name)


def checked_decomposition(decompose: str | Decompose) -> str | Decompose:
    """Refuse an unknown name; give a function a name that a recipe can write down."""
    if isinstance(decompose, NamedDecomposition):
        return decompose
    if not isinstance(decompose, str):
        return NamedDecomposition(decompose)
    if decompose not in DECOMPOSITIONS:
        known = ", ".join(sorted(DECOMPOSITIONS))
        raise ValueError(f"Unknown decomposition {decompose!r}: use one of {known} or a function.")
    return decompose


def function_of(decompose: str | Decompose) -> Decompose:
    """Look a decomposition up, if it is a name."""
    return DECOMPOSITIONS[decompose] if isinstance(decompose, str) else decompose


def context_of(decompose: str | Decompose) -> tuple[float, float]:
    """Seconds before and after a moment outside of which nothing changes its parts."""
    if isinstance(decompose, str) and decompose in DECOMPOSITION_CONTEXTS:
        return DECOMPOSITION_CONTEXTS[decompose]
    return getattr(function_of(decompose), "context", (math.inf, math.inf))
