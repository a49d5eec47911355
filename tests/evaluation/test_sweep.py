import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from physioaffect.datasets import DREAMER
from physioaffect.errors import DataError, ProtocolError, RunError
from physioaffect.evaluation import Result, evaluate
from physioaffect.evaluation.sweeps import sweep as sweep_module
from physioaffect.evaluation.sweeps.experiment_plan import Experiment
from physioaffect.evaluation.sweeps.sweep import Outcome, chosen_runs, is_finished, run_experiment

assert DREAMER.simulate is not None
simulate = DREAMER.simulate
SMALL = """\
seeds = [0, 1]
permutations = 20
tasks = ["valence"]
models = ["lda"]
protocols = ["loso"]

[datasets.dreamer]
path = "dreamer"
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "dreamer"
    simulate(folder, n_subjects=3, max_seconds=6)
    return folder


@pytest.fixture
def folder(tmp_path, data):
    """Where an experiment file lies, beside the data."""
    (tmp_path / "dreamer").symlink_to(data)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data):
    """A folder with a finished experiment of two runs; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "dreamer").symlink_to(data)
    run_experiment(read(folder, SMALL))
    return folder


def read(folder: Path, text: str = SMALL) -> Experiment:
    (folder / "small.toml").write_text(text)
    return Experiment.read(folder / "small.toml")


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def fake(monkeypatch, broken: dict[str, Exception] | None = None) -> list[str]:
    """Replace evaluate by something that only says what it was called for, or breaks."""
    called: list[str] = []

    def stand_in(*_: object, out: Path, **__: object) -> None:
        called.append(out.name)
        if broken and out.name in broken:
            raise broken[out.name]

    monkeypatch.setattr(sweep_module, "evaluate", stand_in)
    return called


def test_each_run_is_the_same_as_evaluate_by_hand(finished, data, tmp_path):
    by_hand = evaluate(
        "dreamer",
        data,
        models=["lda"],
        protocols=["loso"],
        task="valence",
        seed=1,
        permutations=20,
        out=tmp_path / "by_hand",
    )
    run = Result.load(finished / "results" / "small" / "dreamer-valence-seed1")
    assert run.run["request"] == by_hand.run["request"]
    for name in ("run.json", "predictions.parquet", "scores.parquet"):
        assert (run.path / name).read_bytes() == (by_hand.path / name).read_bytes(), name


def test_given_again_nothing_is_read_or_written(finished, monkeypatch):
    before = files_of(finished / "results")
    called = fake(monkeypatch)
    outcomes = run_experiment(read(finished))
    assert [outcome.status for outcome in outcomes] == ["before", "before"]
    assert called == []
    assert files_of(finished / "results") == before


def test_a_finished_run_by_name_is_given_back_without_reading_the_data(finished, data, tmp_path, monkeypatch):
    shutil.copytree(finished / "results" / "small" / "dreamer-valence-seed1", tmp_path / "run")
    before = files_of(tmp_path / "run")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it read the data")

    monkeypatch.setattr("physioaffect.evaluation.evaluating.extract", never)
    again = evaluate(
        "dreamer",
        data,
        models=["lda"],
        protocols=["loso"],
        task="valence",
        seed=1,
        permutations=20,
        out=tmp_path / "run",
    )
    assert again.path == tmp_path / "run"
    after = files_of(tmp_path / "run")
    assert {name: content for name, (_, content) in after.items()} == {
        name: content for name, (_, content) in before.items()
    }


def test_a_run_of_another_request_is_not_finished(finished):
    run = read(finished).runs()[0]
    hashes: dict[str, str] = {}
    assert is_finished(run, hashes)
    assert list(hashes) == ["dreamer"]
    assert not is_finished(replace(run, permutations=30), hashes)


