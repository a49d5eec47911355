"""Fixtures that many tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with realdata/ and realeeg/, named by the environment; the test is skipped without it."""
    folder = os.environ.get("PHYSIOAFFECT_TEST_DATA")
    if not folder:
        pytest.skip(
            "needs real recordings: set PHYSIOAFFECT_TEST_DATA to the folder with realdata/ and realeeg/"
        )
    return Path(folder)
