import json
import logging
import shutil
import subprocess
import sys

import pytest
from support.cli import call

from physioaffect.cli_output import plain_errors
from physioaffect.datasets import DATASETS, FACE_SETS, FAMILIES_OF_DATASETS, get_any


@pytest.fixture(scope="module")
def small_dreamer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dreamer")
    code, printed, _ = call("simulate", "dreamer", folder, "--subjects", 3, "--clips", 18, "--seconds", 10)
    assert code == 0
    assert "DREAMER.mat" in printed
    return folder


def test_datasets_lists_every_data_set():
    code, printed, _ = call("datasets")
    assert code == 0
    assert all(f" {name} " in printed for name in (*DATASETS, *FACE_SETS, *FAMILIES_OF_DATASETS))


@pytest.mark.parametrize("name", [*DATASETS, *FACE_SETS])
def test_datasets_tells_all_about_one(name):
    code, printed, _ = call("datasets", name)
    assert code == 0
    known = get_any(name)
    told = " ".join(printed.split())
    for text in (known.title, known.how_to_get, known.layout, *_details(known)):
        assert " ".join(text.split()) in told


def _details(known):
    return (
        [", ".join(known.classes)]
        if known.name in FACE_SETS
        else [t.description for t in known.tasks.values()]
    )


def test_datasets_tells_about_a_family_and_refuses_strangers():
    assert "BIDS" in call("datasets", "bids")[1]
    code, _, complaint = call("datasets", "amigos")
    assert code == 2
    assert "amigos" in complaint


def test_datasets_in_json():
    described = json.loads(call("datasets", "--json")[1])
    assert set(described) == {*DATASETS, *FACE_SETS, *FAMILIES_OF_DATASETS}
    kinds = {name: value["kind"] for name, value in described.items()}
    assert (kinds["dreamer"], kinds["bids"]) == ("trials", "family")
    assert all(kinds[name] == "faces" for name in FACE_SETS)


def test_datasets_in_json_tells_only_what_is_asked_for():
    described = json.loads(call("datasets", "eegmat", "--json")[1])
    assert list(described) == ["eegmat"]
    assert described["eegmat"]["licence"] == DATASETS["eegmat"].licence
    assert list(json.loads(call("datasets", "bids", "--json")[1])) == ["bids"]
    code, printed, complaint = call("datasets", "amigos", "--json")
    assert (code, printed) == (2, "")
    assert "Unknown data set 'amigos': use one of" in complaint


def test_check_says_good_deviates_or_unreadable_by_its_exit_code(tmp_path):
    folder = tmp_path / "stress"
    assert call("simulate", "stress_predict", folder, "--subjects", 2, "--seconds", 20)[0] == 0
    code, printed, progress = call("check", "stress_predict", folder)
    assert code == 0
    assert "Verdict: good, everything is as expected." in printed
    assert "2 of 35 subjects are here: S01, S02." in printed
    assert "checking" in progress
    recording = folder / "S02_E4.zip"
    recording.write_bytes(recording.read_bytes()[:1000])
    code, printed, _ = call("check", "stress_predict", folder)
    assert code == 1
    assert "Verdict: it deviates, 1 deviation above." in " ".join(printed.split())
    assert "S02_E4.zip is not a readable zip" in " ".join(printed.split())
    code, printed, complaint = call("check", "stress_predict", tmp_path)
    assert code == 2
    assert "is not Stress-Predict" in complaint


def test_check_as_json_is_for_scripts(tmp_path):
    call("simulate", "stress_predict", tmp_path / "s", "--subjects", 2, "--seconds", 20, "--seed", 3)
    code, printed, progress = call("check", "stress_predict", tmp_path / "s", "--json")
    assert (code, progress) == (0, "")
    content = json.loads(printed)
    assert content["verdict"] == "good"
    rows = {row["what"]: row for row in content["rows"]}
    assert rows["subjects"] == {"what": "subjects", "expected": "35", "found": "2", "is_good": True}


def test_simulate_passes_on_what_a_simulator_has_and_set_reaches_the_rest(tmp_path):
    code, _, _ = call("simulate", "ferplus", tmp_path / "f", "--set", "n_faces=60")
    assert code == 0
    code, printed, _ = call("check", "ferplus", tmp_path / "f", "--json")
    assert code == 0
    rows = {row["what"]: row["found"] for row in json.loads(printed)["rows"]}
    assert rows["image sizes"].startswith("48 x 48 grey")
    n_shown = sum(int(found) for what, found in rows.items() if what.startswith("images, "))
    assert 0 < n_shown <= 60  # Some are no face, as in the original.


def test_evaluate_prints_a_table_writes_a_report_and_report_repeats_it(small_dreamer, tmp_path):
    out = tmp_path / "out"
    options = ("--model", "lda", "--protocol", "loso,window_random", "--out", out, "--jobs", 1)
    code, printed, _ = call("evaluate", "dreamer", small_dreamer, *options)
    assert code == 0
    for text in ("SIMULATED DATA", "lda", "majority", "prior", "clock_forest", "no claim", "report.html"):
        assert text in printed
    page = (out / "report.html").read_text()
    assert "Simulated data: no score here says anything about people." in page
    (out / "report.html").unlink()
    again = call("report", out)
    assert again[0] == 0
    assert (out / "report.html").read_text() == page
    assert [line for line in again[1].splitlines() if "lda" in line] == [
        line for line in printed.splitlines() if "lda" in line
    ]


