"""Names and numbers as a reader wants them: metrics, baselines, marks, decimals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from physioaffect.page.words import counted, listed, number, percent, sentence

__all__ = [
    "BASELINE_TITLES",
    "METRIC_TITLES",
    "counted",
    "listed",
    "marks_of",
    "mean_and_interval",
    "number",
    "percent",
    "pretty",
    "probability",
    "sentence",
    "signed",
    "title_of",
    "title_of_run",
    "would_show",
]

METRIC_TITLES = {
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "auroc": "AUROC",
    "kappa": "Cohen’s κ",
    "mcc": "MCC",
    "ccc": "CCC",
    "pearson": "Pearson r",
    "rmse": "RMSE",
    "tri_p": "Tri-P (at most one class off)",
    "seq2hr": "Seq2HR",
    "adjacent_top1": "best right, second beside it",
    "adjacent_top2": "two best are neighbours",
    "top2_accuracy": "top-2 accuracy",
}
BASELINE_TITLES = {
    "majority": "always the commonest class of training",
    "prior": "guesses each trial by class frequency",
    "mean": "always the mean of training",
    "clock_forest": "random forest on elapsed time and order only",
    "clock_1nn": "nearest neighbour on elapsed time and order only",
}


def title_of(metric: str) -> str:
    """Name of a metric in a paper."""
    return METRIC_TITLES.get(metric, metric.replace("_", " "))


def signed(value: float) -> str:
    """Round a difference, with its sign.

    Examples
    --------
    >>> signed(0.126), signed(-0.126), signed(-0.001)
    ('+0.13', '−0.13', '0.00')
    """
    text = number(value)
    return f"+{text}" if value > 0 and text not in ("0.00", "–") else text


def probability(p: float | None) -> str:
    """Say a p-value.

    Examples
    --------
    >>> probability(0.0004), probability(0.0312), probability(1.0)
    ('< 0.001', '0.031', '1.000')
    """
    if p is None or math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def mean_and_interval(row: Mapping[Any, Any]) -> str:
    """Say a row of ``Result.intervals``.

    Examples
    --------
    >>> mean_and_interval({"mean": 0.561, "low": 0.29, "high": 0.84})
    '0.56 [0.29, 0.84]'
    >>> mean_and_interval({"mean": 0.561, "low": math.nan, "high": math.nan})
    '0.56'
    """
    if math.isnan(row["low"]):
        return f"{row['mean']:.2f}"
    return f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def would_show(about: Mapping[str, Any]) -> str:
    """Say what a good score under a protocol would show, whatever the scores at hand are.

    Examples
    --------
    >>> would_show({"name": "loso", "claim": "Works for a new person."})
    'A good score under loso would show: Works for a new person.'
    >>> would_show({"name": "window_random", "claim": None})
    'A good score under window_random would show nothing: it tells what leakage is worth.'
    """
    begin = f"A good score under {about['name']} would show"
    if about["claim"] is None:
        return f"{begin} nothing: it tells what leakage is worth."
    return f"{begin}: {about['claim']}"


def pretty(value: Any) -> str:
    """Show JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def marks_of(run: Mapping[str, Any], about: Mapping[str, Any]) -> list[str]:
    """Watermarks of all that one protocol shows, whatever the model."""
    marks = ["simulated data"] if run["table"]["simulated"] else []
    return marks + (["no claim"] if about["claim"] is None else [])


def title_of_run(run: Mapping[str, Any]) -> str:
    """Say what was evaluated, and whether it was simulated.

    Examples
    --------
    >>> title_of_run({"dataset": None, "task": {"name": "stress"}, "table": {"simulated": True}})
    'own data: stress (SIMULATED DATA)'
    """
    title = f"{run['dataset']['title'] if run['dataset'] else 'own data'}: {run['task']['name']}"
    return f"{title} (SIMULATED DATA)" if run["table"]["simulated"] else title
