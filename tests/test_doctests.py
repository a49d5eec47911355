"""Every example in a docstring runs."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

PACKAGES = ("physioaffect", "physioaffect.graphs", "physioaffect.pinn", "physioaffect.datasets")


def module_names() -> list[str]:
    names = set(PACKAGES)
    for package in PACKAGES:
        found = importlib.import_module(package)
        names |= {module.name for module in pkgutil.walk_packages(found.__path__, f"{package}.")}
    return sorted(names)


@pytest.mark.parametrize("name", module_names())
def test_examples_run(name):
    outcome = doctest.testmod(importlib.import_module(name), extraglobs={"np": np})
    assert outcome.failed == 0