def test_json_is_for_scripts(small_dreamer, tmp_path):
    code, printed, _ = call(
        "evaluate", "dreamer", small_dreamer, "--model", "lda", "--out", tmp_path / "o", "--jobs", 1, "--json"
    )
    assert code == 0
    content = json.loads(printed)
    rows = {(row["protocol"], row["model"], row["level"], row["metric"]): row for row in content["scores"]}
    assert 0 <= rows["loso", "lda", "trial", "macro_f1"]["mean"] <= 1
    assert content["run"]["request"]["seed"] == 0


@pytest.mark.usefixtures("workers_at_once")
def test_the_same_command_gives_the_same_predictions(small_dreamer, tmp_path):
    written = []
    for name in ("a", "b"):
        options = ("--model", "random_forest", "--seed", 7, "--out", tmp_path / name, "--jobs", 2)
        assert call("evaluate", "dreamer", small_dreamer, *options)[0] == 0
        written.append((tmp_path / name / "predictions.parquet").read_bytes())
    assert written[0] == written[1]


def test_the_report_names_a_command_that_repeats_it(small_dreamer, tmp_path):
    options = ("--task", "arousal", "--model", "lda", "--window", 4, "--subjects", "1,3", "--seed", 2)
    assert call("evaluate", "dreamer", small_dreamer, *options, "--out", tmp_path / "a", "--jobs", 1)[0] == 0
    run = json.loads((tmp_path / "a" / "run.json").read_text())
    from physioaffect.evaluation.report.render import command_of

    words = command_of(run).split()[1:]
    words = [{"PATH": str(small_dreamer), "OUT": str(tmp_path / "b")}.get(word, word) for word in words]
    assert call(*words)[0] == 0
    assert (tmp_path / "a" / "predictions.parquet").read_bytes() == (
        tmp_path / "b" / "predictions.parquet"
    ).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("evaluate", "joy", "{data}"), "Unknown data set 'joy': use one of"),
        (("evaluate", "dreamer", "{data}/nowhere"), "nowhere"),
        (("evaluate", "dreamer", "{data}", "--model", "xgb"), "There is no model 'xgb'"),
        (("evaluate", "dreamer", "{data}", "--protocol", "lozo"), "Unknown protocol 'lozo'"),
        (("evaluate", "dreamer", "{data}", "--task", "joy"), "has no task 'joy': use one of valence"),
        (
            ("evaluate", "dreamer", "{data}", "--features", "eda"),
            "Features eda need eda; DREAMER has ecg, eeg.",
        ),
        (("evaluate", "dreamer", "{data}", "--features", "des"), "Unknown features 'des'"),
        (("evaluate", "dreamer", "{data}", "--subjects", "1,99"), "has no subject '99'"),
        (("evaluate", "dreamer", "{data}", "--subjects", "1"), "there is only 1: 1. Add people"),
        (("evaluate", "dreamer", "{data}", "--window", "60"), "Nothing in"),
        (("evaluate", "dreamer", "{data}", "--out", "{data}"), "is not empty and holds no run"),
        (
            ("simulate", "eegmat", "{tmp}", "--clips", "3"),
            "EEGMAT does not take --clips: it takes --subjects",
        ),
        (("simulate", "dreamer", "{tmp}", "--set", "joy=3"), "DREAMER does not take joy"),
        (("simulate", "dreamer", "{tmp}", "--set", "joy"), "--set takes NAME=VALUE"),
        (("simulate", "dreamer", "{tmp}", "--set", "n_clips=x"), "--set n_clips takes a number, got 'x'"),
        (("simulate", "bids", "{tmp}"), "no simulator"),
        (("check", "dreamer", "{tmp}"), "has no DREAMER.mat"),
        (("check", "joy", "{tmp}"), "Unknown data set 'joy': use one of"),
        (("check", "bids", "{tmp}"), "has no dataset_description.json"),
        (("evaluate", "ferplus", "{tmp}"), "has faces, not recordings"),
        (("simulate", "dreamer", "{data}"), "DREAMER.mat"),
        (
            ("simulate", "eegmat", "{data}/DREAMER.mat"),
            "File exists. There is something of that name: name another.",
        ),
        (("evaluate", "dreamer", "{data}", "--subjects", ""), "'' names nothing: give names, separated"),
        (("download", "dreamer", "{tmp}"), "cannot be downloaded freely"),
        (("report", "{tmp}"), "is not a result: it has no run.json"),
    ],
)
def test_bad_input_ends_with_a_paragraph_and_exit_code_2(small_dreamer, tmp_path, arguments, sentence):
    filled = [argument.format(data=small_dreamer, tmp=tmp_path) for argument in arguments]
    if arguments[0] == "evaluate" and "--out" not in arguments:
        filled += ["--out", str(tmp_path / "out")]
    code, printed, complaint = call(*filled)
    assert code == 2
    assert sentence in complaint
    assert "Traceback" not in printed + complaint


