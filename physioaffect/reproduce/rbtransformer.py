"""RBTransformer (Kumar, Bhandari & Maragatham 2025, arXiv 2511.13954) on DREAMER and DEAP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from physioaffect.data_set import Report, Target, Task
from physioaffect.datasets import DEAP, DREAMER
from physioaffect.errors import ProtocolError
from physioaffect.evaluation import Fold, Protocol, get_model, loso
from physioaffect.evaluation.protocols import codes
from physioaffect.features import RBTRANSFORMER_BANDS, RBTRANSFORMER_PAPER_BANDS, Recipe
from physioaffect.graphs import MLPClassifier, RBTransformerClassifier
from physioaffect.recording import Trial
from physioaffect.reproduce.histn_windows import one_unit
from physioaffect.reproduce.rbtransformer_tokens import RBTransformerTokens
from physioaffect.reproduce.rbtransformer_training import PublishedRBTransformer
from physioaffect.reproduce.scores import PLAIN_SCORES
from physioaffect.reproduce.simulated import dreamer_without_affect
from physioaffect.reproduce.smote import Smote
from physioaffect.reproduce.values import Evaluation, Published, Request, System
from physioaffect.windows import Windowing

__all__ = [
    "RBTRANSFORMER_PUBLISHED",
    "RBTRANSFORMER_SYSTEM",
    "published_rbtransformer_windows",
    "rbtransformer_recipe",
    "rbtransformer_task",
    "rbtransformer_trials",
]

N_FOLDS = 5
DISCARDED = 0.1
_SCALES = ("valence", "arousal", "dominance")
_MIDDLE = {"dreamer": 3, "deap": 5}
_N_CLASSES = {"dreamer": 5, "deap": 9}

_SOURCE = "tables of arXiv 2511.13954v1"
_OVER = "5 folds over windows"


def _table() -> dict[tuple[str, str, str], Published]:
    """By data set, task and score."""
    accuracy = {
        ("deap", ""): ((99.84, 0.02), (99.83, 0.05), (99.82, 0.06)),
        ("deap", "_9class"): ((99.87, 0.04), (99.84, 0.04), (99.87, 0.05)),
        ("dreamer", ""): ((99.61, 0.05), (99.74, 0.06), (99.79, 0.04)),
        ("dreamer", "_5class"): ((99.54, 0.06), (99.55, 0.04), (99.60, 0.05)),
    }
    macro_f1 = {
        ("deap", ""): ((99.83, 0.02), (99.83, 0.06), (99.81, 0.07)),
        ("deap", "_9class"): ((99.86, 0.04), (99.84, 0.04), (99.87, 0.05)),
        ("dreamer", ""): ((99.59, 0.06), (99.64, 0.09), (99.68, 0.06)),
        ("dreamer", "_5class"): ((99.54, 0.05), (99.47, 0.07), (99.57, 0.09)),
    }
    return {
        (dataset, scale + kind, score): Published(value=value, sd=sd, over=_OVER, source=_SOURCE)
        for score, table in (("accuracy", accuracy), ("macro_f1", macro_f1))
        for (dataset, kind), numbers in table.items()
        for scale, (value, sd) in zip(_SCALES, numbers, strict=True)
    }


RBTRANSFORMER_PUBLISHED = _table()


def rbtransformer_recipe(variant: str = "paper") -> Recipe:
    """Make the recipe of tokens: windows of 512 samples every 117, at 128 Hz.

    Parameters
    ----------
    variant : {"paper", "code"}
        Each channel standardised by itself and the paper's bands, or all together and the bands of the code.

    Returns
    -------
    Recipe
    """
    tokens = {
        "paper": RBTransformerTokens(norm="per_channel", bands=RBTRANSFORMER_PAPER_BANDS),
        "code": RBTransformerTokens(norm="global", bands=RBTRANSFORMER_BANDS),
    }
    return Recipe(
        windows=Windowing(duration=4.0, step=117 / 128, min_coverage=1.0), features=(tokens[variant],)
    )


def rbtransformer_task(dataset: str, scale: str, *, is_equal_high: bool = False, n_classes: int = 2) -> Task:
    """Make a task with the labels of the paper, or of the code.

    Parameters
    ----------
    dataset : {"dreamer", "deap"}
        Says the middle of the scale, 3 or 5.
    scale : {"valence", "arousal", "dominance"}
        Which rating.
    is_equal_high : bool
        Whether a rating of exactly the middle is high (the code) or low (the paper).
    n_classes : int
        2, or as many as whole ratings, into which ratings are cut off: ``int(rating)``.

    Returns
    -------
    Task

    Examples
    --------
    >>> rbtransformer_task("dreamer", "valence").description
    'Own rating of valence: low up to 3, high above'
    """
    middle = _MIDDLE[dataset]
    if n_classes == 2:
        rule = (
            f"low below {middle}, high from {middle}" if is_equal_high else f"low up to {middle}, high above"
        )
        return Task(
            name=scale,
            description=f"Own rating of {scale}: {rule}",
            kind="binary",
            classes=("low", "high"),
            target=partial(_low_high, scale=scale, middle=middle, is_equal_high=is_equal_high),
            source="rating",
            threshold=float(middle),
        )
    return Task(
        name=f"{scale}_{n_classes}class",
        description=f"Own rating of {scale}: 1 to {n_classes}, decimals cut off",
        kind="ordinal",
        classes=tuple(str(number) for number in range(1, n_classes + 1)),
        target=partial(_whole, scale=scale),
        source="rating",
    )


def _low_high(trial: Trial, *, scale: str, middle: float, is_equal_high: bool) -> Target:
    if scale not in trial.ratings:
        return None
    rating = trial.ratings[scale]
    return "high" if rating > middle or (is_equal_high and rating == middle) else "low"


def _whole(trial: Trial, *, scale: str) -> Target:
    return str(int(trial.ratings[scale])) if scale in trial.ratings else None


def published_rbtransformer_windows() -> Protocol:
    """RBTransformer's protocol: a tenth of all windows thrown away, the others dealt into five folds.

    Returns
    -------
    Protocol
        Without a claim.
    """

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
        n_windows = len(coords)
        if n_windows < 2 * N_FOLDS:
            raise ProtocolError(f"{N_FOLDS} folds over windows need {2 * N_FOLDS} windows, got {n_windows}.")
        kept = np.sort(rng.permutation(n_windows)[round(DISCARDED * n_windows) :])
        splitter = KFold(N_FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
        for number, (train, test) in enumerate(splitter.split(kept), start=1):
            yield Fold(name=str(number), train_idx=kept[train], test_idx=kept[test])

    return Protocol(
        name="published_rbtransformer_windows",
        holds_out="window",
        shares="The person, the trial, its label, and samples: neighbouring windows share 77 % of them.",
        claim=None,
        folds=folds,
        units=one_unit,
    )


def rbtransformer_trials() -> Protocol:
    """Five folds over trials of all people together: the published split, but no trial is on both sides.

    Returns
    -------
    Protocol
    """

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
        trials = codes(coords, "trial")
        n_trials = int(trials.max()) + 1
        if n_trials < N_FOLDS:
            raise ProtocolError(f"{N_FOLDS} folds over trials need {N_FOLDS} trials, got {n_trials}.")
        place = np.empty(n_trials, dtype=np.intp)
        place[rng.permutation(n_trials)] = np.arange(n_trials) % N_FOLDS
        for number in range(N_FOLDS):
            is_test = place[trials] == number
            yield Fold(
                name=str(number + 1), train_idx=np.flatnonzero(~is_test), test_idx=np.flatnonzero(is_test)
            )

    return Protocol(
        name="rbtransformer_trials",
        holds_out="trial",
        shares="The people, and clips where others saw them; no trial.",
        claim="Works for other trials of people whose labelled trials were used for training.",
        folds=folds,
        units=one_unit,
    )


def _task_of(request: Request, name: str) -> Task:
    dataset = request.dataset.name
    scale, _, kind = name.partition("_")
    n_classes = _N_CLASSES[dataset] if kind else 2
    return rbtransformer_task(dataset, scale, is_equal_high=request.variant == "code", n_classes=n_classes)


def _models(request: Request) -> dict[str, object]:
    epochs = 3 if request.is_quick else 300
    # Small batches throughout: three epochs of three people hold few steps.
    batch_size = 64 if request.is_quick else 256
    shared = {"batch_size": batch_size, "epochs": epochs, "device": request.device}
    network = RBTransformerClassifier(**shared)  # type: ignore[arg-type]
    perceptron = MLPClassifier(**shared)  # type: ignore[arg-type]
    return {
        "rbtransformer": Smote(PublishedRBTransformer(network)),
        "mlp": Smote(perceptron),
    }


def _evaluations(request: Request) -> Sequence[Evaluation]:
    protocols = (published_rbtransformer_windows(), rbtransformer_trials(), loso)
    made = []
    for name in request.tasks:
        task = _task_of(request, name)
        made.append(
            Evaluation(
                name=name,
                task=task,
                recipe=rbtransformer_recipe(request.variant),
                models={**_models(request), "1nn": get_model("knn", task)},
                protocols=protocols,
                over={
                    "published_rbtransformer_windows": "folds",
                    "rbtransformer_trials": "folds",
                    "loso": "people",
                },
                scores=PLAIN_SCORES,
                published={
                    ("published_rbtransformer_windows", "rbtransformer", score): number
                    for (dataset, of, score), number in RBTRANSFORMER_PUBLISHED.items()
                    if dataset == request.dataset.name and of == name
                },
            )
        )
    return made


def _differences(request: Request) -> tuple[str, ...]:
    quick = (
        "Quick: three people unless others were named, one task, three epochs with batches of 64: a check "
        "that everything runs, no estimate. The nearest neighbour needs no training, so its rows are what "
        "they are.",
    )
    return (
        *(quick if request.is_quick else ()),
        "Every token is standardised by the training windows; theirs go in as they are.",
        "At half of the epochs, where the batch shrinks, AdamW's running means start anew.",
        "Networks of the last epoch are tested; which epoch their tables use is not stated.",
        f"Labels and tokens are those of the {request.variant}: "
        f"{RBTRANSFORMER_SYSTEM.variants[request.variant]}. The other variant moves every rating of the "
        "middle to the other class.",
        "The folds, the tenth that is thrown away and the first weights are drawn from our seed.",
        "rbtransformer_trials and loso are ours: no result with trials or people held out was published.",
        "1nn (the nearest neighbour on the same tokens) and mlp (the network's head on all tokens, without "
        "attention) are controls: what they reach, attention between electrodes does not explain.",
    )


_TASKS: Callable[[str], tuple[str, ...]] = lambda dataset: (  # noqa: E731
    *_SCALES,
    *(f"{scale}_{_N_CLASSES[dataset]}class" for scale in _SCALES),
)

RBTRANSFORMER_SYSTEM = System(
    name="rbtransformer",
    title="RBTransformer",
    citation=(
        "Kumar, Bhandari & Maragatham (2025). A Brain Wave Encodes a Thousand Tokens: Modeling "
        "Inter-Cortical Neural Interactions for Effective EEG-based Emotion Recognition."
    ),
    url="https://arxiv.org/abs/2511.13954",
    # Tokens read the rest before a trial, which DEAP's reader otherwise leaves out, as no recipe asks for it.
    datasets={"dreamer": DREAMER, "deap": replace(DEAP, select=None)},
    evaluations=_evaluations,
    differences=_differences,
    simulate=dreamer_without_affect,
    variants={
        "paper": "each channel standardised by itself, bands 4-8-13-30-45 Hz, high above the middle",
        "code": "all channels standardised together, bands 4-8-14-31-49 Hz, high from the middle on",
    },
    tasks={name: _TASKS(name) for name in ("dreamer", "deap")},
    default_tasks=dict.fromkeys(("dreamer", "deap"), _SCALES),
)
