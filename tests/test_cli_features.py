"""The command features on the simulated and the real."""

import html
import json
import re
import shlex

import numpy as np
import pytest
from support.cli import call

from physioaffect.features import open_features


@pytest.fixture(scope="module")
def deap(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deap")
    code, _, complaint = call("simulate", "deap", folder, "--subjects", 2, "--clips", 3, "--seconds", 12)
    assert code == 0, complaint
    return folder


FAMILIES_OF_EEG = (
    *("de", "dasm", "rasm", "asm", "dcau", "faa", "topomap", "band_power", "spectral_entropy", "aperiodic"),
    *("hjorth", "line_length", "fractal_dimension", "connectivity", "covariance"),
)


@pytest.mark.parametrize(
    "family",
    [pytest.param(one, marks=[pytest.mark.slow] if one == "aperiodic" else []) for one in FAMILIES_OF_EEG],
)
def test_every_family_comes_out_of_deap(deap, tmp_path, family):
    out = tmp_path / "deap.zarr"
    code, printed, complaint = call("features", "deap", deap, "-o", out, "--features", family, "--window", 4)
    assert code == 0, complaint
    assert f"{family}: 18 window" in printed
    assert "2 people" in printed
    table = open_features(out)
    assert np.isfinite(table[family].values).mean() > 0.7  # A map has corners, a ratio is bounded.
    assert np.unique(table["subject"]).tolist() == ["s01", "s02"]


def test_what_is_too_short_for_a_window_is_told(real_data, tmp_path):
    """Of three devices' recordings two last less than two seconds."""
    folder = real_data / "realdata" / "devicely"
    code, printed, complaint = call(
        "features", "wearable", folder, "-o", tmp_path / "x.zarr", "--features", "motion", "--window", 10
    )
    assert code == 0, complaint
    told = " ".join(printed.split())
    assert "2 expected exclusions: the first is muse_read_test_data, trial muse_read_test_data.csv. T" in told
    assert "1 person:" in told


def test_json_says_shapes_and_origin(deap, tmp_path):
    code, printed, _ = call(
        "features", "deap", deap, "-o", tmp_path / "x.zarr", "--subjects", "s02", "--json"
    )
    assert code == 0
    told = json.loads(printed)
    assert told["features"]["de"]["channel"] == 32
    assert told["n_subjects"] == 1
    assert told["source_hash"].startswith("blake3:")
    assert told["exclusions"] == []


def test_cleaning_baseline_and_smoothing_change_what_is_stored_under_the_same_name(deap, tmp_path):
    out, seen = tmp_path / "deap.zarr", []
    # The rest before a clip lasts 3 s.
    for options in (
        [],
        ["--baseline", "subtract"],
        ["--smooth", "lds"],
        ["--smooth", "mean_causal:3"],
        ["--clean"],
    ):
        code, _, complaint = call("features", "deap", deap, "-o", out, "--window", 2, *options)
        assert code == 0, complaint
        seen.append(open_features(out)["de"].values)
    for index, one in enumerate(seen):
        assert all(not np.array_equal(one, other, equal_nan=True) for other in seen[:index])
    assert call("features", "deap", deap, "-o", out, "--window", 2)[0] == 0
    assert np.array_equal(open_features(out)["de"].values, seen[0], equal_nan=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--features", "magic"], "Unknown features 'magic': use some of de, dasm"),
        (["--smooth", "mean"], "smooth is 'mean'; expected lds, lds_causal, mean:N or mean_causal:N"),
        (["--smooth", "mean:0"], "expected lds, lds_causal, mean:N or mean_causal:N"),
        (["--baseline", "divide"], "Unknown way 'divide' to remove a baseline: use ratio, subtract, z"),
        (["--subjects", "s99"], "s99"),
        (["--window", "40"], "Nothing|There is nothing to store"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(deap, tmp_path, options, said):
    code, _, complaint = call("features", "deap", deap, "-o", tmp_path / "x.zarr", *options)
    assert code == 2
    assert any(part in complaint for part in said.split("|"))


def test_another_recipe_is_told_and_another_data_set_refused(deap, tmp_path):
    out = tmp_path / "x.zarr"
    options = (deap, "-o", out, "--features", "de")
    assert "Note" not in call("features", "deap", *options, "--window", 4)[2]
    code, _, told = call("features", "deap", *options, "--window", 3, "--subjects", "s01", "--json")
    assert code == 0
    assert "Note: The features in" in told
    assert "are of another recipe: those of all people are replaced." in told
    call("simulate", "eegmat", tmp_path / "eegmat", "--subjects", 1, "--seconds", 60)
    code, _, told = call("features", "eegmat", tmp_path / "eegmat", "-o", out)
    assert code == 2
    assert "holds features of deap, and these are of eegmat. Choose another place to write, or delete" in told
    assert open_features(out).attrs["dataset"] == "deap"


def test_the_page_on_quality_names_a_command_that_makes_the_same_numbers(deap, tmp_path):
    options = ("--features", "de", "--window", 2, "--clean", "--baseline", "subtract", "--smooth", "mean:3")
    out = tmp_path / "x.zarr"
    assert call("features", "deap", deap, "-o", out, *options, "--subjects", "s01", "--report")[0] == 0
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    [command] = re.findall(r"<pre><code>(physioaffect features .*?)</code></pre>", page)
    words = [word.replace(str(out), str(tmp_path / "y.zarr")) for word in shlex.split(html.unescape(command))]
    assert call(*words[1:])[0] == 0
    # Attributes differ: a step of None is said as a number.
    assert open_features(tmp_path / "y.zarr").equals(open_features(out))


def test_a_folder_that_is_something_else_is_left_alone(deap, tmp_path):
    (tmp_path / "thesis.txt").write_text("months of work")
    code, _, complaint = call("features", "deap", deap, "-o", tmp_path)
    assert code == 2
    assert str(tmp_path) in complaint
    assert (tmp_path / "thesis.txt").read_text() == "months of work"


def assert_holds_every_family(store):
    table = open_features(store)
    assert {*table.data_vars} == {*FAMILIES_OF_EEG}
    for family, values in table.data_vars.items():
        # A map has corners, a ratio is bounded.
        least = 0.7 if family in ("topomap", "rasm", "asm") else 1.0
        assert np.isfinite(values).mean() >= least, family


@pytest.mark.slow
def test_real_recordings_give_every_family(real_data, tmp_path):
    out = tmp_path / "eegmat.zarr"
    code, _, complaint = call(
        "features", "eegmat", real_data / "realeeg" / "eegmat", "-o", out,
        "--features", ",".join(FAMILIES_OF_EEG), "--window", 4, "--subjects", "Subject00,Subject01",
    )  # fmt: skip
    assert code == 0, complaint
    assert_holds_every_family(out)


@pytest.mark.slow
def test_simulated_seed_gives_every_family(tmp_path):
    code, _, complaint = call(
        "simulate", "seed", tmp_path / "seed", "--subjects", 1, "--clips", 3, "--seconds", 12
    )
    assert code == 0, complaint
    out = tmp_path / "seed.zarr"
    code, _, complaint = call(
        "features",
        "seed",
        tmp_path / "seed",
        "-o",
        out,
        "--features",
        ",".join(FAMILIES_OF_EEG),
        "--window",
        4,
    )
    assert code == 0, complaint
    assert_holds_every_family(out)
