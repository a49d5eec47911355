"""Independent work on several threads."""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  The BLAS that numba calls must be there to be told its threads.
from numba import config
from numpy.typing import NDArray

from physioaffect.native_threads import controller

__all__ = ["computing_elsewhere", "in_threads", "n_threads", "one_blas_thread", "scratch"]

Task = TypeVar("Task")


# Threads of this process that compute something else meanwhile.
_elsewhere: list[int] = []


@contextmanager
def computing_elsewhere(n: int) -> Iterator[None]:
    """While this thread, with ``n`` cores, does something else: leave these to it.

    Work that is shared out waits for its slowest part. On a core that is taken by another thread that part
    waits for its turn, which takes longer than the work.
    """
    _elsewhere.append(n)
    try:
        yield
    finally:
        _elsewhere.remove(n)


def n_threads() -> int:
    """As many as numba would use, which joblib limits in its worker processes, but for those in use."""
    # Not numba's own threads: those cannot be entered by two threads at once.
    return max(1, int(config.NUMBA_NUM_THREADS) - sum(_elsewhere))  # type: ignore[attr-defined]


def in_threads(work: Callable[[Task], None], tasks: Sequence[Task]) -> None:
    """Do work that lets go of the interpreter on as many threads as numba may use, this one among them.

    Work may do so itself: what no thread has begun is done here, so that nobody waits for one who waits.
    """
    # One by one from a common list: a thread that gets no core takes nothing, and nobody waits for it.
    left = iter(tasks)

    def share() -> None:
        for task in left:
            work(task)

    with one_blas_thread():
        others = [_pool().submit(share) for _ in range(1, min(n_threads(), len(tasks)))]
        try:
            share()
        finally:
            # After an error nobody shall begin another.
            deque(left, maxlen=0)
            # Nothing may still write into arrays that the caller has given up.
            wait(other for other in others if not other.cancel())
        for other in others:
            if not other.cancelled():
                other.result()


_own = threading.local()
_MOST_KEPT = 2**26


def scratch(use: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Memory to work in, this thread's own and good until it asks again for the same use.

    Fresh memory costs a page fault every 4 kB, which is as much as filtering what is then put there.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > _MOST_KEPT:
        return np.empty(shape, dtype=dtype)
    kept: dict[str, NDArray[np.uint8]] = _own.__dict__.setdefault("kept", {})
    if use not in kept or kept[use].nbytes < n_bytes:
        kept[use] = np.empty(n_bytes, dtype=np.uint8)
    return kept[use][:n_bytes].view(dtype).reshape(shape)


@cache
def _pool() -> ThreadPoolExecutor:
    most = int(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    return ThreadPoolExecutor(most, thread_name_prefix="physioaffect")


class _Limit:
    """Who limits BLAS at the moment; the last one to leave restores what was."""

    def __init__(self) -> None:
        self.lock, self.n_inside, self.limiter = threading.Lock(), 0, None


_limit: Any = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS from starting threads: ours are enough, and its sums would depend on their number."""
    with _limit.lock:
        if _limit.n_inside == 0:
            _limit.limiter = controller().limit(limits=1, user_api="blas")
        _limit.n_inside += 1
    try:
        yield
    finally:
        with _limit.lock:
            _limit.n_inside -= 1
            if _limit.n_inside == 0:
                _limit.limiter.restore_original_limits()


def _forget() -> None:
    """In a process that was forked off: it has none of the threads, nor will they undo their limits."""
    global _limit  # noqa: PLW0603  The lock may have been held by another thread at that moment.
    _limit = _Limit()
    _pool.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
