"""Does the brain part help? The interval of a difference between arms, over identities and over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, stats

from physioaffect.distill.scores import MEASURES, confusions, labels_of, scores_of_confusions
from physioaffect.errors import ProtocolError

__all__ = [
    "FEWEST_SEEDS",
    "SMALLEST_EFFECT",
    "Answer",
    "Verdict",
    "does_the_brain_part_help",
    "score_intervals",
]

Answer = Literal["helps", "does not", "undecided"]

SMALLEST_EFFECT = 0.01
"""Smallest difference of interest in macro-F1: what published steps of the ablation differ by, and less than
what a change of seed does to small sets."""

FEWEST_SEEDS = 6
_FEWEST_QUICK = 3
_CHUNK = 200  # Resamples at a time: of 4,000 faces 6 MB.


class ScoreInterval(NamedTuple):
    """A mean over seeds and its interval over identities and seeds, from 0 to 1."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A difference of scores between two arms, its interval, and what it says.

    Parameters
    ----------
    answer : {"helps", "does not", "undecided"}
        "helps": the whole interval lies above the smallest effect of interest. "does not": the whole interval
        lies below it, so that the difference is smaller than what matters, or negative. Otherwise
        "undecided".
    estimate, low, high, level : float
        Mean difference over seeds and its interval.
    percentile_low, percentile_high : float
        The same from percentiles of the crossed bootstrap, too narrow with few seeds; for comparison.
    smallest_effect : float
        As it was stated.
    measure, present_only : str, bool
        The score.
    per_seed : tuple of float
        The difference of each seed.
    n_identities, n_images : int
        What was resampled, and how many images they have.
    seeds_share : float
        Share of the squared standard error that is due to seeds.
    is_quick : bool
        Whether fewer than six seeds were allowed.
    """

    answer: Answer
    estimate: float
    low: float
    high: float
    level: float
    percentile_low: float
    percentile_high: float
    smallest_effect: float
    measure: str
    present_only: bool
    per_seed: tuple[float, ...]
    n_identities: int
    n_images: int
    seeds_share: float
    is_quick: bool

    def sentence(self, first: str = "EEG prototypes", second: str = "random prototypes") -> str:
        """Say it in words, with what the interval covers."""
        name = self.measure.replace("_", "-").replace("macro-f1", "macro-F1")
        which = "present-only " if self.present_only else ""
        reading = {
            "helps": f"all of it above the smallest effect of interest, {self.smallest_effect:g}: it helps.",
            "does not": f"all of it below the smallest effect of interest, {self.smallest_effect:g}: it does "
            "not help.",
            "undecided": f"which reaches from below to above the smallest effect of interest, "
            f"{self.smallest_effect:g}: undecided.",
        }[self.answer]
        quick = " A quick run: with so few seeds it decides nothing." if self.is_quick else ""
        return (
            f"{first} minus {second}: {which}{name} {self.estimate:+.4f}, {100 * self.level:g} % interval "
            f"{self.low:+.4f} to {self.high:+.4f} over {self.n_identities} identities and "
            f"{len(self.per_seed)} seeds, {reading}{quick}"
        )

    def to_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
        return asdict(self) | {"per_seed": list(self.per_seed)}


def does_the_brain_part_help(  # noqa: PLR0913  All options are named.
    eeg: ArrayLike,
    control: ArrayLike,
    targets: ArrayLike,
    identities: ArrayLike,
    *,
    measure: str = "macro_f1",
    present_only: bool = False,
    smallest_effect: float = SMALLEST_EFFECT,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
    quick: bool = False,
) -> Verdict:
    """Compare two arms that share seeds and test images.

    Parameters
    ----------
    eeg, control : array-like, shape (n_seeds, n_images, n_classes)
        Logits or probabilities of both arms. Seed by seed both began with the same weights and saw the same
        batches, so that they are paired; the control has a draw of its own for each seed.
    targets : array-like of int, shape (n_images,), or of float, shape (n_images, n_classes)
        True classes or soft labels.
    identities : array-like of str, shape (n_images,)
        The person in the image where it is known, otherwise the image's own name; resampled as a whole.
    measure : {"macro_f1", "accuracy", "balanced_accuracy"}
        What is compared.
    present_only : bool
        Whether classes that the test set lacks are masked; see `physioaffect.distill.scores`.
    smallest_effect : float
        Smallest difference that would matter, from 0: stated before the test is opened.
    level : float
        Confidence, between 0 and 1.
    n_resamples, seed : int
        Of the bootstrap.
    quick : bool
        Whether three to five seeds will do, for a run that decides nothing.

    Returns
    -------
    Verdict

    Raises
    ------
    ProtocolError
        If there are fewer than six seeds (three if ``quick``), or fewer than two identities.
    DataError
        If shapes do not fit or a score is no number.
    ValueError
        If a setting is out of range.

    Notes
    -----
    Identities and seeds are crossed: every model is tested on every face. Both are taken as drawn from
    populations, identities with replacement and, independently, seeds with replacement [1]_. The squared
    standard error of the mean difference over seeds is

    ``SE^2 = V_identities + V_seeds``,

    ``V_identities`` the variance over bootstrap resamples of identities of the difference, all seeds kept,
    and ``V_seeds = S^2 / n_seeds`` with the variance ``S^2`` of the seeds' differences (n - 1). The interval
    is the difference ± t(df) SE with Satterthwaite's ``df = SE^4 / (V_identities^2 / (n_identities - 1) +
    V_seeds^2 / (n_seeds - 1))`` [2]_. It counts the interaction of seeds and identities twice, which widens
    it a little.

    Percentiles of the crossed bootstrap are given too but not used: with n seeds they understate the seeds'
    variance by 1 / n and know no t. In simulations in which most of the variance is due to seeds they cover
    about 80 % with three seeds and 89 % with six when they promise 95 %; the interval above covers 93 % and
    95 % (see tests/distill/test_verdict.py).

    The interval is for new faces like these and new seeds: initial weights, batches, augmentation and the
    draw of the control's prototypes. It holds for this training set and these EEG prototypes: other people's
    EEG, or other training faces, are no part of it.

    References
    ----------
    .. [1] Owen 2007, Annals of Applied Statistics 1(2):386-411, doi:10.1214/07-AOAS122 (the pigeonhole
       bootstrap).
    .. [2] Satterthwaite 1946, Biometrics Bulletin 2(6):110-114, doi:10.2307/3002019.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 200)
    >>> good = np.eye(2)[labels] + 0.1 * rng.standard_normal((6, 200, 2))
    >>> chance = rng.standard_normal((6, 200, 2))
    >>> does_the_brain_part_help(good, chance, labels, np.arange(200).astype(str)).answer
    'helps'
    """
    first, second = np.asarray(eeg, dtype=np.float64), np.asarray(control, dtype=np.float64)
    if first.ndim != 3 or first.shape != second.shape:
        raise ValueError(
            "eeg and control must both be (n_seeds, n_images, n_classes), got shapes "
            f"{first.shape} and {second.shape}."
        )
    if not 0 <= smallest_effect < 1:
        raise ValueError(f"smallest_effect is a difference of scores from 0 to 1, got {smallest_effect}.")
    n_seeds = len(first)
    fewest = _FEWEST_QUICK if quick else FEWEST_SEEDS
    if n_seeds < fewest:
        raise ProtocolError(
            f"A verdict needs at least {fewest} seeds{' even in a quick run' if quick else ''}, got "
            f"{n_seeds}: with fewer the differences between trainings cannot be told "
            "from the effect. Run more seeds"
            + ("." if quick else ", or ask for a quick run, which decides nothing.")
        )
    if measure not in MEASURES:
        raise ValueError(f"Unknown measure {measure!r}: use one of {', '.join(MEASURES)}.")
    both, n_identities = _resampled([first, second], targets, identities, present_only, n_resamples, seed)
    (drawn_first, whole_first), (drawn_second, whole_second) = (own[measure] for own in both)
    found = _crossed(drawn_first - drawn_second, whole_first - whole_second, n_identities, level, seed)
    answer: Answer = "undecided"
    if found.low > smallest_effect:
        answer = "helps"
    elif found.high < smallest_effect:
        answer = "does not"
    return Verdict(
        answer=answer,
        **{name: getattr(found, name) for name in _Crossed.__dataclass_fields__},
        level=level,
        smallest_effect=smallest_effect,
        measure=measure,
        present_only=present_only,
        n_identities=n_identities,
        n_images=first.shape[1],
        is_quick=n_seeds < FEWEST_SEEDS,
    )


def score_intervals(
    scores: ArrayLike,
    targets: ArrayLike,
    identities: ArrayLike,
    *,
    present_only: bool = False,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, ScoreInterval]:
    """Mean of each measure over seeds, and its interval over identities and seeds.

    Parameters
    ----------
    scores : array-like, shape (n_seeds, n_images, n_classes)
        Logits or probabilities of one arm.
    targets, identities, present_only, level, n_resamples, seed
        As in `does_the_brain_part_help`.

    Returns
    -------
    intervals : dict from measure to ScoreInterval
        With one seed the interval is over identities only.

    Examples
    --------
    >>> logits = np.eye(2)[[[0, 1, 0, 1]]]
    >>> score_intervals(logits, [0, 1, 0, 1], ["a", "b", "c", "d"])["accuracy"]
    ScoreInterval(mean=1.0, low=1.0, high=1.0)
    """
    given = np.asarray(scores, dtype=np.float64)
    [found], n_identities = _resampled([given], targets, identities, present_only, n_resamples, seed)
    intervals = {}
    for measure, (drawn, whole) in found.items():
        limits = _crossed(drawn, whole, n_identities, level, seed)
        intervals[measure] = ScoreInterval(limits.estimate, max(limits.low, 0.0), min(limits.high, 1.0))
    return intervals


def _resampled(
    arms: Sequence[NDArray[np.float64]],
    targets: ArrayLike,
    identities: ArrayLike,
    present_only: bool,
    n_resamples: int,
    seed: int,
) -> tuple[list[dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]], int]:
    """By arm and measure: scores of resampled identities, (n_resamples, n_seeds), and of all, (n_seeds,)."""
    n_classes = arms[0].shape[-1]
    labels = labels_of(targets, n_classes)
    who, number = np.unique(np.asarray(identities).astype(str), return_inverse=True)
    if len(number) != len(labels):
        raise ValueError(f"identities must be one for each of {len(labels)} images, got {len(number)}.")
    if len(who) < 2:
        raise ProtocolError(f"An interval needs at least two identities, got {len(who)}. Test more faces.")
    allowed = np.bincount(labels, minlength=n_classes) > 0 if present_only else None
    counts = [
        [_counts(confusions(logits, labels, allowed=allowed), number, n_classes) for logits in arm]
        for arm in arms
    ]

    def scored(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_resamples, n_identities) -> (n_measures, n_arms, n_resamples, n_seeds)."""
        flat = np.array([[(own @ weights.T).T for own in arm] for arm in counts]).swapaxes(1, 2)
        shaped = flat.reshape(*flat.shape[:3], n_classes, n_classes)
        scores = scores_of_confusions(shaped, present_only=present_only)
        return np.array([scores[measure] for measure in MEASURES])

    rng = np.random.default_rng([seed, 0])
    parts = []
    for start in range(0, n_resamples, _CHUNK):
        picks = rng.integers(0, len(who), (min(_CHUNK, n_resamples - start), len(who)))
        parts.append(scored(np.array([np.bincount(pick, minlength=len(who)) for pick in picks], dtype=float)))
    drawn = np.concatenate(parts, axis=2)
    whole = scored(np.ones((1, len(who))))[:, :, 0]
    by_arm = [
        {measure: (drawn[place, arm], whole[place, arm]) for place, measure in enumerate(MEASURES)}
        for arm in range(len(arms))
    ]
    return by_arm, len(who)


