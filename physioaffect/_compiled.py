"""Compiled functions, kept on disk where there is a place to keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["compiled"]


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function that lets go of the interpreter, once for all processes.

    Where neither the package's folder nor the user's cache can be written (NUMBA_CACHE_DIR names another),
    every process compiles for itself: numba alone would refuse to import.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            made: Callable[..., Any] = njit(cache=True, nogil=True, **options)(function)
        except RuntimeError:
            made = njit(nogil=True, **options)(function)
        return made

    return decorate
