"""The commands train and predict: from a data set to a network, from a recording to its predictions."""

import json
import sys
from dataclasses import replace

import mne
import numpy as np
import pandas as pd
import pyedflib
import pytest
from numpy.testing import assert_allclose
from support.cli import call

from physioaffect.datasets import DATASETS
from physioaffect.devices.eeg_file import read_eeg
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.fitted_on_all import fit_on_all
from physioaffect.evaluation.prediction import load_predictor, predict_recording
from physioaffect.features import default_recipe, features_of_trial
from physioaffect.graphs import LinearClassifier, RGNNClassifier, TrainedWith, load_network, save_network
from physioaffect.recording import Signal, Trial
from physioaffect.training import SubjectBalanced

DEAP = DATASETS["deap"]
ELECTRODES = DEAP.ch_names["eeg"]


def train(name, folder, out, *options):
    code, printed, complaint = call("train", name, folder, "-o", out, "--epochs", 2, "--jobs", 1, *options)
    assert code == 0, complaint
    return printed


@pytest.fixture(scope="module")
def deap(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deap")
    code, _, complaint = call("simulate", "deap", folder, "--subjects", 2, "--clips", 6, "--seconds", 24)
    assert code == 0, complaint
    return folder


@pytest.fixture(scope="module")
def linear(deap, tmp_path_factory):
    out = tmp_path_factory.mktemp("linear") / "linear.safetensors"
    train("deap", deap, out, "--model", "linear", "--window", 2)
    return out


@pytest.fixture(scope="module")
def eeg() -> Signal:
    noise = np.random.default_rng(0).standard_normal((32, 30 * 128))
    return Signal(data=2e-5 * noise, sfreq=128.0, ch_names=ELECTRODES, kind="eeg", unit="V")


def write_edf(path, eeg: Signal, *, labels=None, sfreq=None, kind=pyedflib.FILETYPE_EDF):
    """A recording in microvolts, 16 bits (24 in BDF) for 400 of them, and a channel of another kind."""
    bits = 24 if kind == pyedflib.FILETYPE_BDF else 16
    rate = sfreq or eeg.sfreq
    with pyedflib.EdfWriter(str(path), eeg.n_channels + 1, file_type=kind) as writer:
        for row, label in enumerate([*(labels or eeg.ch_names), "Trigger box"]):
            writer.setSignalHeader(
                row,
                {"label": label, "dimension": "uV", "sample_frequency": rate, "physical_min": -200,
                 "physical_max": 200, "digital_min": -(2 ** (bits - 1)), "digital_max": 2 ** (bits - 1) - 1,
                 "prefilter": "", "transducer": ""},
            )  # fmt: skip
        writer.writeSamples([*(1e6 * eeg.data), np.zeros(eeg.n_times)])
    return path


def probabilities(printed: str) -> np.ndarray:
    told = json.loads(printed)
    return np.array([[row[f"p_{name}"] for name in told["classes"]] for row in told["windows"]])


def test_train_says_what_it_did_and_that_it_claims_nothing(deap, tmp_path):
    out = tmp_path / "folder" / "mlp.safetensors"
    printed = train("deap", deap, out, "--model", "mlp", "--window", 2)
    said = " ".join(printed.split())
    assert "mlp learned valence of DEAP, preprocessed from 2 people, 144 windows." in said
    assert "This says nothing of others: evaluate does." in said
    assert out.is_file()
    assert call("train", "--help")[1].count("no claim of accuracy") == 1


def test_train_in_json(deap, tmp_path):
    out = tmp_path / "m.safetensors"
    options = ("--model", "linear", "--window", 1, "--task", "quadrants", "--subjects", "s01", "--json")
    told = json.loads(train("deap", deap, out, *options))
    assert (told["n_subjects"], told["n_windows"], told["exclusions"]) == (1, 144, [])
    assert (told["task"], told["out"]) == ("quadrants", str(out))
    assert told["classes"] == list(DEAP.tasks["quadrants"].classes)


def test_a_regression_predicts_numbers(deap, eeg, tmp_path):
    out, recording = tmp_path / "m.safetensors", write_edf(tmp_path / "r.edf", eeg)
    train("deap", deap, out, "--model", "mlp", "--window", 2, "--task", "valence_score")
    code, printed, _ = call("predict", out, recording, "--out", tmp_path / "p.csv")
    assert code == 0
    assert "mean " in printed
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table) == ["start", "duration", "quality", "prediction"]
    assert table["prediction"].between(-20, 30).all()
    told = json.loads(call("predict", out, recording, "--json")[1])
    assert_allclose([row["prediction"] for row in told["windows"]], table["prediction"])


