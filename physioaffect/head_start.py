"""Begin many tasks here, and leave to worker processes what would take long."""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
    try:
        yield from start.run()
    finally:  # After an error, too, or if nobody wants the rest.
        start.end()


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
        # Nothing is left to begin; workers have been asked or never will be; nobody wants more.
        self.is_begun, self.is_decided, self.is_over = (threading.Event() for _ in range(3))
        # What comes from workers, and what went wrong in asking them.
        self.results: Any = iter(())
        self.error: BaseException | None = None
        self.watcher = threading.Thread(target=self._watch, daemon=True)

    def run(self) -> Iterator[tuple[int, Any]]:
        """Work until nothing is left to begin, then wait for the workers."""
        self.watcher.start()
        while True:
            try:
                number, item = self.todo.popleft()
            except IndexError:  # All is under way.
                break
            yield number, self.call(item)
            self.n_done += 1
        self.is_begun.set()
        self.is_decided.wait()
        if self.error is not None:
            raise self.error
        for told in self.results:  # noqa: UP028  `yield from` would stop the workers from this thread.
            yield told

    def end(self) -> None:
        """Stop the watcher, and the workers if they are not done."""
        self.todo.clear()
        self.is_begun.set()
        self.is_over.set()
        self.watcher.join()

    def _watch(self) -> None:
        while not self.is_begun.wait(_SECONDS_BETWEEN):
            gone = time.monotonic() - self.began
            if gone > _SECONDS_TO_SEE and len(self.todo) * gone / (self.n_done + 1) > _SECONDS_TO_START:
                self._hand_over()
                break
        self.is_decided.set()
        self.is_over.wait()
        # Here, because joblib wants workers to be stopped by the thread that has asked them.
        if hasattr(self.results, "close"):
            with warnings.catch_warnings():  # That tasks are cancelled is what is wanted.
                warnings.simplefilter("ignore")
                self.results.close()

    def _hand_over(self) -> None:
        rest = []
        while self.todo:
            try:
                rest.append(self.todo.pop())
            except IndexError:  # Begun here a moment ago.
                break
        rest.reverse()
        _are_started.set()
        try:
            self.results = self.pool(delayed(_numbered)(self.call, number, item) for number, item in rest)
        except BaseException as error:  # It is raised where somebody waits for results.
            self.error = error
