"""Fixtures of the tests of statistics."""

import importlib.util
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="module")
def measure():
    """The tool whose tables docs/statistics.md shows."""
    path = Path(__file__).resolve().parents[3] / "tools" / "measure_coverage.py"
    spec = importlib.util.spec_from_file_location("measure_coverage", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Small matrix products: on a busy machine several threads take fifty times as long as one.
    with threadpool_limits(1):
        yield module