def test_one_seed_makes_one_network(deap, tmp_path):
    files = []
    for number, seed in enumerate((1, 1, 2)):
        out = tmp_path / f"{number}.safetensors"
        train("deap", deap, out, "--model", "mlp", "--seed", seed, "--window", 2)
        files.append(load_network(out).network_.state_dict())
    same, other = (all(np.array_equal(files[0][name], one[name]) for name in files[0]) for one in files[1:])
    assert same
    assert not other


def test_predict_prints_a_line_a_window_and_writes_the_same_table(linear, eeg, tmp_path):
    recording, out = write_edf(tmp_path / "r.edf", eeg), tmp_path / "p.csv"
    code, printed, complaint = call("predict", linear, recording, "--out", out)
    assert code == 0, complaint
    table = pd.read_csv(out)
    assert table["start"].tolist() == list(range(0, 30, 2))
    assert table["prediction"].isin(["low", "high"]).all()
    assert_allclose(table["p_low"] + table["p_high"], 1)
    lines = [line.split() for line in printed.splitlines() if line.split()[3:]]
    rows = [line for line in lines if line[0].isdecimal() and line[2] in ("low", "high")]
    assert [[row["start"], row["prediction"]] for _, row in table.iterrows()] == [
        [int(row[0]), row[2]] for row in rows
    ]
    said = " ".join(printed.split())
    assert f"low {(table['prediction'] == 'low').sum()} of 15" in said
    assert "Task valence, learned from deap (32 electrodes at 128 Hz)" in said


def test_predict_is_the_recipe_and_the_network_and_nothing_else(linear, eeg, tmp_path):
    recording = write_edf(tmp_path / "r.edf", eeg)
    network, recipe = load_network(linear), load_predictor(linear).origin.recipe
    signals = {"eeg": read_eeg(recording, ELECTRODES)}
    trial = Trial(dataset="own", subject="1", trial="1", stimulus="", signals=signals)
    features = features_of_trial(trial, recipe)["de"]
    code, printed, _ = call("predict", linear, recording, "--json")
    assert code == 0
    assert_allclose(probabilities(printed), network.predict_proba(features.values), atol=1e-12)


@pytest.mark.parametrize("suffix", [".edf", ".bdf", "_raw.fif"])
def test_order_and_spelling_of_channels_and_format_do_not_matter(linear, eeg, tmp_path, suffix):
    order = np.random.default_rng(1).permutation(32)
    shuffled = replace(eeg, data=eeg.data[order], ch_names=tuple(ELECTRODES[k] for k in order))
    old = {"T7": "EEG T3", "T8": "EEG T4", "P7": "EEG T5-REF", "P8": "T6..", "O1": "o1"}
    labels = [old.get(name, name) for name in shuffled.ch_names]
    path = tmp_path / f"other{suffix}"
    if suffix == "_raw.fif":
        replace(shuffled, ch_names=tuple(labels)).to_mne().save(path, verbose="error")
    else:
        kind = pyedflib.FILETYPE_BDF if suffix == ".bdf" else pyedflib.FILETYPE_EDF
        write_edf(path, shuffled, labels=labels, kind=kind)
    found = predict_recording(linear, path).windows
    expected = predict_recording(linear, eeg).windows
    # 400 uV in 2^16 steps are 6 nV each.
    assert_allclose(found["p_low"], expected["p_low"], atol=1e-4)
    assert np.ptp(expected["p_low"]) > 0.01


def test_the_same_network_as_onnx_says_the_same(deap, linear, eeg, tmp_path):
    out = tmp_path / "linear.onnx"
    train("deap", deap, out, "--model", "linear", "--window", 2)
    found, expected = (predict_recording(path, eeg).windows for path in (out, linear))
    assert_allclose(found["p_low"], expected["p_low"], atol=1e-5)
    assert found["prediction"].tolist() == expected["prediction"].tolist()


def test_a_network_trained_in_another_way_on_a_card_that_is_not_here_predicts(linear, deap, eeg, tmp_path):
    model = TrainedWith(LinearClassifier(epochs=1), sampler=SubjectBalanced(), mixup=0.2)
    fitted = fit_on_all(DEAP, deap, model, load_predictor(linear).origin.recipe, task=DEAP.tasks["valence"])
    fitted.model.set_params(model__device="cuda")
    path = save_network(fitted.model, tmp_path / "m.safetensors", origin=fitted.origin)
    assert predict_recording(path, eeg).windows["p_low"].between(0, 1).all()


