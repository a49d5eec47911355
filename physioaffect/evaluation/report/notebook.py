"""What a result shows of itself in a notebook: a small table, everything in it escaped."""

from __future__ import annotations

import pandas as pd

from physioaffect.evaluation.report.words import mean_and_interval, title_of, title_of_run, would_show
from physioaffect.evaluation.results import Result
from physioaffect.exclusion_words import left_out_in_short
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
        A title, a table, what a good score would show, who was left out, and one line about what was
        evaluated. No scripts, no styles.
    """
    run, about, metric = result.run, result.run["table"], result.metrics[0]
    found, notes = result.intervals().to_dict("index"), result.notes()
    score = f"{title_of(metric)} by trial, mean over people [95 %]"
    rows = [
        {
            "protocol": protocol["name"] + ("" if protocol["claim"] else " (no claim)"),
            "model": model,
            score: mean_and_interval(found[protocol["name"], model, "trial", metric]),
            "note": "; ".join(
                note for note in notes.get((protocol["name"], model), []) if note != "no claim"
            ),
        }
        for protocol in run["protocols"]
        for model in (*run["models"], *run["baselines"])
    ]
    size = f"{about['n_subjects']} people, {about['n_trials']} trials, {about['n_windows']} windows"
    below = [*map(would_show, run["protocols"]), *left_out_in_short(result.exclusions)]
    return fragment(title_of_run(run), pd.DataFrame(rows), [*below, f"{size}; {result.path}"])
