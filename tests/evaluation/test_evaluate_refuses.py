"""What `evaluate` cannot use is refused before any signal is read, with a sentence that mends it."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.tables import VALENCE, feature_table

from physioaffect.datasets import DREAMER, FERPLUS
from physioaffect.errors import PhysioaffectError, RunError
from physioaffect.evaluation import Result, evaluate
from physioaffect.evaluation.running.run_folder import RunFolder
from physioaffect.features import Hjorth, Recipe
from physioaffect.windows import Windowing

OPTIONS: dict[str, Any] = {"models": ["lda"], "protocols": ["loso"], "permutations": 0}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"data": pd.DataFrame({"subject": ["S1"]})},
            r"data must be a data set, its name, or a feature table .*, got DataFrame\. .*own-data\.md",
        ),
        ({"data": FERPLUS}, "data must be a data set, .* got FaceSet"),
        ({"data": None}, "data must be a data set, .* got NoneType"),
        ({"subjects": "S1"}, r"subjects must be a list of names, got 'S1'\."),
        ({"subjects": []}, "subjects names nobody: name some of S1, S2, S3, S4, or leave it out"),
        ({"subjects": [1, 2]}, r"subjects must be a list of names, got \[1, 2\]"),
        ({"n_jobs": 0}, "n_jobs must be a whole number, 1 or more, or -1 for all cores, got 0"),
        ({"n_jobs": 1.5}, "n_jobs must be a whole number, 1 or more, or -1 for all cores, got 1.5"),
        ({"root": "somewhere"}, "A feature table lies in no folder, got root='somewhere'. Leave root out"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, options, sentence):
    settings = {"data": feature_table(), "task": VALENCE, "out": tmp_path / "out"}
    with pytest.raises(PhysioaffectError, match=sentence):
        evaluate(**OPTIONS | settings | options)
    assert not (tmp_path / "out").exists()


def test_people_may_be_named_in_an_array(tmp_path):
    some: Any = np.array(["S1", "S2", "S3"])
    result = evaluate(feature_table(), **OPTIONS, task=VALENCE, subjects=some, out=tmp_path / "out")
    assert set(result.predictions["subject"]) == set(some)


# ---- The folder of another run


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A small DREAMER that was evaluated, and how often a data set is hashed or read from now on."""
    assert DREAMER.simulate is not None
    root = DREAMER.simulate(tmp_path / "dreamer", n_subjects=3, n_clips=4, max_seconds=6)
    recipe = Recipe(windows=Windowing(duration=2), features=(Hjorth(),))
    options = OPTIONS | {"task": "valence", "recipe": recipe}
    evaluate(DREAMER, root, **options, out=tmp_path / "run")
    calls: list[str] = []
    module = "physioaffect.evaluation.evaluating"
    for name in ("identity_of", "extract"):
        own = __import__(module, fromlist=[name]).__dict__[name]

        def count(*args: Any, _own: Any = own, _name: str = name, **more: Any) -> Any:
            calls.append(_name)
            return _own(*args, **more)

        monkeypatch.setattr(f"{module}.{name}", count)
    return root, options, calls


def test_another_run_is_refused_before_anything_is_read(counted, tmp_path):
    root, options, calls = counted
    with pytest.raises(RunError, match=r"holds another run: models, seed differ\. Choose another --out"):
        evaluate(DREAMER, root, **options | {"models": ["knn"]}, seed=1, out=tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file; results need a folder"):
        evaluate(DREAMER, root, **options, out=tmp_path / "file")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        evaluate(DREAMER, root, **options, out=tmp_path / "thesis")
    assert calls == []


def test_other_files_are_refused_before_they_are_read(counted, tmp_path):
    _, options, calls = counted
    assert DREAMER.simulate is not None
    other = DREAMER.simulate(tmp_path / "other", n_subjects=3, n_clips=4, max_seconds=7)
    with pytest.raises(RunError, match="holds another run: data differ"):
        evaluate(DREAMER, other, **options, out=tmp_path / "run")
    assert calls == ["identity_of"]


def test_a_folder_in_which_a_run_is_only_begun_is_continued(tmp_path):
    features: xr.Dataset = feature_table()
    first = evaluate(features, **OPTIONS, task=VALENCE, out=tmp_path / "a")
    with RunFolder(tmp_path / "b", json.loads((tmp_path / "a" / "run.json").read_text())):
        pass
    second = evaluate(features, **OPTIONS, task=VALENCE, out=tmp_path / "b")
    pd.testing.assert_frame_equal(first.predictions, second.predictions)


# ---- A broken run.json


@pytest.mark.parametrize("content", ["{}", '{"task": 3}', '{"request": {}, "task": {}}'])
def test_a_run_that_lacks_what_is_read_of_it_is_told_as_broken(tmp_path, content):
    evaluate(feature_table(), **OPTIONS, task=VALENCE, out=tmp_path)
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"The run in .* cannot be read \(\w+Error: .*\): it was written by"):
        Result.load(tmp_path)


@pytest.mark.parametrize(
    "key", ["request", "dataset", "task", "table", "protocols", "models", "baselines", "exclusions"]
)
def test_a_run_without_one_part_is_told_as_broken(tmp_path, key):
    first = evaluate(feature_table(), **OPTIONS, task=VALENCE, out=tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({k: v for k, v in first.run.items() if k != key}))
    with pytest.raises(RunError, match=rf"The run in .* cannot be read \(KeyError: '{key}'\)"):
        Result.load(tmp_path)
