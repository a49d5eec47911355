"""Many independent tasks: on the cores of this machine, or on a Dask cluster, with the same results."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioaffect.errors import DataError, RunError
from physioaffect.head_start import run_here

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["open_cluster", "run_all"]

# A worker may be lost with all the data that it holds; so often are they sent anew without any progress.
_N_TRIES = 3
_SECONDS_TO_ANSWER = 20
_SECONDS_TO_START = 600
_ON_NUMBERS_DEPEND = ("physioaffect", "numpy", "scipy", "scikit-learn", "pandas", "torch")

# One task at a time in a process: limits of BLAS threads hold for all of its threads.
_alone = threading.Lock()


def run_all(
    function: Callable[..., Any],
    items: Sequence[Any],
    shared: Sequence[Any] = (),
    *,
    n_jobs: int = 1,
    client: Client | None = None,
    is_ordered: bool = False,
) -> Iterator[Any]:
    """Call ``function(item, *shared)`` for every item.

    Parameters
    ----------
    function : callable
        Must not depend on the order of the calls.
    items : sequence
        What differs between the calls.
    shared : sequence
        What all calls need; on a cluster every worker gets it once.
    n_jobs : int
        Calls at a time on this machine, through joblib and its `joblib.parallel_config`. Worker processes are
        started only where more than seconds of work are left (`physioaffect.head_start`).
    client : distributed.Client, optional
        A Dask cluster, which is used instead. Lost workers' tasks are repeated on others.
    is_ordered : bool
        Whether results come in the order of the items, or as soon as they are there.

    Yields
    ------
    object
        What ``function`` returned.

    Raises
    ------
    RunError
        If workers of the cluster are lost again and again. What ``function`` raises is raised.

    Examples
    --------
    >>> list(run_all(pow, [1, 2, 3], [2]))
    [1, 4, 9]
    """
    folder = str(Path.cwd())
    if client is None:
        numbered = run_here(partial(_with_shared, folder, function, shared), items, n_jobs=n_jobs)
    else:
        numbered = _on_cluster(partial(_call, folder, function), items, shared, client)
    done: dict[int, Any] = {}
    n_given = 0
    for number, result in numbered:
        if not is_ordered:
            yield result
            continue
        done[number] = result
        while n_given in done:
            yield done.pop(n_given)
            n_given += 1


def _with_shared(folder: str, function: Callable[..., Any], shared: Sequence[Any], item: Any) -> Any:
    return _here(folder, function, item, *shared)


def _here(folder: str, function: Callable[..., Any], item: Any, *shared: Any) -> Any:
    """Call it in the caller's folder: workers are kept, and stay where they were started."""
    with suppress(OSError):  # On another machine it may not be there, and paths are then absolute.
        if not _is_in(folder):
            os.chdir(folder)
    return function(item, *shared)


def _is_in(folder: str) -> bool:
    try:
        return Path.cwd() == Path(folder)
    except FileNotFoundError:  # It has been removed.
        return False


def _call(*arguments: Any) -> Any:
    with _alone:
        return _here(*arguments)


def _on_cluster(
    function: Callable[..., Any], items: Sequence[Any], shared: Sequence[Any], client: Client
) -> Iterator[tuple[int, Any]]:
    from distributed import as_completed  # noqa: PLC0415  An extra.
    from distributed.scheduler import KilledWorker  # noqa: PLC0415

    todo = set(range(len(items)))
    tries = 0
    while todo:
        # pyright infers the coroutine that an asynchronous client would give.
        data: list[Any] = (
            client.scatter(list(shared), broadcast=True, hash=False)  # pyright: ignore[reportAssignmentType]
            if shared
            else []
        )
        futures = {
            client.submit(function, items[number], *data, pure=False): number for number in sorted(todo)
        }
        n_before = len(todo)
        try:
            for future in as_completed(futures, loop=client.loop):
                if future.status == "cancelled":
                    # All copies of the data went down with their workers: they are sent once more.
                    continue
                number = futures[future]
                yield number, future.result()
                todo.discard(number)
                # The result is here: workers need not keep it.
                future.release()
        except KilledWorker as error:
            raise RunError(
                "Worker after worker of the cluster was lost over the same task, perhaps for lack of memory: "
                f"{error}. What is finished is kept. Give workers more memory, and the same command again."
            ) from error
        finally:
            client.cancel(list(futures))
        tries = 0 if len(todo) < n_before else tries + 1
        if tries == _N_TRIES:
            raise RunError(
                f"The cluster lost its workers {_N_TRIES} times before any of them finished a task. What is "
                "finished is kept. See the workers' logs, and give the same command again."
            )


