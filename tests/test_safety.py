"""Rules for code that reads strangers' files, held against the source itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(
    path
    for folder in ("physioaffect", "graphs", "pinn", "datasets")
    for path in (ROOT / folder).rglob("*.py")
)
FORBIDDEN_CALLS = {"eval", "exec", "load_pickle", "read_pickle", "extractall", "extract_zip"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_evaluated_or_extracted(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
            assert not names & {"pickle", "cPickle", "dill", "shelve", "marshal"}, f"line {node.lineno}"
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            assert name not in FORBIDDEN_CALLS, f"line {node.lineno}: {name}"
            assert not any(
                keyword.arg == "allow_pickle" and getattr(keyword.value, "value", None) is not False
                for keyword in node.keywords
            ), f"line {node.lineno}"