def test_raw_windows_are_predicted_like_those_of_the_training(deap, tmp_path):
    out = tmp_path / "eegnet.safetensors"
    train("deap", deap, out, "--model", "eegnet", "--window", 2, "--clean")
    origin = load_predictor(out).origin
    trial = replace(next(iter(DEAP.read(deap))), baseline=None)
    (step,) = origin.recipe.cleaning
    windows = step(trial).signal("eeg").data.reshape(32, 12, 256).swapaxes(0, 1)
    found = predict_recording(out, trial.signal("eeg")).windows
    is_there = found["prediction"].notna().to_numpy()
    assert is_there.sum() > 5
    expected = load_network(out).predict_proba(windows[is_there])
    assert_allclose(found.loc[is_there, ["p_low", "p_high"]], expected, atol=1e-6)


def test_windows_without_enough_samples_get_no_prediction(linear, eeg, tmp_path):
    data = eeg.data.copy()
    data[3, 128 * 10 : 128 * 12] = np.nan
    found = predict_recording(linear, replace(eeg, data=data)).windows
    assert found.index[found["prediction"].isna()].tolist() == [5]
    assert found["quality"][5] == 0
    raw = replace(eeg, data=data).to_mne()
    raw.save(tmp_path / "gap_raw.fif", verbose="error")
    code, printed, _ = call("predict", linear, tmp_path / "gap_raw.fif")
    assert code == 0
    assert "too few good samples" in printed
    assert "1 windows without a prediction" in " ".join(printed.split())
    told = json.loads(call("predict", linear, tmp_path / "gap_raw.fif", "--json")[1])
    assert told["windows"][5]["prediction"] is None
    assert told["windows"][5]["p_low"] is None


def test_a_faster_recording_is_resampled_when_asked(linear, eeg, tmp_path):
    t = np.arange(30 * 512) / 512
    phases = np.arange(32)[:, np.newaxis]
    tones = np.sum([np.sin(2 * np.pi * f * t + phases) for f in (2, 6, 10, 20, 40)], axis=0)
    fast = replace(eeg, data=1e-5 * tones, flags=np.zeros(30 * 512, np.uint8), sfreq=512.0)
    slow = replace(eeg, data=1e-5 * tones[:, ::4])
    path = write_edf(tmp_path / "fast.edf", fast)
    code, _, complaint = call("predict", linear, path)
    assert code == 2
    assert "sampled at 512 Hz, the network learned from 128 Hz. Resample it (--resample)." in complaint
    assert call("predict", linear, path, "--resample")[0] == 0
    found, expected = predict_recording(linear, fast, resample=True), predict_recording(linear, slow)
    assert_allclose(found.windows["p_low"][1:-1], expected.windows["p_low"][1:-1], atol=0.02)


def test_a_network_that_compares_with_rest_asks_for_it(deap, eeg, tmp_path):
    out = tmp_path / "m.safetensors"
    train("deap", deap, out, "--model", "linear", "--window", 2, "--baseline", "subtract", "--smooth", "lds")
    recording = write_edf(tmp_path / "r.edf", eeg.crop(0, 20))
    code, _, complaint = call("predict", out, recording)
    assert code == 2
    assert "relative (subtract) to the rest before: say how many seconds" in complaint
    told = json.loads(call("predict", out, recording, "--rest", 6, "--json")[1])
    assert [row["start"] for row in told["windows"]] == [0, 2, 4, 6, 8, 10, 12]
    assert "cannot begin with 20 s of rest" in call("predict", out, recording, "--rest", 20)[2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda eeg: replace(eeg.pick(ELECTRODES[:30])), "lacks PO4, O2; it has Fp1, .* Needed are .* O2"),
        (lambda eeg: replace(eeg, ch_names=("T3", *ELECTRODES[1:])), "'T3' and 'T7', which both mean .* T7"),
        (lambda eeg: eeg.crop(0, 1), "lasts 1 s, a window of the network 2 s"),
        (
            lambda eeg: replace(eeg, data=eeg.data[:, ::2], flags=eeg.flags[::2], sfreq=64.0),
            "above 32 Hz was not recorded",
        ),
    ],
    ids=["fewer", "twice", "short", "slow"],
)
def test_a_recording_that_does_not_fit_is_refused_in_a_sentence(linear, eeg, tmp_path, change, said):
    with pytest.raises(DataError, match=said):
        predict_recording(linear, write_edf(tmp_path / "r.edf", change(eeg)))


def test_a_signal_that_does_not_fit_is_refused_in_a_sentence(linear, eeg):
    with pytest.raises(DataError, match=r"The recording lacks O2; it has Fp1, .* learned from Fp1, "):
        predict_recording(linear, eeg.pick(ELECTRODES[:-1]))
    with pytest.raises(DataError, match=r"The recording is in au, the network learned from V"):
        predict_recording(linear, replace(eeg, unit="au"))
    with pytest.raises(DataError, match=r"learned from 128 Hz: Cannot resample from 1000\.1 to 128 Hz"):
        predict_recording(linear, replace(eeg, sfreq=1000.1), resample=True)


