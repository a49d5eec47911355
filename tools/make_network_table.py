"""Make the table of networks on eegmat in docs/evaluation.md: three seeds, people held out.

    python tools/make_network_table.py PATH OUT

Prints Markdown; OUT keeps a result folder for each seed, so that it can be interrupted and given again.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from joblib import cpu_count

from physioaffect.datasets import EEGMAT
from physioaffect.evaluation import evaluate
from physioaffect.evaluation.statistics import mean_interval
from physioaffect.features import default_recipe
from physioaffect.graphs import (
    DGCNNClassifier,
    EEGNetClassifier,
    GCBNetClassifier,
    LinearClassifier,
    MLPClassifier,
    RBTransformerClassifier,
    RGNNClassifier,
)
from physioaffect.signals.eeg import EEGCleaning

SEEDS = (0, 1, 2)
# The filters of EEGNet are made for 128 Hz; nothing else is done to the recordings, which come cleaned.
RESAMPLED = EEGCleaning(
    unusable=None, dc=False, band=None, bad_channels=None, reference=None, segments=None, sfreq=128.0
)
MODELS = {
    "lda": "lda",
    "knn": "knn",
    "linear": LinearClassifier(),
    "mlp": MLPClassifier(),
    "dgcnn": DGCNNClassifier(),
    "gcbnet": GCBNetClassifier(),
    "rgnn": RGNNClassifier(),
    # Its 300 epochs take hours; batches as small as the others' make up for some of them.
    "rbtransformer": RBTransformerClassifier(epochs=20, batch_size=64),
    "eegnet": EEGNetClassifier(),
}
PROTOCOLS = ("loso", "loso_transductive")
SHOWN = (*MODELS, "prior", "clock_1nn")


def scores_of(path: Path, out: Path, seeds: Iterable[int]) -> pd.DataFrame:
    """Balanced accuracy of each person, model, protocol and level, one row for each seed."""
    recipe = default_recipe(EEGMAT, families=["de"], cleaning=[RESAMPLED])
    tables = []
    for seed in seeds:
        result = evaluate(
            EEGMAT,
            path,
            models=MODELS,
            protocols=PROTOCOLS,
            recipe=recipe,
            out=out / f"seed-{seed}",
            seed=seed,
            permutations=0,
            n_jobs=cpu_count(),
            progress=lambda what, done, total: print(f"\r{what} {done}/{total}   ", end="", file=sys.stderr),
        )
        tables.append(result.scores.assign(seed=seed))
    scores = pd.concat(tables)
    return scores[(scores["metric"] == "balanced_accuracy") & (scores["subject"] != "(pooled)")]


def cell(scores: pd.DataFrame) -> str:
    """Mean over people of their mean over seeds, its 95 % interval over people, SD of the seeds' means."""
    by_person = scores.groupby("subject")["value"].mean()
    # People are in each other's training.
    found = mean_interval(by_person.to_numpy(), method="corrected", bounds=(0.0, 1.0))
    by_seed = scores.groupby("seed")["value"].mean()
    return f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f}; {by_seed.std():.2f})"


def main() -> None:
    """Print the table."""
    path, out = map(Path, sys.argv[1:])
    scores = scores_of(path, out, SEEDS)
    print("| protocol | model | by trial | by window |\n| --- | --- | --- | --- |")
    for protocol in PROTOCOLS:
        for model in SHOWN:
            own = scores[(scores["protocol"] == protocol) & (scores["model"] == model)]
            by_level = [cell(own[own["level"] == level]) for level in ("trial", "window")]
            print(f"| `{protocol}` | `{model}` | {by_level[0]} | {by_level[1]} |")


if __name__ == "__main__":
    main()
