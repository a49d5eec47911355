"""Fixtures that the tests of BIDS share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A study in BIDS of three people; not to be changed."""
    from support.bids import write_study  # mne-bids is an extra.

    return write_study(tmp_path_factory.mktemp("bids") / "study")


@pytest.fixture
def own(study, tmp_path):
    """A copy to be spoilt."""
    return Path(shutil.copytree(study, tmp_path / "own"))
