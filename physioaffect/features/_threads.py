"""Independent work on several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from numba import get_num_threads

Task = TypeVar("Task")


def in_threads(work: Callable[[Task], None], tasks: Sequence[Task]) -> None:
    """Do work that lets go of the interpreter on as many threads as numba may use."""
    if min(n_threads(), len(tasks)) <= 1:
        for task in tasks:
            work(task)
        return
    for done in [_pool(n_threads()).submit(work, task) for task in tasks]:
        done.result()


def n_threads() -> int:
    """As many as numba would use, which joblib limits in its worker processes."""
    # Not numba's own threads: those cannot be entered by two threads at once.
    return int(get_num_threads())


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="physioaffect")
