"""What a wrist tells of stress in people never seen: the scores that docs/wearables.md states."""

from pathlib import Path

import pytest

from physioaffect.datasets import STRESS_PREDICT
from physioaffect.evaluation import evaluate
from physioaffect.features import default_recipe
from physioaffect.signals.quality import MarkQuality


@pytest.mark.slow
def test_stress_is_told_from_rest_at_the_wrist(real_data: Path, tmp_path: Path) -> None:
    recipe = default_recipe(
        STRESS_PREDICT,
        families=["eda", "hr", "hrv", "temperature", "motion"],
        cleaning=[MarkQuality()],
        window=120,
        step=30,
    )
    result = evaluate(
        STRESS_PREDICT,
        real_data / "realdata" / "stress_predict",
        models=["random_forest"],
        protocols=["loso", "loso_transductive"],
        recipe=recipe,
        permutations=0,
        missing="keep",
        n_jobs=2,
        out=tmp_path / "result",
    )
    cells = result.cells()
    for protocol, least in {"loso": 0.66, "loso_transductive": 0.74}.items():
        found = {model: cells[protocol, model, "window", "macro_f1"] for model in result.baselines}
        own = cells[protocol, "random_forest", "window", "macro_f1"]
        assert own.n_subjects == 24
        assert own.mean >= least, protocol
        assert found["majority"].mean < 0.45
        # Everybody had one order of tasks, so no score here shows that the body was needed.
        clocks = [cell.mean for model, cell in found.items() if model.startswith("clock")]
        assert max(clocks) == pytest.approx(1.0, abs=0.005)
