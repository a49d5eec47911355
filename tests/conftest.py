"""Fixtures that many tests share."""

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings
from support.pages_of_docs import DOCS

from physioaffect import head_start

# Whichever example comes first may have to compile; `make bench` looks at time.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Give each worker of xdist one thread of BLAS and torch; they inherit the environment.

    With one for each core in each worker they wait for one another: small fits take ten times as long.
    """
    if getattr(config.option, "numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def workers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give tasks to worker processes however short they are."""
    there = threading.Event()
    there.set()
    monkeypatch.setattr(head_start, "_are_started", there)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with realdata/ and realeeg/, named by the environment; the test is skipped without it."""
    folder = os.environ.get("PHYSIOAFFECT_TEST_DATA")
    if not folder:
        pytest.skip(
            "needs real recordings: set PHYSIOAFFECT_TEST_DATA to the folder with realdata/ and realeeg/"
        )
    return Path(folder)


@pytest.fixture(scope="session")
def site() -> Iterator[dict[str, ModuleType]]:
    """The modules that make pages of the documentation; they lie beside conf.py, in no package."""
    sys.path.insert(0, str(DOCS / "_site"))
    try:
        yield {name: importlib.import_module(name) for name in ("references", "commands", "data_sets")}
    finally:
        sys.path.remove(str(DOCS / "_site"))
