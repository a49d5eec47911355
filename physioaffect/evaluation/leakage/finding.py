"""What an audit finds, in sentences that name numbers and the way out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pandas as pd

__all__ = ["KINDS", "Audit", "Finding", "NotMade", "Severity"]

Severity = Literal["leak", "warning", "note"]

_ORDER: tuple[Severity, ...] = ("leak", "warning", "note")

# What each kind of finding means, and how it is mended.
KINDS: Mapping[str, tuple[str, str]] = {
    "row_shared": (
        "rows on both sides",
        "Give every row one side.",
    ),
    "subject_shared": (
        "people on both sides",
        "Hold people out (loso), or claim nothing about new people.",
    ),
    "session_shared": (
        "sessions on both sides",
        "Hold sessions out (cross_session), or claim nothing about another day.",
    ),
    "stimulus_shared": (
        "stimuli on both sides",
        "Hold stimuli out as well (loso_stimulus), or declare it: the claim then covers these stimuli only.",
    ),
    "trial_shared": (
        "trials on both sides",
        "Split by trial, never by window: all windows of a trial have one label and look alike.",
    ),
    "samples_shared": (
        "overlapping windows on both sides",
        "Split by trial, or drop every window that overlaps one of the other side.",
    ),
    "duplicate_rows": (
        "the same feature rows on both sides",
        "Remove duplicates, and oversample inside the training side only.",
    ),
    "near_duplicates": (
        "copies with a little noise on both sides",
        "Augment inside the training side only, after the split.",
    ),
    "trial_recognised": (
        "training rows that tell the test trial",
        "Split by trial: a model can look the label up by recognising the trial.",
    ),
    "same_person_two_names": (
        "one person under two names",
        "Find out who these people are and give one person one name before splitting.",
    ),
    "label_feature": (
        "a feature made of the label",
        "Take the feature out, or show that it is computed without the label.",
    ),
    "time_feature": (
        "time in the session as a feature",
        "Take the feature out: time, order and window number are coordinates, for the clock baseline only.",
    ),
    "future_baseline": (
        "a baseline from later than the window",
        "Use a baseline recorded before the window, in the same trial or an earlier one.",
    ),
    "standardised_per_person": (
        "features standardised with all of a person's windows",
        "Standardise with training windows, or declare a transductive protocol: the windows of the test "
        "person were used, unlabelled.",
    ),
    "smoothed_across_trials": (
        "features smoothed across the border of two trials",
        "Smooth every trial by itself, or hold whole sessions out.",
    ),
    "synthetic_rows": (
        "rows interpolated between the two sides",
        "Oversample (SMOTE, mixup) inside the training side only, after the split.",
    ),
    "rows_without_coordinates": (
        "rows that belong to nobody",
        "Audit the rows as recorded: made-up rows must come after the split, from training rows alone.",
    ),
    "scaler_on_all": (
        "features transformed with values learned from both sides",
        "Put the scaler, whitener or imputer into the pipeline, so that it is fitted on the training side.",
    ),
    "selection_on_all": (
        "features selected with test rows",
        "Put the selection into the pipeline, so that it sees training rows and labels only.",
    ),
    "stopped_on_test": (
        "training stopped, or its settings chosen, by the test side",
        "Cut validation groups from the training side, and stop and choose by them.",
    ),
    "trained_on_test": (
        "a fitted model that depends on the test side",
        "Give the fit nothing but training rows.",
    ),
    "random_fit": (
        "a fit that differs from run to run",
        "Pass a seed, so that the probe can see small changes too.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, or is worth knowing.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    severity : str
        ``"leak"``: the score means less than it says. ``"warning"``: it may, or its claim is narrower.
        ``"note"``: declared, or harmless for this split.
    sentence : str
        What was found, with numbers.
    value : float
        The number by which findings of one kind are ranked, the larger the worse.
    folds : tuple of str
        Folds where it was found; empty where it does not depend on the split.
    """

    kind: str
    severity: Severity
    sentence: str
    value: float = 0.0
    folds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Unknown kind of finding {self.kind!r}: use one of {', '.join(KINDS)}.")
        if self.severity not in _ORDER:
            raise ValueError(f"severity is one of {', '.join(_ORDER)}, got {self.severity!r}.")

    @property
    def mend(self) -> str:
        """How it is mended."""
        return KINDS[self.kind][1]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "value": float(self.value), "folds": list(self.folds), "mend": self.mend}


@dataclass(frozen=True, kw_only=True)
class NotMade:
    """Why a check could not be made; ``check`` names it where it is a part of one."""

    reason: str
    check: str = ""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Everything that was checked, and what was found.

    Parameters
    ----------
    findings : tuple of Finding
        The worst first.
    made : tuple of str
        Names of the checks that were made.
    not_made : mapping of str to str
        Checks that could not be made, and why: their silence means nothing.
    n_folds : int
        How many splits were looked at.
    """

    findings: tuple[Finding, ...]
    made: tuple[str, ...]
    not_made: Mapping[str, str] = field(default_factory=dict)
    n_folds: int = 1

    @property
    def is_clean(self) -> bool:
        """Whether nothing worse than a note was found, by the checks that were made."""
        return all(finding.severity == "note" for finding in self.findings)

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of leaks and warnings."""
        return frozenset(f.kind for f in self.findings if f.severity != "note")

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "is_clean": self.is_clean,
            "n_folds": self.n_folds,
            "findings": [finding.to_dict() for finding in self.findings],
            "made": list(self.made),
            "not_made": dict(self.not_made),
        }

    def to_json(self) -> str:
        """Everything as JSON."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    def table(self) -> pd.DataFrame:
        """One row per finding, with the columns severity, kind, sentence, mend, folds."""
        columns = ["severity", "kind", "sentence", "mend", "folds"]
        rows = [{**f.to_dict(), "folds": ", ".join(f.folds)} for f in self.findings]
        return pd.DataFrame(rows, columns=columns)

    def _repr_html_(self) -> str:
        """Show the findings in a notebook."""
        from physioaffect.page.fragment import fragment  # noqa: PLC0415

        title = "Nothing found" if not self.findings else f"{len(self.findings)} findings"
        lacking = [f"not checked: {name}. {reason}" for name, reason in self.not_made.items()]
        return fragment(f"Audit of {self.n_folds} folds: {title}", self.table(), lacking)

    def __str__(self) -> str:
        found = [f"{f.severity}: {f.kind}. {f.sentence} {f.mend}" for f in self.findings]
        lacking = [f"not checked: {name}. {reason}" for name, reason in self.not_made.items()]
        return "\n".join([*(found or ["Nothing found."]), *lacking])


def ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort leaks before warnings before notes; among these the gravest first."""
    return tuple(sorted(findings, key=lambda f: (_ORDER.index(f.severity), list(KINDS).index(f.kind))))
