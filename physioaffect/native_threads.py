"""How many threads the libraries of other languages may start: BLAS and OpenMP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

__all__ = ["controller", "one_native_thread"]


def controller() -> ThreadpoolController:
    """What sets the threads of all libraries that are loaded now.

    Examples
    --------
    >>> import numpy
    >>> {library.user_api for library in controller().lib_controllers} >= {"blas"}
    True
    """
    # Looking for them takes milliseconds, longer than many a model to fit. Who loads one is imported first.
    return _libraries(len(sys.modules))


@lru_cache(maxsize=1)
def _libraries(n_modules: int) -> ThreadpoolController:  # noqa: ARG001  Its change is what tells.
    return ThreadpoolController()


@contextmanager
def one_native_thread(user_api: str | None = None) -> Iterator[None]:
    """Let BLAS and OpenMP, or one of them, work in the calling thread alone: sums then have one order.

    Parameters
    ----------
    user_api : {"blas", "openmp"}, optional
        Which of them. Default: both.

    Examples
    --------
    >>> from threadpoolctl import threadpool_info
    >>> import numpy
    >>> with one_native_thread():
    ...     {library["num_threads"] for library in threadpool_info()}
    {1}
    """
    with controller().limit(limits=1, user_api=user_api):
        yield
