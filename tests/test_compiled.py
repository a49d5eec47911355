"""Compiled code that is kept on disk is that of the sources: numba sees changes of one file only."""

import ast
import hashlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = [
    path
    for folder in ("physioaffect", "datasets", "graphs", "pinn")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def compiled_functions(path: Path) -> set[str]:
    """Names of a module's functions that are compiled, by themselves or into those that call them."""
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(one).split("(")[0] in {"compiled", "written"} for one in node.decorator_list)
    }


COMPILED = {path: names for path in MODULES if (names := compiled_functions(path))}


def callees_elsewhere() -> dict[Path, list[Path]]:
    """Modules with compiled functions, and the modules from which they import others."""
    found: dict[Path, list[Path]] = {}
    for path in COMPILED:
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ImportFrom):
                continue
            # Names are unique in their folder: compiled code calls its neighbours only.
            source = path.with_name((node.module or "").split(".")[-1] + ".py")
            if COMPILED.get(source, set()) & {alias.name for alias in node.names}:
                found.setdefault(path, []).append(source)
    return found


CALLEES = callees_elsewhere()


def test_the_modules_that_call_compiled_code_of_others_are_found():
    found = {path.name: [one.name for one in sources] for path, sources in CALLEES.items()}
    assert found == {
        "_filter_kernel.py": ["_filter_vectors.py"],
        "_frame_kernel.py": ["_frame_vectors.py"],
        "_interior_point.py": ["_elimination.py"],
    }


@pytest.mark.parametrize("path", CALLEES, ids=lambda path: path.stem)
def test_a_module_changes_with_the_compiled_code_that_it_calls(path):
    """Otherwise an upgrade of the package would go on with what an older version compiled."""
    for source in CALLEES[path]:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
        line = f"# Compiled into this, and numba sees changes of this file only: {source.name} {digest}"
        assert line in path.read_text().splitlines(), f"Let {path.name} say: {line}"
