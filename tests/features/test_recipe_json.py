"""Recipes come back from their JSON as they were, and nothing else does."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from physioaffect.datasets import DATASETS, EEGMAT
from physioaffect.errors import DataError
from physioaffect.features import (
    ASM,
    DASM,
    DCAU,
    EDA,
    FAMILIES,
    LDS,
    RASM,
    RBTRANSFORMER_BANDS,
    Aperiodic,
    BandFilter,
    BandPower,
    Bands,
    Connectivity,
    Covariance,
    DifferentialEntropy,
    FractalDimension,
    FrontalAlphaAsymmetry,
    HeartRate,
    MovingAverage,
    Recipe,
    TopographicMap,
    features_of_trial,
)
from physioaffect.features.recipe_json import PARTS
from physioaffect.recording import Signal, Trial
from physioaffect.signals.beats import BeatsOfHeart
from physioaffect.signals.eda import Decomposition
from physioaffect.signals.eeg import ASR, ICA, BandPass, EEGCleaning, EyeRegression, LineNoise
from physioaffect.windows import Windowing

WINDOWS = Windowing(duration=4, step=0.5, last=60.0, min_coverage=1)


def recipe(*features, **more) -> Recipe:
    return Recipe(windows=WINDOWS, features=features or (DifferentialEntropy(),), **more)


def assert_comes_back(one: Recipe) -> None:
    back = Recipe.from_json(one.to_json())
    assert back == one
    assert back.to_json() == one.to_json()


def told(one: Recipe | None = None) -> dict:
    usual = recipe(cleaning=(EEGCleaning(),), smoothing=(LDS(causal=True),))
    found: dict = json.loads((one or usual).to_json())
    return found


@pytest.mark.parametrize("dataset", ["deap", "eegmat", "seed"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_that_has_a_name_comes_back(name, dataset):
    assert_comes_back(recipe(FAMILIES[name](DATASETS[dataset])))


@pytest.mark.parametrize(
    "family",
    [
        DifferentialEntropy(
            bands=Bands.of(low=(1.5, 4), high=(4, 8)), estimator="bandpass", log_base=2,
            filter=BandFilter(order=3, design="bessel", phase="causal", start="rest"),
        ),
        DifferentialEntropy(bands=RBTRANSFORMER_BANDS, frame=None, precision="double", device="auto"),
        BandPower(total=(1, 60), scale="relative", estimator="multitaper", bandwidth=3),
        Connectivity(bands=None, method="correlation"),
        Covariance(bands=RBTRANSFORMER_BANDS, log=True),
        FractalDimension(methods=("katz",)),
        FrontalAlphaAsymmetry(pairs=(("F3", "F4"), ("F7", "F8")), frame=None),
        Aperiodic(edges=(2, 30), peak_width=(1, 6)),
        EDA(threshold=0.05),
    ],
    ids=lambda family: family.name,
)  # fmt: skip
def test_settings_other_than_the_usual_come_back(family):
    assert_comes_back(recipe(family))


@pytest.mark.parametrize(
    "cleaning",
    [
        EEGCleaning(),
        EEGCleaning(reference=("M1", "M2"), sfreq=128.0, baseline_joins=True),
        EEGCleaning(unusable=None, bad_channels=None, segments=None, reference=None, band=None, dc=False),
        EEGCleaning(
            line=LineNoise(frequency=50.0), band=BandPass(fmin=4, fmax=None, method="iir_causal"),
            ica=ICA(labels=("eye blink",), n_components=8), asr=ASR(cutoff=10.0),
            eyes=EyeRegression(difference=True),
        ),
    ],
    ids=["usual", "reference", "little", "much"],
)  # fmt: skip
def test_cleaning_comes_back(cleaning):
    assert_comes_back(recipe(cleaning=(cleaning, replace(cleaning, signal="other"))))


@given(
    n_windows=st.integers(0, 50).map(lambda n: 2 * n + 1),
    variance=st.floats(1e-300, 1e300),
    baseline=st.sampled_from([None, "ratio", "subtract", "z"]),
    duration=st.floats(0.1, 1e6),
)
def test_numbers_come_back_to_the_last_digit(n_windows, variance, baseline, duration):
    smoothing = (
        MovingAverage(n_windows=n_windows, causal=False),
        LDS(causal=False, process_variance=variance),
    )
    one = recipe(baseline=baseline, smoothing=smoothing)
    assert_comes_back(replace(one, windows=Windowing(duration=duration)))


def test_every_family_by_name_is_known():
    dataset = DATASETS["deap"]
    assert {make(dataset).name for make in FAMILIES.values()} == set(PARTS["features"])


def test_the_recipe_that_came_back_makes_the_same_numbers():
    data = 1e-5 * np.random.default_rng(0).standard_normal((4, 1280))
    eeg = Signal(data=data, sfreq=128.0, ch_names=("F3", "F4", "O1", "O2"), kind="eeg", unit="V")
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="1", signals={"eeg": eeg})
    smoothing = (MovingAverage(n_windows=3, causal=True),)
    one = recipe(cleaning=(EEGCleaning(),), smoothing=smoothing)
    made = features_of_trial(trial, one)["de"].values
    assert len(made) > 10
    assert_array_equal(features_of_trial(trial, Recipe.from_json(one.to_json()))["de"].values, made)


def halved(eda, *, sfreq):
    return Decomposition(eda / 2, eda / 2)


def changed(path: str, value: object) -> str:
    """The usual recipe with one place of its JSON changed, or dropped if the value is ``...``."""
    whole = told()
    *steps, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    place = whole
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "features.0.name",
            "magic",
            "has 'magic' under features; this version .* knows aperiodic",
        ),
        ("features.0.name", ["de"], "has \\['de'\\] under features"),
        ("features.0.name", "eeg_cleaning", "'eeg_cleaning' under features"),
        (
            "cleaning.0.name",
            "os.system",
            "'os.system' under cleaning; this version .* knows beats, ecg_beats, eda_resample, eeg_cleaning",
        ),
        ("smoothing.0.name", "__class__", "'__class__' under smoothing; .* knows lds, moving_average"),
        (
            "features.0.version",
            1,
            "with version 1 of de, this is version 3, which gives other numbers",
        ),
        ("features.0.version", ..., "has name, version and settings"),
        (
            "features.0.settings.magic",
            1,
            "de of the recipe has 'magic', which .* not know; it knows signal",
        ),
        ("features.0.settings.bands.bands.0.__class__", "x", "de.bands.bands of the recipe has '__class__'"),
        ("features.0.settings.bands.bands.0.fmin", 90, "needs 0 < fmin < fmax, got fmin=90"),
        ("features.0.settings.bands.bands.0.fmin", "1", "de.bands.bands.fmin of the recipe cannot be '1'"),
        ("features.0.settings.bands.bands.0.fmin", True, "cannot be True"),
        ("features.0.settings.bands.bands.0.fmin", 10**400, "The recipe cannot be"),
        ("features.0.settings.estimator", "magic", "de.estimator of the recipe cannot be 'magic'"),
        ("cleaning.0.settings.band.order", 2.5, "eeg_cleaning.band.order of the recipe cannot be 2.5"),
        ("cleaning.0.settings.band", "none", "eeg_cleaning.band of the recipe cannot be 'none'"),
        ("smoothing.0.settings.causal", ..., "missing 1 required keyword-only argument: 'causal'"),
        ("smoothing.0.settings", None, "lds of the recipe has 'NoneType'"),
        ("windows.duration", -1, "duration above 0 s"),
        ("windows.duration", None, "windows.duration of the recipe cannot be None"),
        ("windows", ..., "A recipe has baseline, cleaning, features, smoothing, windows, got baseline"),
        ("baseline", "divide", "baseline of the recipe cannot be 'divide'"),
        ("features", [], "needs feature families of different names"),
        ("features", {"0": 1}, "features of the recipe is a list"),
    ],
)
def test_what_is_no_recipe_is_refused_in_a_sentence(path, value, said):
    with pytest.raises(DataError, match=said):
        Recipe.from_json(changed(path, value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The recipe is no JSON"),
        ("[" * 100_000, "The recipe is no JSON"),
        ("9" * 5_000, "The recipe is no JSON"),
        ("null", "got NoneType"),
        ('{"windows": 1}', "got windows"),
        (" " * 2_000_000, "2,000,000 characters is none"),
    ],
    ids=["empty", "deep", "digits", "null", "part", "long"],
)
def test_text_of_another_kind_is_refused(text, said):
    with pytest.raises(DataError, match=said):
        Recipe.from_json(text)


def test_a_setting_that_is_left_out_is_the_usual_one():
    assert Recipe.from_json(changed("features.0.settings.bands", ...)) == Recipe.from_json(json.dumps(told()))


def test_a_function_of_ones_own_does_not_come_back():
    with pytest.raises(DataError, match=r"Unknown decomposition 'tests.*halved': use one of"):
        Recipe.from_json(recipe(EDA(decompose=halved)).to_json())


@pytest.mark.parametrize(
    "family",
    [ASM(), DASM(), DCAU(), RASM(), TopographicMap(), FrontalAlphaAsymmetry()],
    ids=lambda one: one.name,
)
def test_a_recipe_is_another_when_a_family_within_a_family_gives_other_numbers(family, monkeypatch):
    one = recipe(family)
    before, key = one.to_json(), one.key(EEGMAT, "")
    monkeypatch.setattr(DifferentialEntropy, "version", 99)
    assert one.to_json() != before
    assert one.key(EEGMAT, "") != key
    said = f"version 3 of de, of which {family.name} is made, this is version 99"
    with pytest.raises(DataError, match=said):
        Recipe.from_json(before)


def test_a_recipe_that_says_nothing_of_the_parts_of_a_family_is_refused():
    # As earlier versions wrote it, which did not tell them.
    without = told(recipe(DASM()))
    assert without["features"][0].pop("parts") == {"de": 3}
    with pytest.raises(DataError, match="with no version of de, of which dasm is made, this is version 3"):
        Recipe.from_json(json.dumps(without))
    without["features"][0]["parts"] = {"de": 3, "magic": 1}
    with pytest.raises(DataError, match="The parts of dasm in the recipe cannot be"):
        Recipe.from_json(json.dumps(without))


def test_the_steps_within_a_step_are_told():
    (step,) = told(recipe(HeartRate(), cleaning=(BeatsOfHeart(),)))["cleaning"]
    assert set(step["parts"]) == {"ecg_beats", "ppg_beats"}
