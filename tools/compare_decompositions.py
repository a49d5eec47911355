"""Rest against stress on Stress-Predict, with skin conductance split by a filter and by the convex program.

    python tools/compare_decompositions.py path/to/stress_predict

prints a table for docs/wearables.md: macro-F1 by window, mean over people.
"""

import sys
from dataclasses import replace

import pandas as pd

from physioaffect.datasets import STRESS_PREDICT
from physioaffect.evaluation import evaluate
from physioaffect.features import EDA, default_recipe, extract
from physioaffect.features.defaults import usual_cleaning

SETS = {"skin conductance": ["eda"], "all sensors": ["eda", "hr", "hrv", "temperature", "motion"]}
MODELS = ["imputed+lda", "imputed+logistic"]
PROTOCOLS = ["loso", "loso_transductive"]


def scores_of(root: str, decompose: str) -> dict[tuple[str, str], pd.Series]:
    """Macro-F1 of each model under each protocol, by sensors."""
    recipe = default_recipe(
        STRESS_PREDICT, families=SETS["all sensors"], cleaning=usual_cleaning(STRESS_PREDICT)
    )
    families = tuple(
        EDA(decompose=decompose) if family.name == "eda" else family for family in recipe.features
    )
    features = extract(STRESS_PREDICT, root, replace(recipe, features=families), n_jobs=-1).features
    found = {}
    for sensors, names in SETS.items():
        result = evaluate(
            features[names],
            task=STRESS_PREDICT.tasks["stress"],
            models=MODELS,
            protocols=PROTOCOLS,
            missing="keep",
            permutations=0,
            n_jobs=-1,
        )
        table = result.scores
        own = table[(table.level == "window") & (table.metric == "macro_f1") & (table.subject != "(pooled)")]
        means = own.groupby(["protocol", "model"]).value.mean()
        for protocol in PROTOCOLS:
            found[sensors, protocol] = means[protocol][MODELS]
    return found


def main(root: str) -> None:
    """Print the table."""
    print("| sensors | protocol | model | high-pass | convex |\n| --- | --- | --- | --- | --- |")
    filtered, convex = (scores_of(root, decompose) for decompose in ("highpass", "convex"))
    for (sensors, protocol), scores in filtered.items():
        for model in MODELS:
            print(
                f"| {sensors} | `{protocol}` | `{model}` | {scores[model]:.3f} | "
                f"{convex[sensors, protocol][model]:.3f} |"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
