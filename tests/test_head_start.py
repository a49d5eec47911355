"""Short work is done here, long work by worker processes, each task once."""

import os
import threading
import time
from typing import Any

import pytest
from joblib import parallel_config
from support.tasks import fail_elsewhere, in_thread, touch, where

from physioaffect import head_start
from physioaffect.head_start import run_here
from physioaffect.parallel import run_all


@pytest.fixture(autouse=True)
def no_workers_yet(monkeypatch):
    monkeypatch.setattr(head_start, "_are_started", threading.Event())


@pytest.fixture
def soon(monkeypatch):
    """Hand over after the first moment."""
    monkeypatch.setattr(head_start, "_SECONDS_TO_SEE", 0.05)
    monkeypatch.setattr(head_start, "_SECONDS_TO_START", 0.1)
    monkeypatch.setattr(head_start, "_SECONDS_BETWEEN", 0.01)


def test_short_work_starts_no_process(monkeypatch):
    monkeypatch.setattr(head_start, "_SECONDS_TO_SEE", 60)  # However busy this machine is.
    found = dict(run_here(where, [0.001] * 50, n_jobs=2))
    assert sorted(found) == list(range(50))
    assert set(found.values()) == {os.getpid()}
    assert not head_start._are_started.is_set()


def test_long_work_is_left_to_workers_and_each_task_done_once(soon):
    found = list(run_here(where, [0.1] * 40, n_jobs=2))
    assert sorted(number for number, _ in found) == list(range(40))
    pids = {pid for _, pid in found}
    assert os.getpid() in pids
    assert len(pids) > 1
    # They are there now.
    assert os.getpid() not in dict(run_here(where, [0.0] * 4, n_jobs=2)).values()


def test_a_long_first_task_keeps_the_others_not_waiting(soon):
    found = dict(run_here(where, [1.0, *[0.01] * 10], n_jobs=2))
    assert sorted(found) == list(range(11))
    assert [number for number, pid in found.items() if pid == os.getpid()] == [0]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_come_in_order_where_that_is_asked_for(soon, n_jobs):
    assert list(run_all(pow, range(30), [2], n_jobs=n_jobs, is_ordered=True)) == [k**2 for k in range(30)]


def test_what_a_task_raises_is_raised_wherever_it_ran(soon):
    with pytest.raises(ValueError, match="invalid literal"):
        list(run_here(int, ["1", "one", *"2345"], n_jobs=2))
    with pytest.raises(ValueError, match="lost"):
        list(run_here(fail_elsewhere, [os.getpid()] * 10, n_jobs=2))


def test_who_stops_asking_stops_the_workers(soon, tmp_path):
    list(run_here(where, [0.1] * 10, n_jobs=2))  # So that workers are there.
    head_start._are_started.clear()
    results: Any = run_here(touch, [str(tmp_path / str(k)) for k in range(200)], n_jobs=2)
    for _ in range(4):
        next(results)
    results.close()
    time.sleep(1)
    n_done = len(list(tmp_path.iterdir()))
    time.sleep(1)
    assert len(list(tmp_path.iterdir())) == n_done < 100


def test_threads_cost_nothing_and_begin_at_once():
    with parallel_config(backend="threading"):
        found = dict(run_here(in_thread, [0.05] * 6, n_jobs=2))
    assert threading.get_ident() not in found.values()
    assert len(set(found.values())) == 2
