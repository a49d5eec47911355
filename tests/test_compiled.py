"""Compiled code that is kept on disk is that of the sources: numba sees changes of one file only."""

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from physioaffect.features import SEED_BANDS
from physioaffect.features.filter_bank import BandFilter, band_variance_filtered
from physioaffect.features.stft import band_variance_frames

ROOT = Path(__file__).parents[1]
MODULES = [
    path
    for folder in ("physioaffect", "datasets", "graphs", "pinn")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def compiled_functions(path: Path) -> set[str]:
    """Names of a module's functions that are compiled, by themselves or into those that call them."""
    text = path.read_text()
    return {
        node.name
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
        and (
            any(ast.unparse(one).split("(")[0] in {"compiled", "written"} for one in node.decorator_list)
            # They write instructions.
            or "from llvmlite import ir" in text
        )
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
        "_filter_vectors.py": ["_vectors.py"],
        "_frame_kernel.py": ["_frame_vectors.py"],
        "_frame_vectors.py": ["_vectors.py"],
        "_interior_point.py": ["_elimination.py"],
    }


@pytest.mark.parametrize("path", CALLEES, ids=lambda path: path.stem)
def test_a_module_changes_with_the_compiled_code_that_it_calls(path):
    """Otherwise an upgrade of the package would go on with what an older version compiled."""
    for source in CALLEES[path]:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
        line = f"# Compiled into this, and numba sees changes of this file only: {source.name} {digest}"
        assert line in path.read_text().splitlines(), f"Let {path.name} say: {line}"


def variances() -> dict[str, NDArray[np.float64]]:
    """Through all instructions that stand beside the compiled ones in NumPy."""
    X = np.random.default_rng(0).standard_normal((3, 700)).astype(np.float32)
    with_gap = X.astype(float)
    with_gap[1, 200:230] = np.nan
    first, bands = np.arange(0, 600, 100), SEED_BANDS.within((1, 45))
    found = {
        f"frames of {n}": band_variance_frames(X, first, n, sfreq=float(n), bands=SEED_BANDS.within((4, 20)))
        for n in (75, 81, 90, 100, 128)
    }
    phases: tuple[Literal["zero", "causal"], ...] = ("zero", "causal")
    for phase in phases:
        for name, x in {"whole": X, "gap": with_gap}.items():
            found[f"{phase}, {name}"] = band_variance_filtered(
                x, first, 100, sfreq=100.0, bands=bands, band_filter=BandFilter(phase=phase)
            )
    return found


def test_what_is_not_compiled_gives_the_same(tmp_path):
    """NUMBA_DISABLE_JIT=1 is for debuggers and for the coverage of kernels."""
    told = tmp_path / "plain.npz"
    code = (
        f"import sys, numpy; sys.path[:0] = {[str(Path(__file__).parent)]}; "
        f"import test_compiled; numpy.savez({str(told)!r}, **test_compiled.variances())"
    )
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, check=True)
    compiled = variances()
    with np.load(told) as plain:
        assert set(plain) == set(compiled)
        for name, found in compiled.items():
            # Filters of single precision round in another order.
            assert_allclose(plain[name], found, rtol=1e-12 if "frames" in name else 1e-5, err_msg=name)