def test_a_protocol_that_the_data_cannot_support_is_refused(real_data, tmp_path):
    code, _, complaint = call(
        "evaluate", "eegmat", real_data / "realeeg" / "eegmat", "--protocol", "within_subject_trial",
        "--model", "lda", "--out", tmp_path / "out", "--jobs", 1, "--subjects", "Subject00,Subject01",
    )  # fmt: skip
    assert code == 2
    assert "each class needs two trials a person" in complaint


def test_a_broken_person_is_left_out_and_listed_or_stops_a_strict_run(real_data, tmp_path):
    folder = tmp_path / "eegmat"
    folder.mkdir()
    source = real_data / "realeeg" / "eegmat"
    for name in ("Subject00", "Subject01", "Subject02"):
        for part in (1, 2):
            shutil.copyfile(source / f"{name}_{part}.edf", folder / f"{name}_{part}.edf")
    shutil.copyfile(source / "subject-info.csv", folder / "subject-info.csv")
    (folder / "Subject01_2.edf").write_bytes((folder / "Subject01_2.edf").read_bytes()[:100_000])
    options = ("--model", "lda", "--jobs", 1)
    code, printed, _ = call("evaluate", "eegmat", folder, *options, "--out", tmp_path / "out")
    assert code == 0
    assert "Left out: Subject01." in printed
    assert "Subject01_2.edf" in (tmp_path / "out" / "report.html").read_text()
    code, _, complaint = call("evaluate", "eegmat", folder, *options, "--strict", "--out", tmp_path / "s")
    assert code == 2
    assert "Subject01" in complaint


def test_report_of_a_broken_run_is_refused_as_compare_refuses_it(small_dreamer, tmp_path):
    options = ("--model", "lda", "--permutations", 0, "--jobs", 1, "--out", tmp_path / "out")
    assert call("evaluate", "dreamer", small_dreamer, *options)[0] == 0
    (tmp_path / "out" / "run.json").write_text("{}")
    said = [call(command, tmp_path / "out") for command in ("report", "compare")]
    for code, _, complaint in said:
        assert code == 2
        assert "cannot be read (KeyError:" in complaint
        assert complaint.endswith("it was written by another version, or is broken. Run it again.")


def test_a_broken_person_is_told_once(tmp_path):
    """By the table; where nobody handles the log, Python would say it again on standard error."""
    simulated = tmp_path / "eegmat"
    assert call("simulate", "eegmat", simulated, "--subjects", 4, "--seconds", 60)[0] == 0
    recording = simulated / "Subject01_2.edf"
    recording.write_bytes(recording.read_bytes()[:20_000])
    options = ["--model", "lda", "--features", "hjorth", "--permutations", "0", "--jobs", "1"]
    command = ["evaluate", "eegmat", str(simulated), *options, "--out", str(tmp_path / "out")]
    outcome = subprocess.run(
        [sys.executable, "-c", "from physioaffect.cli import main; main()", *command],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (outcome.stdout + outcome.stderr).count("Left out: Subject01.") == 1


def test_version():
    code, printed, _ = call("--version")
    assert code == 0
    assert printed.strip()


def test_what_a_terminal_would_obey_is_escaped(tmp_path):
    code, _, complaint = call("check", "dreamer", tmp_path / "\x1b]0;owned\x07")
    assert code == 2
    assert "\x1b" not in complaint
    assert "\\x1b]0;owned\\x07" in complaint.replace(" ", "")


@pytest.mark.parametrize("of", ["evaluation.evaluating", "features.store"])
def test_what_is_logged_of_files_is_escaped_too(capsys, of):
    """With --json nothing below a table says who was left out, so the log does."""
    with plain_errors():
        logging.getLogger(f"physioaffect.{of}").warning("Left out: S01. It has EEG \x1b]0;owned\x07.")
    told = capsys.readouterr().err
    assert told.split() == ["Note:", "Left", "out:", "S01.", "It", "has", "EEG", "\\x1b]0;owned\\x07."]


@pytest.mark.parametrize("name", ["sim[/x]y", "sim[red]y", "sim:x:y"])
def test_brackets_in_a_name_are_no_markup(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert call("simulate", "eegmat", name, "--subjects", 1, "--seconds", 60)[0] == 0
    code, printed, complaint = call("check", "eegmat", name)
    assert code in (0, 1), complaint
    assert f"EEGMAT in {name}" in printed


def test_objects_in_an_array_are_refused_without_advice_to_unpickle_them(tmp_path):
    (tmp_path / "s.csv").write_text("row,side\n0,train\n1,test\n")
    (tmp_path / "c.csv").write_text("row,subject\n0,a\n1,b\n")
    (tmp_path / "x.npy").write_bytes(b"no array of numbers")
    tables = (tmp_path / name for name in ("s.csv", "c.csv", "x.npy"))
    code, _, complaint = call("audit", next(tables), next(tables), "--features", next(tables))
    assert code == 2
    assert "x.npy is no NumPy array of numbers" in complaint
    assert "pickle.load" not in complaint
    assert "allow_pickle" not in complaint
