"""Begin many tasks here, and leave to worker processes what would take long."""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

from joblib import Parallel, delayed
from joblib.parallel import LokyBackend, get_active_backend

__all__ = ["run_here"]

# Worker processes need some seconds to start and to import what they call: after half a second they are asked
# for, if more than this is left.
_SECONDS_TO_SEE = 0.5
_SECONDS_TO_START = 3.0
_SECONDS_BETWEEN = 0.1

# Once they are there, they stay.
_are_started = threading.Event()


def run_here(call: Callable[..., Any], items: Sequence[Any], *, n_jobs: int) -> Iterator[tuple[int, Any]]:
    """Call ``call(item)`` for every item on this machine, through joblib and its `joblib.parallel_config`.

    Parameters
    ----------
    call : callable
        Must not depend on the order of the calls.
    items : sequence
        What differs between the calls.
    n_jobs : int
        Calls at a time.

    Yields
    ------
    number : int
        Position of the item.
    result : object
        What it gave, as soon as it is there.

    Examples
    --------
    >>> sorted(run_here(abs, [1, -2, 3], n_jobs=2))
    [(0, 1), (1, 2), (2, 3)]
    """
    pool = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    backend, _ = get_active_backend()
    costs_time = isinstance(backend, LokyBackend) and backend.effective_n_jobs(n_jobs) > 1
    if not costs_time or _are_started.is_set() or len(items) < 2:
        yield from pool(delayed(_numbered)(call, number, item) for number, item in enumerate(items))
        return
    start = _HeadStart(pool, call, items)
    watcher = threading.Thread(target=start.watch, daemon=True)
    watcher.start()
    try:
        yield from start.run()
    finally:  # After an error, too, or if nobody wants the rest.
        start.is_over.set()
        start.is_abandoned.set()


def _numbered(call: Callable[..., Any], number: int, item: Any) -> tuple[int, Any]:
    return number, call(item)


class _HeadStart:
    """Tasks that are begun here; another thread watches, and takes them to worker processes if they are many.

    So a long task that is under way keeps none waiting, and a few short ones never start a worker.
    """

    def __init__(self, pool: Any, call: Callable[..., Any], items: Sequence[Any]) -> None:
        self.pool = pool
        self.call = call
        self.todo = deque(enumerate(items))
        self.n_done = 0
        self.began = time.monotonic()
        self.is_over = threading.Event()
        self.is_abandoned = threading.Event()
        # (number, result) of a worker, what it raised, and None at the end.
        self.told: SimpleQueue[tuple[int, Any] | BaseException | None] = SimpleQueue()

    def run(self) -> Iterator[tuple[int, Any]]:
        """Work until nothing is left to begin, then wait for the workers."""
        while True:
            try:
                number, item = self.todo.popleft()
            except IndexError:  # All is under way.
                break
            yield number, self.call(item)
            self.n_done += 1
        self.is_over.set()
        while (told := self.told.get()) is not None:
            if isinstance(told, BaseException):
                raise told
            yield told

    def watch(self) -> None:
        """Wait until it is clear that workers pay, and hand them what nobody has begun."""
        try:
            while not self.is_over.wait(_SECONDS_BETWEEN):
                gone = time.monotonic() - self.began
                if gone > _SECONDS_TO_SEE and len(self.todo) * gone / (self.n_done + 1) > _SECONDS_TO_START:
                    self._hand_over()
                    break
        except BaseException as error:
            self.told.put(error)
        self.told.put(None)

    def _hand_over(self) -> None:
        rest = []
        while self.todo:
            try:
                rest.append(self.todo.pop())
            except IndexError:
                break
        rest.reverse()
        _are_started.set()
        results: Any = self.pool(delayed(_numbered)(self.call, number, item) for number, item in rest)
        for result in results:
            self.told.put(result)
            if self.is_abandoned.is_set():
                with warnings.catch_warnings():  # That tasks are cancelled is what is wanted.
                    warnings.simplefilter("ignore")
                    results.close()
                break
