"""Work on threads: in a forked process, inside other work, several at once; and what is compiled is kept."""

import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numba import config
from numpy.testing import assert_array_equal

from physioaffect.features._threads import computing_elsewhere, in_threads, n_threads
from physioaffect.features.bands import SEED_BANDS
from physioaffect.features.filter_bank import band_variance_filtered
from physioaffect.features.stft import band_variance_frames

FIRST = np.arange(0, 3000, 250)


def noise() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((40, 3000))


def both(X: np.ndarray) -> list[np.ndarray]:
    return [
        band_variance_filtered(X, FIRST, 250, sfreq=250.0, bands=SEED_BANDS),
        band_variance_frames(X, FIRST, 250, sfreq=250.0, bands=SEED_BANDS),
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_threads_of_its_own():
    X, expected = noise(), both(noise())
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=lambda: there.send(both(X)))
    process.start()
    try:
        assert here.poll(60), "The forked process waits for threads that it has not."
        for found, wanted in zip(here.recv(), expected, strict=True):
            assert_array_equal(found, wanted)
    finally:
        process.kill()
        process.join()


def test_work_inside_work_never_waits_for_itself():
    done: list[int] = []

    def innermost(number: int) -> None:
        time.sleep(0.001)
        done.append(number)

    def inner(_: int) -> None:
        in_threads(innermost, range(4))

    def outer(_: int) -> None:
        in_threads(inner, range(4))

    threads = [threading.Thread(target=in_threads, args=(outer, range(4)), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert len(done) == 4**4


def test_what_fails_is_raised_when_all_else_has_ended():
    def work(number: int) -> None:
        if number == 1:
            raise ValueError("One of four.")

    with pytest.raises(ValueError, match="One of four"):
        in_threads(work, range(4))


def test_several_threads_at_once_get_what_one_gets():
    loud = [noise() * 4.0**number for number in range(4)]
    expected = [both(X) for X in loud]
    found: list[list[list[np.ndarray]]] = [[] for _ in loud]

    def work(number: int) -> None:
        for _ in range(5):
            found[number].append(both(loud[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, wanted in enumerate(expected):
        assert len(found[number]) == 5
        for one in found[number]:
            assert_array_equal(one[0], wanted[0])
            assert_array_equal(one[1], wanted[1])


SCRIPT = """
import hashlib
from tests.features.test_threads import both, noise
print(hashlib.sha256(b"".join(x.tobytes() for x in both(noise()))).hexdigest())
"""


def run(**environment: str) -> str:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("tests.features.", "")],
        env=os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{Path(__file__).parent}"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("n_threads", ["1", "2", "3"])
def test_the_number_of_threads_changes_no_bit(n_threads):
    expected = hashlib.sha256(b"".join(x.tobytes() for x in both(noise()))).hexdigest()
    assert run(NUMBA_NUM_THREADS=n_threads) == expected


@pytest.mark.slow
def test_a_second_process_finds_all_that_the_first_one_compiled(tmp_path):
    first = run(NUMBA_CACHE_DIR=str(tmp_path))
    kept = sorted(tmp_path.rglob("*.nb?"))
    assert run(NUMBA_CACHE_DIR=str(tmp_path)) == first
    assert kept
    assert sorted(tmp_path.rglob("*.nb?")) == kept


def test_where_nothing_can_be_kept_it_compiles_all_the_same():
    script = """
import numba.core.caching as caching
caching.CacheImpl._locator_classes = []
import numpy as np
from physioaffect.features.differential_entropy import _is_flat
print(_is_flat(np.ones((1, 4)), np.zeros(1, dtype=int), 4).all())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_cores_that_are_in_use_are_left_alone(monkeypatch):
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 4)
    assert n_threads() == 4
    with computing_elsewhere(1), computing_elsewhere(2):
        assert n_threads() == 1
    with computing_elsewhere(8):
        assert n_threads() == 1
    assert n_threads() == 4
