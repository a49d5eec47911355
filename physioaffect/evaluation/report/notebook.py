"""What a result shows of itself in a notebook: a small table, everything in it escaped."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from physioaffect.evaluation.report.words import METRIC_TITLES, title_of_run
from physioaffect.evaluation.results import Result
from physioaffect.page.fragment import fragment

__all__ = ["html_of"]


def html_of(result: Result) -> str:
    """Write the primary score of every model under every protocol as an HTML fragment.

    Parameters
    ----------
    result : Result
        A finished run.

    Returns
    -------
    str
        A title, a table and one line about what was evaluated. No scripts, no styles.
    """
    run, about, metric = result.run, result.run["table"], result.metrics[0]
    found, notes = result.intervals().to_dict("index"), result.notes()
    claims = {protocol["name"]: protocol["claim"] for protocol in run["protocols"]}
    score = f"{METRIC_TITLES[metric]} by trial, mean over people [95 %]"
    rows = [
        {
            "protocol": protocol,
            "model": model,
            score: _interval(found[protocol, model, "trial", metric]),
            "claim": "yes" if claim else "none",
            "note": "; ".join(note for note in notes.get((protocol, model), []) if note != "no claim"),
        }
        for protocol, claim in claims.items()
        for model in (*run["models"], *run["baselines"])
    ]
    size = f"{about['n_subjects']} people, {about['n_trials']} trials, {about['n_windows']} windows"
    return fragment(title_of_run(run), pd.DataFrame(rows), [f"{size}; {result.path}"])


def _interval(row: dict[Any, Any]) -> str:
    if math.isnan(row["low"]):
        return f"{row['mean']:.2f}"
    return f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