def test_runs_may_be_added_and_only_they_are_made(finished, monkeypatch):
    before = files_of(finished / "results")
    called = fake(monkeypatch)
    more = SMALL.replace("[0, 1]", "[1, 0, 2]").replace('["valence"]', '["arousal", "valence"]')
    outcomes = run_experiment(read(finished, f"# More of it.\n{more}"))
    assert called == [
        "dreamer-arousal-seed1", "dreamer-arousal-seed0", "dreamer-arousal-seed2", "dreamer-valence-seed2"
    ]  # fmt: skip
    assert [outcome.status for outcome in outcomes].count("before") == 2
    copy = finished / "results" / "small" / "experiment.toml"
    assert copy.read_text().startswith("# More of it.")
    copy.write_text(SMALL)
    after = files_of(finished / "results")
    assert {name: content for name, (_, content) in after.items()} == {
        name: content for name, (_, content) in before.items()
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[0, 1]", "[1, 2]", "seed 0 is gone"),
        ('["valence"]', '["arousal"]', "task valence of dreamer is gone"),
        ('["lda"]', '["lda", "knn"]', "models were lda and are lda, knn"),
        ('["lda"]', '{lda = {name = "knn"}}', r"the settings of models differ \(lda\)"),
        ('["loso"]', '["loso_transductive"]', "protocols were loso and are loso_transductive"),
        ('path = "dreamer"', 'path = "dreamer"\nwindow = 3', "window of dreamer was not set and is 3"),
        ('path = "dreamer"', 'path = "dreamer"\nclean = true', "clean of dreamer was false and is true"),
        ("[datasets.dreamer]", '[datasets.other]\nname = "dreamer"', "data set dreamer is gone"),
        ("seeds", "strict = true\nseeds", "strict was false and is true"),
        ("permutations = 20", "permutations = 30", "permutations was 20 and is 30"),
        ("seeds", "refit = 'none'\nseeds", 'refit was "linear" and is "none"'),
    ],
)
def test_a_changed_experiment_over_the_same_folder_is_refused_with_what_differs(finished, old, new, said):
    before = files_of(finished / "results")
    with pytest.raises(RunError, match=f"holds the results of another experiment: {said}. Runs may be added"):
        run_experiment(read(finished, SMALL.replace(old, new, 1)))
    assert files_of(finished / "results") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seeds", "# Words.\nseeds"),
        ('["lda"]', "{lda = {}}"),
        ('path = "dreamer"', 'path = "./dreamer"\nname = "dreamer"\nclean = false'),
        ("[0, 1]", "[1, 0]"),
    ],
)
def test_the_same_in_other_words_is_no_change(finished, monkeypatch, old, new):
    called = fake(monkeypatch)
    outcomes = run_experiment(read(finished, SMALL.replace(old, new, 1)))
    assert called == []
    assert {outcome.status for outcome in outcomes} == {"before"}


def test_other_files_under_the_same_path_are_no_finished_run(finished, tmp_path):
    simulate(tmp_path / "dreamer", n_subjects=3, max_seconds=7)
    text = SMALL.replace('"dreamer"', f'"{tmp_path / "dreamer"}"')
    outcomes = run_experiment(read(finished, text), only=["*seed0"])
    assert [outcome.status for outcome in outcomes] == ["failed"]
    assert "holds another run" in str(outcomes[0].error)
    (finished / "results" / "small" / "experiment.toml").write_text(SMALL)


def test_a_run_without_its_report_is_not_finished(finished, monkeypatch):
    called = fake(monkeypatch)
    report = finished / "results" / "small" / "dreamer-valence-seed0" / "report.html"
    aside = report.with_name("aside.html")
    report.rename(aside)
    run_experiment(read(finished))
    aside.rename(report)
    assert called == ["dreamer-valence-seed0"]


@pytest.mark.slow
@pytest.mark.usefixtures("workers_at_once")
def test_two_sweeps_give_the_same_bytes(finished, folder):
    run_experiment(read(folder), n_jobs=2)
    ours, theirs = (files_of(root / "results" / "small") for root in (folder, finished))
    assert set(ours) == set(theirs)
    for name, (_, content) in ours.items():
        if not name.endswith(("log.jsonl", "experiment.toml")):
            assert content == theirs[name][1], name