@pytest.mark.parametrize(
    ("recording", "content", "said"),
    [
        ("r.edf", b"no recording", "begins with b'no recor', not with the header of an EDF"),
        ("r.edf", b"", "not with the header of an EDF"),
        ("r.fif", b"no recording", "cannot be read by mne"),
        ("r.docx", b"no recording", "cannot be read by mne"),
        ("r.txt", b"no recording", "cannot be read by mne: its reader stopped with a bare "),
        ("none.edf", None, "There is no file"),
    ],
)
def test_what_is_no_recording_is_refused_in_a_sentence(linear, tmp_path, recording, content, said):
    if content is not None:
        (tmp_path / recording).write_bytes(content)
    code, _, complaint = call("predict", linear, tmp_path / recording)
    assert code == 2
    assert said in complaint


def test_what_is_no_network_is_refused_in_a_sentence(deap, linear, tmp_path, monkeypatch):
    def complaint(model):
        code, _, said = call("predict", model, tmp_path / "r.edf")
        assert code == 2
        return said

    assert "file named .safetensors or .onnx, got 'm.pt'" in complaint(tmp_path / "m.pt")
    assert "There is no file" in complaint(tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes(b"no network")
    assert "m.onnx.json is missing" in complaint(tmp_path / "m.onnx")
    beside = tmp_path / "m.onnx.json"
    beside.write_text("{}")
    assert "is not what export_onnx writes: KeyError('layout')" in complaint(tmp_path / "m.onnx")
    beside.write_text('{"layout": ["channel", "band"], "classes": [], "window": [1, 2], "origin": null}')
    assert "is no ONNX file, or damaged" in complaint(tmp_path / "m.onnx")
    unknown = save_network(load_network(linear), tmp_path / "m.safetensors")
    assert "does not tell what its network learned from" in complaint(unknown)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "pip install 'physioaffect[onnx]'" in complaint(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "lda"], "'lda' cannot be saved: only networks can, dgcnn, "),
        (["--task", "joy"], "DEAP, preprocessed has no task 'joy': use one of valence"),
        (["--features", "hjorth"], "wants windows of EEG, channel x band; the recipe makes hjorth ("),
        (["--out", "m.pt"], "MODEL.safetensors or MODEL.onnx, got 'm.pt'"),
        (["--subjects", "s99"], "has no subject 's99'"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(deap, tmp_path, options, said):
    code, _, complaint = call("train", "deap", deap, "-o", tmp_path / "m.safetensors", *options)
    assert code == 2
    assert said in complaint
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("model", "lacking"),
    [(RGNNClassifier(node_dat=True), "unlabelled"), (LinearClassifier(patience=3), "validation")],
    ids=["adversary", "patience"],
)
def test_a_network_that_needs_a_test_person_or_validation_is_refused(deap, model, lacking):
    with pytest.raises(
        ProtocolError, match=f"uses {lacking} windows, and when a model is fitted on everyone"
    ):
        fit_on_all(DEAP, deap, model, default_recipe(DEAP), task=DEAP.tasks["valence"])


def test_real_recordings_from_training_to_prediction(real_data, tmp_path):
    folder, out = real_data / "realeeg" / "eegmat", tmp_path / "m.safetensors"
    train("eegmat", folder, out, "--model", "dgcnn", "--subjects", "Subject00,Subject01,Subject02")
    path = folder / "Subject10_1.edf"
    code, printed, complaint = call("predict", out, path, "--json")
    assert code == 0, complaint
    found = probabilities(printed)
    # What the data set's reader, which reads by mne, makes of the same file.
    whole = DATASETS["eegmat_whole"]
    trial = next(iter(whole.read(folder, subjects=["Subject10"])))
    features = features_of_trial(trial, load_predictor(out).origin.recipe)["de"]
    assert len(features) == len(found) == 37
    assert_allclose(found, load_network(out).predict_proba(features), atol=1e-5)
    # The other set has all of these electrodes, but is sampled at 160 Hz.
    code, _, complaint = call("predict", out, real_data / "realeeg" / "eegmmidb_S001" / "S001R01.edf")
    assert code == 2
    assert "sampled at 160 Hz, the network learned from 500 Hz: what lies above 80 Hz" in complaint
    assert mne.io.read_raw_edf(path, verbose="error").ch_names[6] == "EEG T3"  # Found as T7.
