"""The site has every public name, command and data set; links lead somewhere. `make docs` builds it."""

import base64
import io
import re
import subprocess
import sys
from types import ModuleType

import pandas as pd
import pytest
import typer.main
from support.pages_of_docs import DOCS, PAGES, ROOT, text_of

from physioaffect.cli import app
from physioaffect.datasets import DATASETS, DREAMER, FACE_SETS, World
from physioaffect.evaluation import evaluate


def test_every_public_name_has_an_entry(site):
    references = site["references"]
    pages = references.pages()
    entries = set(
        re.findall(r"^\.\. auto(?:class|function):: (\S+)$", "\n".join(pages.values()), re.MULTILINE)
    )
    data = r"^\.\. py:data:: (\S+)\n   :module: (\S+)$"
    entries |= {f"{m}.{name}" for p in pages.values() for name, m in re.findall(data, p, re.MULTILINE)}
    missing = []
    for module, found in references.modules().items():
        for name in references.public_names(found):
            path = references.where(module, name)
            is_module = isinstance(getattr(found, name), ModuleType)
            if not is_module and not name.startswith("__") and path not in entries:
                missing.append(f"{module}.{name}")
    assert missing == []
    assert len(entries) > 1000


def test_a_name_is_documented_under_the_face_that_hands_it_on(site):
    where = site["references"].where
    assert where("physioaffect.evaluation.evaluating", "evaluate") == "physioaffect.evaluation.evaluate"
    assert where("physioaffect.datasets.deap_bdf", "DEAP_ORIGINAL") == "physioaffect.datasets.DEAP_ORIGINAL"
    assert where("physioaffect.recording", "Signal") == "physioaffect.recording.Signal"


def test_no_two_pages_differ_in_case_alone(site):
    names = list(site["references"].pages())
    assert len({name.lower() for name in names}) == len(names)


def test_every_command_and_option_is_on_the_page(site):
    page = site["commands"].page()
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        [section] = re.findall(rf"^## physioaffect {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        for parameter in command.params:
            for spelt in (
                parameter.opts if parameter.param_type_name == "option" else (parameter.name.upper(),)
            ):
                assert f"`{spelt}`" in section, (name, spelt)


def test_every_data_set_has_a_page_with_its_tasks(site):
    pages = dict(site["data_sets"].pages())
    assert set(pages) == {f"{name}.md" for name in (*DATASETS, *FACE_SETS)}
    for name, data in DATASETS.items():
        for task in data.tasks.values():
            assert f"| `{task.name}` | {task.kind} |" in pages[f"{name}.md"]


def slug(title: str) -> str:
    """A heading's anchor, as Git hosts and MyST make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_are_there(page):
    here = ROOT / page
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)):
        name, _, anchor = target.partition("#")
        if target.startswith(("http:", "https:")) or "generated/" in name:
            continue
        found = (here.parent / name).resolve() if name else here
        assert found.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(title) for title in titles}, target


def test_every_page_is_reached_from_the_index():
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        text = page.read_text(encoding="utf-8")
        named = re.findall(r"\]\(([^)#\s]+\.md)", text)
        waiting += [
            path
            for name in named
            if (path := (page.parent / name).resolve()).is_relative_to(DOCS) and path.exists()
        ]
    left = {path for path in DOCS.glob("**/*.md") if "generated" not in path.parts} - reached
    assert {path for path in left if path.parent.name != "decisions"} == set()


def test_the_methods_that_are_quoted_are_those_of_the_report():
    report = (DOCS / "reports" / "eegmat.html").read_text(encoding="utf-8")
    [coded] = re.findall(
        r'download="methods.txt" href="data:text/plain;charset=utf-8;base64,([^"]*)"', report
    )
    told = base64.b64decode(coded).decode()
    quote = "\n".join(re.findall(r"^> ?(.*)$", text_of("docs/how-to/methods-section.md"), re.MULTILINE))
    paragraphs = [" ".join(part.split()) for part in quote.split("\n\n")]
    assert len(paragraphs) >= 5
    for paragraph in paragraphs:
        assert paragraph in " ".join(told.split())
    n_references = len(re.findall(r"^\[\d+\]", told, re.MULTILINE))
    assert f"and {n_references} references follow" in text_of("docs/how-to/methods-section.md")


def test_the_scores_of_real_recordings_on_the_page_on_leakage_are_those_of_the_report():
    report = (DOCS / "reports" / "eegmat.html").read_text(encoding="utf-8")
    coded = re.findall(r'download="intervals.csv" href="data:text/csv;charset=utf-8;base64,([^"]*)"', report)
    table = pd.read_csv(io.BytesIO(base64.b64decode(coded[0])))
    table = table[(table["metric"] == "balanced_accuracy") & (table["level"] == "window")]
    for protocol, rows in table.groupby("protocol"):
        told = rows.set_index("model")
        shown = [
            f"{told['mean'][model]:.2f} [{told['low'][model]:.2f}, {told['high'][model]:.2f}]"
            for model in ("lda", "logistic", "random_forest")
        ]
        clock = f"{told['mean']['clock_forest']:.2f}"
        assert f"| `{protocol}` | {' | '.join(shown)} | {clock} |" in text_of("docs/explanation/leakage.md")


@pytest.mark.slow
def test_what_leakage_is_worth_in_nothing_is_what_the_page_says(tmp_path):
    """The nearest neighbour's column; the other models take minutes."""
    DREAMER.simulate(tmp_path / "null", World(affect=0), n_subjects=8, max_seconds=60)  # type: ignore[misc]
    page = text_of("docs/explanation/leakage.md")
    rows = re.findall(r"^\| `(\w+)` \| [a-z ]+ \| (\d\.\d\d) \[", page, re.MULTILINE)
    assert len(rows) == 5
    result = evaluate(
        DREAMER,
        tmp_path / "null",
        task="valence",
        models=["knn"],
        protocols=[protocol for protocol, _ in rows],
        permutations=0,
    )
    for protocol, shown in rows:
        assert f"{result.cells()[protocol, 'knn', 'trial', 'macro_f1'].mean:.2f}" == shown


def test_words_are_spelt():
    places = ["README.md", "CONTRIBUTING.md", "docs", "physioaffect", "graphs", "pinn", "datasets"]
    made = subprocess.run(
        [sys.executable, "-m", "codespell_lib", "--config", str(ROOT / ".codespellrc"), *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.stdout == ""
    assert made.returncode == 0, made.stderr
