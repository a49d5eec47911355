"""The result of a finished run: its predictions, its scores and their summary over subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from physioaffect.data_set import Exclusion
from physioaffect.errors import RunError
from physioaffect.evaluation.running.durable import read_json, read_table, told_as_broken
from physioaffect.evaluation.running.passing_folder import PassingFolder
from physioaffect.evaluation.scoring import POOLED
from physioaffect.evaluation.statistics.intervals import Method
from physioaffect.evaluation.statistics.tabulation import with_intervals

__all__ = ["Cell", "Result", "interval_method", "summarize"]


def summarize(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and SD (n - 1) over subjects; subjects whose score is undefined do not count.

    Returns
    -------
    pandas.DataFrame
        Indexed by protocol, model, level, metric with the columns mean, sd, n_subjects, pooled.
    """
    keys = ["protocol", "model", "level", "metric"]
    is_pooled = scores["subject"] == POOLED
    grouped = scores[~is_pooled].groupby(keys, sort=False)["value"]
    pooled = scores[is_pooled].set_index(keys)["value"]
    columns = {"mean": grouped.mean(), "sd": grouped.std(), "n_subjects": grouped.count(), "pooled": pooled}
    return pd.DataFrame(columns).reindex(grouped.mean().index)


def interval_method(protocol: Mapping[str, Any]) -> Method:
    """Which interval a protocol of ``run["protocols"]`` needs: corrected if folds share training people."""
    holds_out_people = {"subject", "dataset"} & set(protocol["holds_out"].split(", "))
    # The calibrated ones are leave-one-subject-out, though a few trials of the person are known.
    return "corrected" if holds_out_people or protocol["name"].startswith("calibrated_") else "t"


