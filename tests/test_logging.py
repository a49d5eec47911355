"""The library prints nothing and leaves the logging of its users alone."""

import ast
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from physioaffect.training.quiet_exporter import quiet_exporter

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(
    path
    for folder in ("physioaffect", "graphs", "pinn", "datasets")
    for path in (ROOT / folder).rglob("*.py")
    if not path.name.startswith("cli")
)
# Calls that configure the root logger, or whatever everyone shares.
CONFIGURES = {"basicConfig", "dictConfig", "fileConfig", "setLoggerClass", "disable", "captureWarnings"}
# What changes a logger for everyone who uses it; of a filter one can be sure that only one's own is removed.
CHANGES = {"setLevel", "set_log_level", "set_verbosity"}


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found.append((name, node))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_printed_and_no_logging_configured(path):
    for name, node in calls(path):
        assert not (name == "print" and isinstance(node.func, ast.Name)), f"line {node.lineno}"
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        is_logging = isinstance(owner, ast.Name) and owner.id == "logging"
        assert not (is_logging and name in CONFIGURES), f"line {node.lineno}"
        assert name not in CHANGES, f"line {node.lineno}"
        assert not (isinstance(owner, ast.Attribute) and owner.attr == "stdout"), f"line {node.lineno}"


def test_a_planted_print_would_be_found(tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text("def f():\n    print('here')\n")
    assert [name for name, _ in calls(planted)] == ["print"]


def test_importing_every_room_configures_no_logging_and_writes_nothing(tmp_path):
    rooms = [
        "datasets",
        "devices",
        "evaluation",
        "features",
        "graphs",
        "pinn",
        "plots",
        "signals",
        "training",
    ]
    program = (
        "import logging\n"
        "root = logging.getLogger()\n"
        "before = root.level, list(root.handlers), logging.root.manager.disable\n"
        + "".join(f"import physioaffect.{room}\n" for room in rooms)
        + "assert (root.level, list(root.handlers), logging.root.manager.disable) == before\n"
        "own = [n for n in logging.root.manager.loggerDict if n.startswith('physioaffect')]\n"
        "assert all(not logging.getLogger(n).handlers and not logging.getLogger(n).level for n in own)\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_what_changes_a_logger_of_others_would_be_found(tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text("log.set_verbosity(40)\nlogging.getLogger('mne').setLevel(40)\n")
    assert CHANGES >= {name for name, _ in calls(planted)} - {"getLogger"} == {"set_verbosity", "setLevel"}


def test_the_exporter_of_onnx_is_quiet_without_a_change_to_its_logger(caplog):
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = log.level, list(log.filters)
    with quiet_exporter():
        log.warning("To use torchvision, install it.")
        log.error("This is serious.")
        log.setLevel(logging.CRITICAL)  # As another thread may.
    assert caplog.messages == ["This is serious."]
    assert (log.level, log.filters) == (logging.CRITICAL, before[1])
    log.setLevel(before[0])
