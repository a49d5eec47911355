"""What docs/protocols.md says is so, and what it shows runs."""

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from physioaffect.datasets import DATASETS
from physioaffect.errors import ProtocolError
from physioaffect.evaluation import PROTOCOLS, get_protocol
from physioaffect.evaluation.models import EvenLDA
from physioaffect.evaluation.protocols.recommended import RECOMMENDED, recommended
from physioaffect.evaluation.scoring.metrics import balanced_accuracy

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(blocks: list[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/protocols.md", "exec"), names)
    return names


def test_the_table_is_what_the_protocols_say():
    for name, protocol in PROTOCOLS.items():
        held = ", ".join(protocol.levels)
        assert f"| `{name}` | {held} | {protocol.shares} | {protocol.claim or '**nothing**'} |" in PAGE


def test_every_data_set_has_a_recommendation_that_exists_and_is_in_the_table():
    assert set(RECOMMENDED) == set(DATASETS)
    for name, advice in RECOMMENDED.items():
        for protocol in (advice.primary, *advice.secondary):
            assert get_protocol(protocol).name == protocol
            assert get_protocol(protocol).claim is not None
        assert set(advice.tasks) <= set(DATASETS[name].tasks)
        then, tasks = (", ".join(f"`{one}`" for one in some) for some in (advice.secondary, advice.tasks))
        assert f"| `{name}` | `{advice.primary}` | {then} | {tasks} | {advice.note} |" in PAGE
    with pytest.raises(ProtocolError, match=r"no recommendation for 'mine', only for deap.*Use loso"):
        recommended("mine")


def test_what_the_page_shows_runs(monkeypatch, tmp_path, capsys):
    names = run(BLOCKS[1:], monkeypatch, tmp_path)
    printed = capsys.readouterr().out
    assert "loso_stimulus_3fold: Works for a new person who meets new stimuli" in printed
    assert "('front_back_16', 'cross_session', 'loso_stimulus_3fold')" in printed
    assert "{'n_neighbors': 25}" in printed
    assert "18 of its 32 channels were dropped" in printed
    assert re.search(r"dreamer +dreamer +\d+", printed)
    columns = ("dataset", "subject", "session", "trial", "order", "start", "duration")
    coords = pd.DataFrame({name: names["study"][name].values for name in columns}).assign(target="low")
    [fold] = names["mine"].split(coords, np.random.default_rng(0))
    assert coords["order"].iloc[fold.fitted_idx].max() < coords["order"].iloc[fold.test_idx].min()


@pytest.mark.slow
def test_the_world_of_clips_gives_the_numbers_shown(monkeypatch, tmp_path, capsys):
    run(BLOCKS[:1], monkeypatch, tmp_path)
    assert capsys.readouterr().out.strip() in PAGE


@pytest.mark.slow
def test_clips_that_fix_nothing_but_ratings_are_known_again_by_loso_alone():
    found: dict[str, list[float]] = {"loso": [], "loso_stimulus": []}
    n_people, n_clips = 8, 18
    person, clip = (a.ravel() for a in np.meshgrid(range(n_people), range(n_clips), indexing="ij"))
    for seed in range(40):
        rng = np.random.default_rng(seed)
        liked, response = rng.normal(size=n_clips), rng.normal(size=(n_clips, 30))
        y = np.where(liked[clip] + rng.normal(size=len(clip)) > 0.2, "high", "low")
        X = response[clip] + 0.7 * rng.normal(size=(len(clip), 30)) + rng.normal(size=(n_people, 30))[person]
        about = {"subject": person, "trial": clip, "stimulus": clip, "order": clip, "target": y}
        coords = pd.DataFrame(about).assign(dataset="made", session="1", window=0, start=0.0, duration=2.0)
        for name, scores in found.items():
            predicted = np.empty_like(y)
            for fold in get_protocol(name).split(coords, np.random.default_rng(seed)):
                model = make_pipeline(StandardScaler(), EvenLDA()).fit(X[fold.fitted_idx], y[fold.fitted_idx])
                predicted[fold.test_idx] = model.predict(X[fold.test_idx])
            own = [balanced_accuracy(y[person == one], predicted[person == one]) for one in range(n_people)]
            scores.append(float(np.mean(own)))
    assert np.mean(found["loso"]) > 0.58
    # Forty worlds of SD 0.06 have a mean within 0.03 in 99.8 % of all cases.
    assert abs(np.mean(found["loso_stimulus"]) - 0.5) < 0.03
    assert 0.05 <= np.std(found["loso_stimulus"]) < 0.07
