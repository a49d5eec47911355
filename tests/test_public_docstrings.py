"""What a package hands out says what it takes."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import physioaffect

pytest.importorskip("torch")
pytest.importorskip("transformers")

# These lie beside the package in the tree, and pkgutil does not see them; page is for our own pages.
ROOMS = ("datasets", "graphs", "pinn")
OURS = "physioaffect.page"


def _faces() -> Iterator[str]:
    yield from (f"physioaffect.{room}" for room in ROOMS)
    for found in pkgutil.walk_packages(physioaffect.__path__, "physioaffect."):
        if found.ispkg and found.name != OURS and "._" not in found.name:
            yield found.name


def _lacks_parameters(function: Callable[..., Any]) -> bool:
    has_some = bool(inspect.signature(function).parameters)
    return has_some and "Parameters\n----------\n" not in (inspect.getdoc(function) or "")


@pytest.mark.parametrize("face", sorted(set(_faces())))
def test_every_function_of_a_face_has_a_section_of_parameters(face):
    module = importlib.import_module(face)
    handed_out = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    functions = {name: one for name, one in handed_out.items() if inspect.isfunction(one)}
    assert [name for name, one in functions.items() if _lacks_parameters(one)] == []


def test_one_that_lacks_it_would_be_found():
    def lacking(x: int) -> int:
        """Double."""
        return 2 * x

    assert _lacks_parameters(lacking)
    assert not _lacks_parameters(lambda: None)
