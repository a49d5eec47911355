"""docs/statistics.md: what it shows is printed, and its tables are measured."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")


def rows(first: str) -> dict[str, list[list[float]]]:
    """Cells of the table whose head begins so, by row; each is a list, one value a number of people."""
    [table] = re.findall(rf"^\| {first} \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()]
    return {name: [[float(value) for value in cell.split(" / ")] for cell in found] for name, *found in cells}


def test_the_page_runs_and_prints_what_it_shows():
    names: dict[str, object] = {}
    shown = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", PAGE, re.DOTALL)
    assert len(shown) >= 5
    for block, text in shown:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, "docs/statistics.md", "exec"), names)
        if text:
            assert printed.getvalue() == text


def test_the_coverage_shown_keeps_what_is_claimed(measure):
    shown = rows("scores")
    assert list(shown) == list(measure.WORLDS)
    for name in measure.CLAIMED:
        for cell in shown[name][:2]:  # t and bootstrap
            assert all(93 <= value <= 97 for value in cell), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normal, SD 0.10", "18 trials, 0.95 ± 0.06"])
def test_the_coverage_shown_is_measured(measure, name):
    found = measure.coverage(name, 8, 10_000, ("t", "bootstrap"))
    shown = [cell[0] for cell in rows("scores")[name][:2]]
    np.testing.assert_allclose([100 * found["t"], 100 * found["bootstrap"]], shown, atol=0.051)


@pytest.mark.slow
def test_what_sharing_people_costs_is_measured(measure):
    found = measure.of_loso(8, 10_000, 0.0)
    names = ("score", *measure.METHODS, "variance", "paired t test", "paired, corrected")
    percent = [found[n] if n in {"score", "variance"} else 100 * found[n] for n in names]
    np.testing.assert_allclose(percent, [cell[0] for cell in rows("effect")["0"]], atol=0.051)
