"""Every public function has an example that runs: in its docstring, on a page, or in a notebook.

Public are the functions that a face of a package hands on, and those of the public modules of the rooms
without one (``signals``, ``devices``) and at the top of the package.
"""

import ast
import doctest
import inspect
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from support.docs_runners import RUNNERS
from support.pages_of_docs import ROOT, blocks

ROOMS = ("physioaffect.signals.", "physioaffect.devices.")
# Modules of such rooms whose functions other modules share, and nobody else calls.
INSIDES = (
    "physioaffect.cli",  # The command line's own, by their beginning; commands are shown as commands.
    "physioaffect.eda_files",  # What the command `eda` writes.
    "physioaffect.progress",  # What long calls tell a progress bar.
    "physioaffect.whole_file",  # How a file is replaced as a whole.
    "physioaffect.signals.beat_detection",  # Steps that the detectors of ECG and PPG share.
    "physioaffect.signals.pieces",  # How long signals are filtered piece by piece.
    "physioaffect.signals.quality_local",  # Running extremes that the rules of quality share.
)


class Shown(NamedTuple):
    """A function by the path under which it is documented."""

    path: str
    name: str
    value: Any


def public_functions(references: ModuleType) -> list[Shown]:
    """Every function that needs an example."""
    found = []
    for thing in references.documented().values():
        is_function = thing.is_documented_itself and not inspect.isclass(thing.value)
        is_of_face = hasattr(references.modules()[thing.module], "__path__")
        is_open = thing.module.startswith(ROOMS) or thing.module.count(".") == 1
        if is_function and (is_of_face or (is_open and not thing.module.startswith(INSIDES))):
            found.append(Shown(thing.path, thing.name, thing.value))
    return found


def names_in(source: str) -> set[str]:
    """Names that are used, be they of a function or of an attribute."""
    nodes = ast.walk(ast.parse(source))
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute)
    }


def called_in(program: str) -> set[str]:
    """Functions of the package that are called, by the names that they have in the package."""
    tree = ast.parse(program)
    imported = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "physioaffect"
        for alias in node.names
    }
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {imported[one.id] for one in called if isinstance(one, ast.Name) and one.id in imported} | {
        one.attr
        for one in called
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id in imported
    }


def has_own_example(function: Shown) -> bool:
    """Whether the docstring's examples use the function, and run."""
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(function.value) or "")
    return any(function.name in names_in(one.source) for one in examples if doctest.SKIP not in one.options)


def without_example(functions: list[Shown], called: set[str]) -> list[str]:
    """Paths of the functions that nothing shows."""
    return [one.path for one in functions if one.name not in called and not has_own_example(one)]


def programs() -> Iterator[str]:
    """What the tests run of pages and notebooks: each page, and each notebook, from top to bottom."""
    for tests in RUNNERS.values():
        for page, _, kind in (block.partition(" ") for run in tests.values() for block in run):
            if kind == "python":
                yield "\n".join(blocks(page, kind))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = [line for cell in cells if cell["cell_type"] == "code" for line in [*cell["source"], "\n"]]
        yield "".join(line for line in lines if not line.startswith(("%", "!")))


@pytest.fixture(scope="module")
def functions(site: dict[str, ModuleType]) -> list[Shown]:
    return public_functions(site["references"])


def test_every_public_function_has_an_example_that_runs(functions):
    assert len(functions) > 300
    called = set().union(*map(called_in, programs()))
    missing = without_example(functions, called)
    assert not missing, f"Neither docstring, page nor notebook shows {', '.join(missing)}."


def test_modules_count_as_insides_only_where_a_function_has_no_example(site):
    references = site["references"]
    unneeded = [
        inside
        for inside in INSIDES
        if not any(
            thing.module.startswith(inside)
            and inspect.isroutine(thing.value)
            and not has_own_example(Shown(thing.path, thing.name, thing.value))
            for thing in references.documented().values()
        )
    ]
    assert unneeded == []


def test_a_function_that_nothing_shows_is_found():
    def doubled(x: float) -> float:
        """Double.

        >>> doubled(2)
        4
        """
        return 2 * x

    def skipped(x: float) -> float:
        """Double, some day.

        >>> skipped(2)  # doctest: +SKIP
        4
        """
        return 2 * x

    def imported(x: float) -> float:
        """Double.

        >>> from physioaffect.nowhere import imported
        >>> 2 * 2
        4
        """
        return 2 * x

    def bare(x: float) -> float:
        return 2 * x

    planted = [Shown(f"own.{one.__name__}", one.__name__, one) for one in (doubled, skipped, imported, bare)]
    assert without_example(planted, set()) == ["own.skipped", "own.imported", "own.bare"]
    assert without_example(planted, {"bare", "skipped"}) == ["own.imported"]


def test_only_calls_of_what_is_imported_from_the_package_count():
    program = """
from physioaffect import plots
from physioaffect.windows import coverage as share, overlaps
from elsewhere import join
share(1)
overlaps
join(2)
plots.plot_hours(3)
model.fit(4)
"""
    assert called_in(program) == {"coverage", "plot_hours"}
