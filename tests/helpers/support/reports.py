"""Results with everything that a report can show, made without fitting anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from physioaffect.evaluation import Result
from physioaffect.evaluation.scoring import by_trial, score

CHANNELS = ("Fp1", "Fp2", "F3", "F4", "C3", "Cz", "C4", "O1", "O2")
BANDS = ("theta", "alpha", "beta")

PROTOCOLS: dict[str, dict[str, Any]] = {
    "loso": {
        "claim": "Works for a new person who meets stimuli like those of the training people.",
        "holds_out": "subject",
        "shares": "Stimuli, where everyone met the same ones; nothing of the person.",
        "shared": {"subject": 0.0, "session": 0.0, "trial": 0.0, "stimulus": 1.0, "samples": 0.0},
        "grants": [],
    },
    "window_random": {
        "claim": None,
        "holds_out": "window",
        "shares": "The person, the session, the trial and its label.",
        "shared": {"subject": 1.0, "session": 1.0, "trial": 1.0, "stimulus": 1.0, "samples": 0.25},
        "grants": [],
    },
    "within_subject_trial": {
        "claim": "Works for other trials of a person whose labelled trials were used for training.",
        "holds_out": "trial",
        "shares": "The person and the session; no trial.",
        "shared": {"subject": 1.0, "session": 1.0, "trial": 0.0, "stimulus": 0.0, "samples": 0.0},
        "grants": [],
    },
    "loso_stimulus": {
        "claim": "Works for a new person and new stimuli.",
        "holds_out": "subject, stimulus",
        "shares": "Neither people nor stimuli.",
        "shared": {"subject": 0.0, "session": 0.0, "trial": 0.0, "stimulus": 0.0, "samples": 0.0},
        "grants": [],
    },
    "loso_transductive": {
        "claim": "Works for a new person once all of the test windows have been recorded.",
        "holds_out": "subject",
        "shares": "Stimuli; also the test windows themselves, unlabelled.",
        "shared": {"subject": 0.0, "session": 0.0, "trial": 0.0, "stimulus": 1.0, "samples": 0.0},
        "grants": ["unlabelled"],
    },
    "calibrated_trials_3": {
        "claim": "Works for a new person after three labelled trials of each class.",
        "holds_out": "trial",
        "shares": "Labelled trials of the person.",
        "shared": {"subject": 1.0, "session": 1.0, "trial": 0.0, "stimulus": 1.0, "samples": 0.0},
        "grants": ["calibration"],
    },
}

_FOREST = {"class": "sklearn.ensemble._forest.RandomForestClassifier", "n_estimators": 300}
_RECIPE = {
    "baseline": None,
    "cleaning": [],
    "features": [
        {
            "name": "de",
            "settings": {
                "bands": {
                    "bands": [
                        {"fmin": 4, "fmax": 7, "name": "theta"},
                        {"fmin": 8, "fmax": 13, "name": "alpha"},
                        {"fmin": 14, "fmax": 30, "name": "beta"},
                    ]
                },
                "estimator": "stft",
                "frame": 2.0,
                "signal": "eeg",
            },
            "version": 3,
        }
    ],
    "smoothing": [],
    "windows": {"duration": 5.0, "last": None, "min_coverage": 0.8, "step": 2.5},
}


def made_result(  # noqa: PLR0913  Each is one thing that a report has to bear.
    path: Path,
    *,
    n_subjects: int = 8,
    n_trials: int = 6,
    n_windows: int = 3,
    models: tuple[str, ...] = ("lda", "dgcnn"),
    protocols: tuple[str, ...] = ("loso", "window_random"),
    classes: tuple[str, ...] = ("low", "high"),
    effect: float = 1.0,
    clock: float = 0.0,
    simulated: bool = False,
    names: dict[str, str] | None = None,
    title: str = "DREAMER",
    has_all: bool = False,
    audit: dict[str, Any] | None = None,
) -> Result:
    """Make a result whose models know the label with a strength of ``effect``, the clock with ``clock``.

    ``classes`` empty makes a regression. ``names`` renames subjects. ``has_all`` adds curves, importance
    and permutations.
    """
    rng = np.random.default_rng(0)
    kind = "multiclass" if len(classes) > 2 else "binary" if classes else "regression"
    baselines = (
        ["majority", "prior", "clock_forest", "clock_1nn"]
        if classes
        else ["mean", "clock_forest", "clock_1nn"]
    )
    frames = []
    for protocol in protocols:
        for model in (*models, *baselines):
            strength = clock if model.startswith("clock") else 0.0 if model in baselines else effect
            frames.append(
                _predictions(rng, (n_subjects, n_trials, n_windows), classes, strength).assign(
                    protocol=protocol, model=model
                )
            )
    predictions = pd.concat(frames, ignore_index=True)
    predictions["subject"] = predictions["subject"].replace(names or {})
    trials = by_trial(predictions[predictions["model"] == models[0]], kind)
    trials = trials[trials["protocol"] == protocols[0]]
    run = {
        "request": {
            "permutations": 1000,
            "refit": "linear",
            "data": {"dataset": "dreamer", "source_hash": "blake3:00ff"},
            "recipe": _RECIPE,
            "subjects": None,
            "task": "valence",
            "models": dict.fromkeys(models, _FOREST),
            "protocols": list(protocols),
            "seed": 7,
            "strict": False,
            "versions": {"physioaffect": "0.1.0", "numpy": "2.4.6", "scikit-learn": "1.9.1"},
        },
        "dataset": {
            "name": "dreamer",
            "title": title,
            "doi": "10.1109/JBHI.2017.2688239",
            "licence": "On request.",
            "n_subjects": 23,
        },
        "task": {
            "name": "valence",
            "description": "Valence above 3 is high.",
            "kind": kind,
            "classes": list(classes),
            "source": "rating",
            "uses_own_ratings": False,
        },
        "table": {
            "n_subjects": n_subjects,
            "n_trials": n_subjects * n_trials,
            "n_windows": n_subjects * n_trials * n_windows,
            "windows_per_class": {name: int((trials["truth"] == name).sum()) * n_windows for name in classes},
            "trials_per_class": {name: int((trials["truth"] == name).sum()) for name in classes},
            "duration": 5.0,
            "simulated": simulated,
            "notes": ["the order was the same for all"],
            "n_features": len(CHANNELS) * len(BANDS),
            "families": {"de": {"dims": ["channel", "band"], "shape": [len(CHANNELS), len(BANDS)]}},
        },
        "protocols": [
            {"name": name, "n_folds": n_subjects, "folds": "00", "scaled_per_subject": [], **PROTOCOLS[name]}
            for name in protocols
        ],
        "models": list(models),
        "baselines": baselines,
        "exclusions": [
            {"subject": "S99", "trial": "", "reason": "S99 has no ratings.", "expected": True},
        ],
        "threads": 1,
    }  # fmt: skip
    if audit is not None:
        run["audit"] = audit
    path.mkdir(parents=True, exist_ok=True)
    more: dict[str, Any] = dict(_more(rng, run)) if has_all else {}
    return Result(run=run, predictions=predictions, scores=score(predictions, kind), path=path, **more)


def _predictions(
    rng: np.random.Generator, shape: tuple[int, int, int], classes: tuple[str, ...], strength: float
) -> pd.DataFrame:
    subject, trial, window = (axis.ravel() for axis in np.meshgrid(*map(range, shape), indexing="ij"))
    columns: dict[str, Any] = {
        "fold": [f"S{number + 1}" for number in subject],
        "dataset": "dreamer",
        "subject": [f"S{number + 1}" for number in subject],
        "session": "1",
        "trial": trial.astype(str),
        "stimulus": trial.astype(str),
        "window": window,
        "start": 2.5 * window,
        "duration": 5.0,
    }
    # A trial's windows err together, and people differ.
    noise = rng.standard_normal(shape[:2])[subject, trial] + rng.standard_normal(shape[0])[subject] * 0.5
    if not classes:
        truth = 1.0 + 4.0 * trial / max(shape[1] - 1, 1)
        return pd.DataFrame(
            columns | {"truth": truth, "prediction": 3 + strength * (truth - 3) / 2 + noise * 0.5}
        )
    label = trial % len(classes)
    logits = 0.5 * rng.standard_normal((len(subject), len(classes)))
    logits[:, 0] += noise
    logits[np.arange(len(subject)), label] += 2 * strength
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = np.array(classes)
    columns |= {"truth": names[label], "prediction": names[p.argmax(axis=1)]}
    return pd.DataFrame(columns | {f"p_{name}": p[:, i] for i, name in enumerate(classes)})


def _more(rng: np.random.Generator, run: dict[str, Any]) -> dict[str, pd.DataFrame]:
    features = [f"de:{channel}:{band}" for channel in CHANNELS for band in BANDS]
    curves, importance, permutations = [], [], []
    for protocol in run["request"]["protocols"]:
        for model in run["models"]:
            for fold in range(1, run["table"]["n_subjects"] + 1):
                n_epochs = 20 + fold
                epoch = np.arange(1, n_epochs + 1)
                loss = np.exp(-epoch / 12) + 0.02 * rng.standard_normal(n_epochs)
                validation = 0.5 * np.exp(-epoch / 8) + 0.4 + 0.02 * rng.standard_normal(n_epochs)
                about = {"protocol": protocol, "model": model, "fold": f"S{fold}"}
                if model == "dgcnn":
                    curves.append(
                        pd.DataFrame(about | {"epoch": epoch, "loss": loss, "validation": validation})
                    )
                shares = rng.dirichlet(np.ones(len(features)))
                importance.append(pd.DataFrame(about | {"feature": features, "value": shares}))
            for level in ("trial", "window"):
                permutations.append(
                    {
                        "protocol": protocol,
                        "model": model,
                        "level": level,
                        "metric": "macro_f1" if run["task"]["classes"] else "ccc",
                        "observed": 0.8,
                        "chance": 0.47,
                        "low": 0.38,
                        "high": 0.56,
                        "p": 0.001,
                        "n_permutations": 1000,
                        "n_distinct": float("inf"),
                        "exchange": "trial within subject",
                        "refitted": False,
                        "tests": "A small p says that signals go with the ratings of the same person.",
                    }
                )
    tables = {"importance": pd.concat(importance), "permutations": pd.DataFrame(permutations)}
    if curves:
        tables["curves"] = pd.concat(curves)
    return tables