def _counts(cells: NDArray[np.intp], number: NDArray[np.intp], n_classes: int) -> sparse.csr_array:
    """How many images of each identity (columns) fall in each cell of the confusion matrix (rows)."""
    shape = (n_classes**2, int(number.max()) + 1)
    return sparse.csr_array(sparse.coo_array((np.ones(len(cells)), (cells, number)), shape=shape))


@dataclass(frozen=True, kw_only=True)
class _Crossed:
    estimate: float
    low: float
    high: float
    percentile_low: float
    percentile_high: float
    per_seed: tuple[float, ...]
    seeds_share: float


def _crossed(
    drawn: NDArray[np.float64], whole: NDArray[np.float64], n_identities: int, level: float, seed: int
) -> _Crossed:
    """Interval of the mean of ``whole`` over seeds, from resamples of identities ``drawn``."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}.")
    n_resamples, n_seeds = drawn.shape
    by_identities = float(drawn.mean(axis=1).var(ddof=1))
    by_seeds = float(whole.var(ddof=1)) / n_seeds if n_seeds > 1 else 0.0
    squared = by_identities + by_seeds
    tail = (1 - level) / 2
    half = 0.0
    if squared > 0:
        spread = by_identities**2 / (n_identities - 1) + by_seeds**2 / max(n_seeds - 1, 1)
        half = float(stats.t.isf(tail, squared**2 / spread)) * float(np.sqrt(squared))
    picks = np.random.default_rng([seed, 1]).integers(0, n_seeds, (n_resamples, n_seeds))
    crossed = np.take_along_axis(drawn, picks, axis=1).mean(axis=1)
    percentile_low, percentile_high = np.quantile(crossed, [tail, 1 - tail])
    estimate = float(whole.mean())
    return _Crossed(
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        percentile_low=float(percentile_low),
        percentile_high=float(percentile_high),
        per_seed=tuple(float(value) for value in whole),
        seeds_share=by_seeds / squared if squared > 0 else 0.0,
    )
