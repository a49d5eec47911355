"""Names and numbers as a reader wants them: metrics, baselines, marks, decimals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "BASELINE_TITLES",
    "METRIC_TITLES",
    "counted",
    "listed",
    "marks_of",
    "number",
    "percent",
    "pretty",
    "probability",
    "sentence",
    "signed",
    "title_of",
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


def number(value: float | None, digits: int = 2) -> str:
    """Round; an en dash where there is nothing.

    Examples
    --------
    >>> number(0.666), number(float("nan")), number(-0.001)
    ('0.67', '–', '0.00')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


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


def percent(value: float) -> str:
    """Say a share: 0 and 100 only if nothing or all of it.

    Examples
    --------
    >>> percent(0.25), percent(0.001), percent(0.999), percent(1.0)
    ('25 %', '< 1 %', '> 99 %', '100 %')
    """
    if math.isnan(value):
        return "–"
    if 0 < value < 0.01:
        return "< 1 %"
    if 0.99 < value < 1:
        return "> 99 %"
    return f"{100 * value:.0f} %"


def counted(n: int, what: str, plural: str | None = None) -> str:
    """Count something.

    Examples
    --------
    >>> counted(1, "person", "people"), counted(2, "fold")
    ('1 person', '2 folds')
    """
    return f"{n:,} {what if n == 1 else plural or what + 's'}".replace(",", "\u202f")


def listed(items: Sequence[str], last: str = "and") -> str:
    """Join in a sentence.

    Examples
    --------
    >>> listed(["lda", "svm", "knn"])
    'lda, svm and knn'
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")


def pretty(value: Any) -> str:
    """Show JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def marks_of(run: Mapping[str, Any], about: Mapping[str, Any]) -> list[str]:
    """Watermarks of all that one protocol shows, whatever the model."""
    marks = ["simulated data"] if run["table"]["simulated"] else []
    return marks + (["no claim"] if about["claim"] is None else [])