@contextmanager
def open_cluster(where: str | Client | None, *, n_workers: int = 1) -> Iterator[Client | None]:
    """Connect to a Dask cluster, or start one through SLURM.

    Parameters
    ----------
    where : str, distributed.Client or None
        A scheduler's address, such as ``"tcp://host:8786"``; ``"slurm"``, which starts workers as the file
        ``jobqueue.yaml`` of Dask's configuration says (see dask-jobqueue) and ends them afterwards; a client,
        which is left open; or None, no cluster.
    n_workers : int
        Jobs of SLURM.

    Yields
    ------
    distributed.Client or None

    Raises
    ------
    DataError
        If ``distributed`` (or, for SLURM, ``dask-jobqueue``) is not installed.
    RunError
        If there is no such cluster, no worker comes, or one has other versions of what numbers depend on.

    Examples
    --------
    >>> from distributed import Client
    >>> options = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    >>> with Client(**options, set_as_default=False) as own, open_cluster(own) as client:
    ...     print(client.submit(sum, [1, 2]).result())
    3
    """
    if where is None:
        yield None
        return
    try:
        from distributed import Client  # noqa: PLC0415
    except ImportError as error:
        raise DataError("A cluster needs Dask: pip install 'physioaffect[cluster]'") from error
    if not isinstance(where, str):
        _check_versions(where)
        yield where
        return
    if where == "slurm":
        with _slurm(n_workers) as cluster, Client(cluster, set_as_default=False) as client:
            _check_versions(client)
            yield client
        return
    if "://" not in where:
        raise RunError(f"A cluster is 'slurm' or an address such as tcp://host:8786, got {where!r}.")
    try:
        client = Client(where, timeout=_SECONDS_TO_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RunError(
            f"No Dask scheduler answers at {where}: {error}. Start one with 'dask scheduler', and workers "
            "with 'dask worker ADDRESS --nthreads 1'."
        ) from None
    with client:
        _check_versions(client)
        yield client


@contextmanager
def _slurm(n_workers: int) -> Iterator[Any]:
    try:
        from dask_jobqueue import SLURMCluster  # noqa: PLC0415  # pyright: ignore[reportPrivateImportUsage]  # Public.
    except ImportError as error:
        raise DataError("SLURM needs dask-jobqueue: pip install 'physioaffect[cluster]'") from error
    try:
        cluster = SLURMCluster()
    except (RuntimeError, TypeError, ValueError) as error:
        raise RunError(
            f"dask-jobqueue cannot start workers: {error} Say cores, memory and queue in jobqueue.yaml; "
            "https://jobqueue.dask.org tells how."
        ) from None
    with cluster:
        cluster.scale(jobs=n_workers)
        yield cluster


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _ON_NUMBERS_DEPEND:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def _check_versions(client: Client) -> None:
    """Refuse workers that would compute other numbers."""
    try:
        client.wait_for_workers(1, timeout=_SECONDS_TO_START)
    except TimeoutError:
        raise RunError(
            f"No worker came to the cluster in {_SECONDS_TO_START} s. Start some: 'dask worker ADDRESS "
            "--nthreads 1'; with SLURM see its queue."
        ) from None
    own = _versions()
    found: dict[str, Any] = client.run(_versions, on_error="return")  # pyright: ignore[reportAssignmentType]
    for worker, theirs in found.items():
        if not isinstance(theirs, dict):
            raise RunError(
                f"Worker {worker} cannot run physioaffect: {theirs}. Install the same version there."
            )
        if differing := [
            f"{name} {theirs[name]} (here {own[name]})" for name in own if own[name] != theirs[name]
        ]:
            raise RunError(
                f"Worker {worker} has other versions, so numbers could differ: {', '.join(differing)}. "
                "Install the same there."
            )
