"""HiSTN (Kuang, Song & Michoski 2024, arXiv 2408.15255) on DREAMER."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.base import clone

from physioaffect.data_set import Task
from physioaffect.datasets import DREAMER
from physioaffect.evaluation import Protocol
from physioaffect.features import LineLength, Recipe
from physioaffect.graphs import HiSTNClassifier
from physioaffect.reproduce.histn_training import PublishedHiSTN
from physioaffect.reproduce.histn_windows import (
    N_BLOCKS,
    HiSTNScaling,
    histn_loso,
    histn_trials,
    published_histn_blocks,
    published_histn_first_10s,
)
from physioaffect.reproduce.scores import HISTN_SCORES
from physioaffect.reproduce.simulated import dreamer_without_affect
from physioaffect.reproduce.values import Evaluation, Published, Request, System
from physioaffect.windows import Windowing

__all__ = ["HISTN", "HISTN_PUBLISHED", "HISTN_RECIPE"]

# Every 0.25 s, as the windows of fine-tuning; those without overlap are among them.
HISTN_RECIPE = Recipe(
    windows=Windowing(duration=1.0, step=0.25, min_coverage=1.0),
    cleaning=(HiSTNScaling(),),
    # The network takes raw windows; a table has to have a feature.
    features=(LineLength(),),
)

_ABSTRACT = "abstract of arXiv 2408.15255"
_FIGURE = "supplement of arXiv 2408.15255, read from the figure (about ±0.2)"
_MEDIAN = "median of 23 people"
_MEAN = "mean of 23 people"


def _abstract(value: float) -> Published:
    return Published(value=value, over=_MEAN, source=_ABSTRACT)


def _figure(value: float) -> Published:
    return Published(value=value, over=_MEDIAN, source=_FIGURE)


def _printed() -> dict[tuple[str, str, str, str], Published]:
    """By task, protocol, model and score."""
    blocks, tuned = "published_histn_blocks", "published_histn_first_10s"
    made = {
        ("valence_5class", blocks, "histn", "weighted_f1"): _abstract(96.82),
        ("arousal_5class", blocks, "histn", "weighted_f1"): _abstract(95.62),
        ("valence_5class", tuned, "histn", "weighted_f1"): _abstract(78.34),
        ("arousal_5class", tuned, "histn", "weighted_f1"): _abstract(81.59),
        ("valence_5class", tuned, "histn_10s_only", "weighted_f1"): _figure(72.2),
        ("arousal_5class", tuned, "histn_10s_only", "weighted_f1"): _figure(76.6),
    }
    figure = {
        ("valence_5class", "histn"): (90.0, 90.0, 84.0),
        ("arousal_5class", "histn"): (92.6, 93.9, 90.1),
        ("valence_5class", "histn_10s_only"): (87.3, 88.1, 77.3),
        ("arousal_5class", "histn_10s_only"): (91.3, 94.0, 88.0),
    }
    for (task, model), numbers in figure.items():
        for score, number in zip(("top2", "tri_p", "seq2hr"), numbers, strict=True):
            made[task, tuned, model, score] = _figure(number)
    return made


HISTN_PUBLISHED = _printed()


def _evaluation(
    task: Task, what: str, models: Mapping[str, HiSTNClassifier], protocols: Sequence[Protocol]
) -> Evaluation:
    return Evaluation(
        name=f"{task.name}-{what}",
        task=task,
        recipe=HISTN_RECIPE,
        models={
            name: PublishedHiSTN(model, n_classes=len(task.classes), is_pretrained=name != "histn_10s_only")
            for name, model in models.items()
        },
        protocols=protocols,
        over={
            "published_histn_blocks": "people after folds",
            "histn_trials": "people after folds",
            "published_histn_first_10s": "people",
            "loso": "people",
        },
        scores=HISTN_SCORES,
        balanced=frozenset({"published_histn_blocks", "histn_trials"}),
        published={key[1:]: number for key, number in HISTN_PUBLISHED.items() if key[0] == task.name},
    )


def _evaluations(request: Request) -> Sequence[Evaluation]:
    quick = request.is_quick
    epochs, n_tuning = (3, 60) if quick else (50, 400)
    # The same first weights in all folds, as published.
    shared: dict[str, Any] = {"random_state": request.seed, "device": request.device}
    within = HiSTNClassifier(**shared, crops=True, epochs=epochs, patience=epochs)
    across = HiSTNClassifier(
        **shared,
        dropout=0.2,
        epochs=3 if quick else 100,
        batch_size=120,
        learning_rate=1e-2,
        slower_from=50,
        slower_by=0.2,
    )
    tuned = clone(across).set_params(calibration_epochs=n_tuning)
    alone = HiSTNClassifier(**shared, dropout=0.2, epochs=n_tuning, batch_size=100, slower_from=n_tuning)
    blocks = published_histn_blocks((5,) if quick else range(N_BLOCKS))
    trials = histn_trials(folds=(0,) if quick else None)
    made = []
    for name in request.tasks:
        task = request.dataset.tasks[name]
        made += [
            _evaluation(task, "within", {"histn": within}, (blocks, trials)),
            _evaluation(
                task,
                "fine-tuned",
                {"histn": tuned, "histn_10s_only": alone},
                (published_histn_first_10s(),),
            ),
            _evaluation(task, "new-people", {"histn": across}, (histn_loso(),)),
        ]
    return made


def _differences(request: Request) -> tuple[str, ...]:
    quick = (
        "Quick: three people unless others were named, three epochs (60 of fine-tuning), block 6 of ten and "
        "trial fold 1 of six: a check that everything runs, no estimate.",
    )
    return (
        *(quick if request.is_quick else ()),
        "Test and validation windows of the blocks start every 0.25 s instead of anywhere. A test draws "
        "1,000 crops with each class equally often; ours takes all windows of the block and weighs them so.",
        "Each electrode is standardised once more, by the training windows.",
        "Validation labels are smoothed like those of training, theirs are one-hot.",
        "In fine-tuning classes are drawn equally often, where theirs weighs them in the loss.",
        "People who never gave a score that others gave may be left out of blocks and trials: see the "
        "exclusions in each run's report.",
        "A clip that alone has its score in a person is never tested under histn_trials.",
        "histn_trials and loso are ours: no trial-grouped result was published, and the published "
        "'subject-independent' number is the one under published_histn_first_10s.",
    )


HISTN = System(
    name="histn",
    title="HiSTN",
    citation=(
        "Kuang, Song & Michoski (2024). Emotion Classification from Multi-Channel EEG Signals Using HiSTN: A "
        "Hierarchical Graph-based Spatial-Temporal Approach."
    ),
    url="https://arxiv.org/abs/2408.15255",
    datasets={"dreamer": DREAMER},
    evaluations=_evaluations,
    differences=_differences,
    simulate=dreamer_without_affect,
    variants={"paper": "as in the paper and its code"},
    tasks={"dreamer": ("valence_5class", "arousal_5class")},
    default_tasks={"dreamer": ("valence_5class", "arousal_5class")},
)