def test_a_failing_run_is_reported_and_the_others_go_on(folder, monkeypatch):
    errors = {
        "dreamer-valence-seed1": ProtocolError("No fold is left."),
        "dreamer-valence-seed2": KeyError("x"),
    }
    called = fake(monkeypatch, dict(errors))
    seen: list[Outcome] = []
    outcomes = run_experiment(read(folder, SMALL.replace("[0, 1]", "[0, 1, 2, 3]")), report=seen.append)
    assert called == [f"dreamer-valence-seed{seed}" for seed in range(4)]
    assert [outcome.status for outcome in outcomes] == ["finished", "failed", "failed", "finished"]
    assert seen == outcomes
    assert outcomes[1].error == "No fold is left."
    assert outcomes[1].details is None
    assert outcomes[2].error == "KeyError: 'x'"
    assert "Traceback" in str(outcomes[2].details)


def test_strict_stops_at_the_first_run_that_fails(folder, monkeypatch):
    called = fake(monkeypatch, {"dreamer-valence-seed0": DataError("Broken.")})
    outcomes = run_experiment(read(folder), strict=True)
    assert [outcome.run.name for outcome in outcomes] == called == ["dreamer-valence-seed0"]


def test_an_interrupt_is_no_failing_run(folder, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_module, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(read(folder))


def test_what_evaluate_refuses_fails_that_run_alone(folder):
    alone = '[datasets.alone]\nname = "dreamer"\npath = "dreamer"\nsubjects = ["1"]\n'
    text = SMALL.replace("[datasets.dreamer]", f"{alone}[datasets.dreamer]")
    outcomes = run_experiment(read(folder, text), only=["*seed0"])
    assert [(outcome.run.name, outcome.status) for outcome in outcomes] == [
        ("alone-valence-seed0", "failed"),
        ("dreamer-valence-seed0", "finished"),
    ]
    assert "there is only 1" in str(outcomes[0].error)


def test_only_chooses_runs_by_patterns(folder):
    runs = read(folder, SMALL.replace('["valence"]', '["valence", "arousal"]')).runs()
    assert [run.name for run in chosen_runs(runs, ["*-seed1", "dreamer-valence-*"])] == [
        "dreamer-valence-seed0", "dreamer-valence-seed1", "dreamer-arousal-seed1"
    ]  # fmt: skip
    assert chosen_runs(runs, None) == runs
    with pytest.raises(
        RunError, match=r"No run .* 'dreamer-valence-seed9'. Did you mean dreamer-valence-seed"
    ):
        chosen_runs(runs, ["dreamer-valence-seed9"])


def test_a_folder_with_something_else_is_refused(folder):
    out = folder / "results" / "small"
    out.mkdir(parents=True)
    (out / "holiday.jpg").touch()
    with pytest.raises(RunError, match=r"is not empty and holds no experiment.toml"):
        run_experiment(read(folder))
    (out / "holiday.jpg").unlink()
    out.rmdir()
    out.touch()
    with pytest.raises(RunError, match="is a file; results need a folder"):
        run_experiment(read(folder))


def test_killed_in_the_second_run_it_goes_on_there(folder, finished):
    """SIGKILL while the second run is fitted; the first is not touched, and all ends as if unbroken."""
    out = folder / "results" / "small"
    first, second = out / "dreamer-valence-seed0", out / "dreamer-valence-seed1"
    experiment = read(folder)
    code = (
        "import sys; from physioaffect.evaluation.sweeps.experiment_plan import Experiment; "
        "from physioaffect.evaluation.sweeps.sweep import run_experiment; "
        "run_experiment(Experiment.read(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(experiment.file.path)])
    deadline = time.monotonic() + 120
    while not list(second.glob("parts/*.parquet")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (second / "report.html").exists()
    before = files_of(first)
    outcomes = run_experiment(experiment)
    assert [outcome.status for outcome in outcomes] == ["before", "finished"]
    assert files_of(first) == before
    for name in ("run.json", "predictions.parquet", "scores.parquet", "report.html"):
        unbroken = finished / "results" / "small" / second.name / name
        assert (second / name).read_bytes() == unbroken.read_bytes(), name
    log = [
        json.loads(line)["part"] for line in (second / "log.jsonl").read_text().splitlines() if "part" in line
    ]
    assert len(log) == len(set(log)), "a fold was computed twice"


def test_the_plan_itself_needs_no_torch():
    code = (
        "import sys, physioaffect.evaluation.sweeps.sweep, physioaffect.evaluation.sweeps.compare_page; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ).returncode == 0
