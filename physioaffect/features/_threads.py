"""Independent work on several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from numba import config

Task = TypeVar("Task")


def n_threads() -> int:
    """As many as numba would use, which joblib limits in its worker processes."""
    # Not numba's own threads: those cannot be entered by two threads at once.
    return int(config.NUMBA_NUM_THREADS)


def in_threads(work: Callable[[Task], None], tasks: Sequence[Task]) -> None:
    """Do work that lets go of the interpreter on as many threads as numba may use, this one among them."""
    n_shares = min(n_threads(), len(tasks))

    def share(number: int) -> None:
        for task in tasks[number::n_shares]:
            work(task)

    others = [_pool().submit(share, number) for number in range(1, n_shares)]
    try:
        if n_shares:
            share(0)
    finally:
        for other in others:
            other.exception()  # Nothing may still write into arrays that the caller has given up.
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads(), thread_name_prefix="physioaffect")
