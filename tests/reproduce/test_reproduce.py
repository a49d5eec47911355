"""Reproductions say what they are, go on where they stopped, and show what a protocol makes of nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import physioaffect.reproduce as room
from physioaffect.cli import app
from physioaffect.datasets import DEAP, DREAMER, World
from physioaffect.errors import DataError, ProtocolError
from physioaffect.reproduce import SYSTEMS, Reproduction, System, reproduce
from physioaffect.reproduce.values import Evaluation, Published, Request

PUBLISHED = "published_rbtransformer_windows"


def without_networks(system: System) -> System:
    """The nearest neighbour alone, and protocols that take a moment."""

    def evaluations(request: Request) -> list[Evaluation]:
        whole = system.evaluations(request)
        return [replace(made, models={"1nn": made.models["1nn"]}) for made in whole]

    return replace(system, evaluations=evaluations)


SYSTEM = without_networks(SYSTEMS["rbtransformer"])


@pytest.fixture(scope="module")
def dreamer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, whose signals say nothing of affect."""
    root = tmp_path_factory.mktemp("dreamer")
    DREAMER.simulate(root, World.null(), n_subjects=3, max_seconds=16)  # type: ignore[misc]
    return root


@pytest.fixture(scope="module")
def made(dreamer: Path, tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    return reproduce(SYSTEM, dreamer, out=tmp_path_factory.mktemp("made") / "out", quick=True)


def accuracy(made: Reproduction, protocol: str, model: str, *, by_trial: bool = False) -> float:
    [row] = [
        row
        for row in made.rows
        if (row.protocol, row.model, row.score, row.by_trial) == (protocol, model, "accuracy", by_trial)
    ]
    return row.mean


def test_in_a_world_of_nothing_the_published_protocol_finds_everything(made):
    # Windows are recognised by their neighbours; nothing else is there to be found.
    assert accuracy(made, PUBLISHED, "1nn") > 99
    for protocol in ("rbtransformer_trials", "loso"):
        assert accuracy(made, protocol, "1nn") < accuracy(made, protocol, "majority") + 5
    shared = {row.protocol: row.shared for row in made.rows}
    assert shared == {PUBLISHED: 100, "rbtransformer_trials": 0, "loso": 0}


def test_only_the_published_protocol_has_a_published_number_and_no_claim(made):
    for row in made.rows:
        assert row.is_published == (row.protocol == PUBLISHED) == (row.claim is None)
        assert row.published is None or row.is_published


def test_published_numbers_are_percentages():
    with pytest.raises(ValueError, match="percentage from 0 to 100, got 101"):
        Published(value=101, over="people", source="nowhere")


def test_the_page_and_the_file_say_that_the_run_is_quick_and_simulated(made):
    page = (made.path / "reproduction.html").read_text(encoding="utf-8")
    told = json.loads((made.path / "reproduction.json").read_text(encoding="utf-8"))
    assert told["quick"] is told["simulated"] is True
    assert "Published numbers cannot be compared" in told["verdict"]
    assert told["verdict"].startswith("A quick run")
    assert "reproduced (quick)" in page
    assert "watermark" in page
    assert "no claim" in page
    assert len(told["rows"]) == len(made.rows) == 3 * 2 * 3
    for sentence in told["differences"]:
        assert sentence.partition("'")[0].partition('"')[0] in page
    assert (made.path / "valence" / "report.html").exists()


def test_given_again_it_gives_the_same(made, dreamer):
    before = {name: (made.path / name).read_bytes() for name in ("reproduction.json", "reproduction.html")}
    predictions = made.path / "valence" / "predictions.parquet"
    written = predictions.stat().st_mtime_ns
    reproduce(SYSTEM, dreamer, out=made.path, quick=True)
    assert {name: (made.path / name).read_bytes() for name in before} == before
    assert predictions.stat().st_mtime_ns == written


def test_without_a_path_the_layout_is_simulated(tmp_path):
    def simulate(folder: Path, is_quick: bool) -> Path:
        assert is_quick
        return DREAMER.simulate(folder / "DREAMER.mat", World.null(), n_subjects=3, max_seconds=8)  # type: ignore[misc]

    made = reproduce(replace(SYSTEM, simulate=simulate), out=tmp_path / "out", quick=True)
    assert made.request.is_own_world
    assert "say nothing of affect" in made.verdict
    assert made.n_people == 3


def test_what_cannot_be_is_refused(dreamer, tmp_path):
    with pytest.raises(ProtocolError, match=r"no variant 'book': use one of paper, code\."):
        reproduce(SYSTEM, dreamer, out=tmp_path, variant="book")
    with pytest.raises(ProtocolError, match="no task 'liking' on DREAMER: use some of valence, arousal"):
        reproduce(SYSTEM, dreamer, out=tmp_path, tasks=["liking"])
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"published on DREAMER or DEAP.* and .*nothing is none\."):
        reproduce(SYSTEM, tmp_path / "nothing", out=tmp_path)


def test_the_command_prints_table_claims_and_differences(dreamer, made, monkeypatch):
    monkeypatch.setitem(room.SYSTEMS, "rbtransformer", SYSTEM)
    arguments = [
        "reproduce",
        "rbtransformer",
        str(dreamer),
        "--quick",
        "--out",
        str(made.path),
        "--jobs",
        "1",
    ]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    for said in (
        "QUICK, SIMULATED DATA",
        PUBLISHED,
        "no claim, ",  # With how much of it was trained on.
        "supports a claim",
        "1nn",
        "What differs from what was published",
        "Supports no claim",
    ):
        assert said in result.output
    narrow = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"}).stdout.splitlines()
    assert [line.split()[0] for line in narrow if "±" in line and line.startswith("  ")] == [
        line.split()[0] for line in result.output.splitlines() if "±" in line and line.startswith("  ")
    ]  # No name and no number is broken.
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert told["system"] == "rbtransformer"
    assert {row["protocol"] for row in told["rows"]} == {PUBLISHED, "rbtransformer_trials", "loso"}


def test_the_command_refuses_what_it_does_not_know():
    result = CliRunner().invoke(app, ["reproduce", "emonet"])
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    known = "histn, neurogaze, pinn, rbtransformer, wears, wesad"
    assert f"There is nothing called 'emonet' to reproduce: use {known}." in said


def test_deap_is_known_by_its_files(tmp_path):
    DEAP.simulate(tmp_path / "deap", World.null(), n_subjects=2, n_clips=8, max_seconds=8)  # type: ignore[misc]
    made = reproduce(
        SYSTEM, tmp_path / "deap", out=tmp_path / "out", quick=True, variant="code", tasks=["dominance"]
    )
    assert made.request.dataset.name == "deap"
    assert {row.evaluation for row in made.rows} == {"dominance"}
    assert made.n_people == 2
    assert accuracy(made, PUBLISHED, "1nn") > accuracy(made, "rbtransformer_trials", "1nn") + 20