class Cell(NamedTuple):
    """A score in a table: mean and SD over subjects, and the pooled value."""

    mean: float
    sd: float
    n_subjects: int
    pooled: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """A finished run.

    Attributes
    ----------
    run : dict
        What was asked and what it was asked of (``run.json``).
    predictions : pandas.DataFrame
        Every test window.
    scores : pandas.DataFrame
        Long, see `score`.
    permutations : pandas.DataFrame or None
        Scores of permuted labels, see `physioaffect.evaluation.statistics.permute_fits`.
    curves : pandas.DataFrame or None
        Of networks: protocol, model, fold, epoch (from 1), loss (of training), validation (NaN without any).
    importance : pandas.DataFrame or None
        Of linear models and networks: protocol, model, fold, feature and value, the share of the output's
        variance that came with the feature; see `physioaffect.evaluation.running.fit_details.importance_of`.
    choices : pandas.DataFrame or None
        Of tuned models: every setting that was tried in each fold, its score, and which was chosen.
    path : Path
        The folder. Where `evaluate` was given no ``out`` it is a temporary one, which is removed when nothing
        holds the result or a copy of it any more, or when Python ends: copy it to keep it. A result that is
        sent to another process takes its numbers along, not that folder.
    """

    run: dict[str, Any]
    predictions: pd.DataFrame
    scores: pd.DataFrame
    path: Path
    permutations: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    importance: pd.DataFrame | None = None
    choices: pd.DataFrame | None = None
    # Of a temporary folder: it is there as long as this is.
    _held: PassingFolder | None = field(default=None, repr=False)

    @classmethod
    def load(cls, path: Path | str) -> Result:
        """Open a finished run's folder.

        Raises
        ------
        RunError
            If there is none, or it is unfinished or broken.
        """
        path = Path(path)
        if not (path / "run.json").is_file():
            there = sorted(item.name for item in path.iterdir())[:5] if path.is_dir() else []
            raise RunError(
                f"{path} is not a result: it has no run.json"
                + (f", only {', '.join(there)}." if there else ".")
                + " Name the folder that was given to evaluate as --out."
            )
        run = read_json(path / "run.json")
        with told_as_broken(path):
            # What is read later must be there, so that a broken run is told as one.
            _ = run["request"]["seed"], run["dataset"], run["task"]["kind"], run["table"]["simulated"]
            _ = run["models"], run["baselines"], [Exclusion(**item) for item in run["exclusions"]]
            _ = [(about["name"], about["claim"], about["holds_out"]) for about in run["protocols"]]
        try:
            predictions, scores = (read_table(path / f"{name}.parquet") for name in ("predictions", "scores"))
            more: dict[str, Any] = {
                name: read_table(path / f"{name}.parquet")
                for name in ("permutations", "curves", "importance", "choices")
                if (path / f"{name}.parquet").exists()
            }
        except FileNotFoundError as error:
            n_parts = len(list((path / "parts").glob("*.parquet")))
            raise RunError(
                f"The run in {path} is unfinished ({n_parts} folds are there, {Path(error.filename).name} is "
                "not). Give the same evaluate command again: it continues where it stopped."
            ) from None
        except (OSError, ValueError) as error:
            raise RunError(f"The tables in {path} cannot be read: {error}. Run evaluate again.") from None
        return cls(run=run, predictions=predictions, scores=scores, path=path, **more)

    def __repr__(self) -> str:
        """Show the scores as the command line does, without colours."""
        from physioaffect.evaluation.report.in_text import text_of  # noqa: PLC0415  It needs this class.

        return text_of(self)

    def _repr_html_(self) -> str:
        """Show the primary scores in a notebook."""
        from physioaffect.evaluation.report.notebook import html_of  # noqa: PLC0415  It needs this class.

        return html_of(self)

    @property
    def metrics(self) -> Sequence[str]:
        """Names of the metrics, the primary one first."""
        return list(dict.fromkeys(self.scores["metric"]))

    @property
    def models(self) -> list[str]:
        """Names of the models, without the baselines."""
        return list(self.run["models"])

    @property
    def baselines(self) -> list[str]:
        """Names of the baselines that stand beside the models."""
        return list(self.run["baselines"])

    @property
    def protocols(self) -> list[str]:
        """Names of the protocols."""
        return [protocol["name"] for protocol in self.run["protocols"]]

    @property
    def exclusions(self) -> tuple[Exclusion, ...]:
        """Who or what was left out, and why; ``expected`` where the data set is known for it.

        `evaluate` also logs a warning for each that is not expected.

        Examples
        --------
        >>> told = {"subject": "S07", "trial": "", "reason": "S07.edf is cut off.", "expected": False}
        >>> none = pd.DataFrame()
        >>> result = Result(run={"exclusions": [told]}, predictions=none, scores=none, path=Path("results"))
        >>> [(item.subject, item.reason) for item in result.exclusions if not item.expected]
        [('S07', 'S07.edf is cut off.')]
        """
        return tuple(Exclusion(**item) for item in self.run["exclusions"])

    def shared(self) -> pd.DataFrame:
        """What train and test had in common, measured on the folds that were run.

        Returns
        -------
        pandas.DataFrame, shape (n_protocols, n_units)
            Share from 0 to 1 of the test windows whose subject, session, trial or stimulus is also in
            training, and which have raw samples in common with a window there (``samples``). NaN where the
            data do not tell.
        """
        return pd.DataFrame({one["name"]: one["shared"] for one in self.run["protocols"]}, dtype=float).T

    def summary(self) -> pd.DataFrame:
        """See `summarize`."""
        return summarize(self.scores)

    def cells(self) -> dict[tuple[str, str, str, str], Cell]:
        """Summary by (protocol, model, level, metric)."""
        rows = self.summary().itertuples(name=None)
        return {key: Cell(float(m), float(sd), int(n), float(p)) for key, m, sd, n, p in rows}

    def intervals(self) -> pd.DataFrame:
        """Every score's mean over subjects with its 95 % interval, see `with_intervals`.

        Where folds share training people, the interval is the one corrected for that.
        """
        methods: dict[str, Method] = {
            protocol["name"]: interval_method(protocol) for protocol in self.run["protocols"]
        }
        return with_intervals(self.scores, method=methods)

    def notes(self) -> dict[tuple[str, str], list[str]]:
        """Watermarks of (protocol, model): no claim, or no better than the clock."""
        cells = self.cells()
        primary = self.metrics[0]
        notes: dict[tuple[str, str], list[str]] = {}
        for protocol in self.run["protocols"]:
            name = protocol["name"]
            clocks = [b for b in self.run["baselines"] if b.startswith("clock")]
            for model in self.run["models"]:
                own = notes.setdefault((name, model), [])
                if protocol["claim"] is None:
                    own.append("no claim")
                levels = [
                    level
                    for level in ("trial", "window")
                    if any(
                        cells[name, clock, level, primary].mean >= cells[name, model, level, primary].mean
                        for clock in clocks
                    )
                ]
                if levels:
                    own.append("clock is as good" + (f" by {levels[0]}" if len(levels) == 1 else ""))
        return notes
