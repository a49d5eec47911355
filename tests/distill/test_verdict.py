"""The verdict: its three answers, its pairing, and how often its interval holds what it should."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from physioaffect.distill.verdict import does_the_brain_part_help, score_intervals
from physioaffect.errors import ProtocolError


def logits_of(labels: NDArray, accuracies, rng: np.random.Generator, n_classes: int = 4) -> NDArray:
    """One model for each accuracy, right by that much and otherwise one of the others."""
    models = []
    for accuracy in accuracies:
        wrong = (labels + rng.integers(1, n_classes, len(labels))) % n_classes
        said = np.where(rng.random(len(labels)) < accuracy, labels, wrong)
        models.append(np.eye(n_classes)[said])
    return np.array(models)


@pytest.mark.parametrize(
    ("gain", "n", "answer"), [(0.3, 500, "helps"), (-0.3, 500, "does not"), (0.01, 60, "undecided")]
)
def test_three_answers(gain: float, n: int, answer: str) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, n)
    verdict = does_the_brain_part_help(
        logits_of(labels, [0.6 + gain] * 6, rng), logits_of(labels, [0.6] * 6, rng), labels, np.arange(n)
    )
    assert verdict.answer == answer
    assert verdict.low <= verdict.estimate <= verdict.high
    assert verdict.estimate == pytest.approx(np.mean(verdict.per_seed))
    assert answer.rsplit(maxsplit=1)[-1] in verdict.sentence()


def test_an_effect_below_the_smallest_of_interest_does_not_help() -> None:
    # Surely above 0, and surely too small to matter: one more right in 200, in each of six seeds.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 4000)
    worse = np.eye(4)[labels][None].repeat(6, axis=0)
    worse[:, ::200] = np.roll(worse[:, ::200], 1, axis=2)
    perfect = np.eye(4)[labels][None].repeat(6, axis=0)
    verdict = does_the_brain_part_help(perfect, worse, labels, np.arange(len(labels)))
    assert 0 < verdict.low < verdict.high < 0.01
    assert verdict.answer == "does not"
    stricter = does_the_brain_part_help(perfect, worse, labels, np.arange(len(labels)), smallest_effect=0.001)
    assert stricter.answer == "helps"


def test_the_estimate_is_scikit_learns_difference() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 90)
    one, two = rng.standard_normal((2, 6, 90, 4))
    verdict = does_the_brain_part_help(one, two, labels, np.arange(90))
    expected = [
        f1_score(labels, a.argmax(1), average="macro") - f1_score(labels, b.argmax(1), average="macro")
        for a, b in zip(one, two, strict=True)
    ]
    assert verdict.per_seed == pytest.approx(expected)


def test_the_same_predictions_differ_by_nothing() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 50)
    one = rng.standard_normal((6, 50, 4))
    verdict = does_the_brain_part_help(one, one, labels, np.arange(50))
    assert (verdict.estimate, verdict.low, verdict.high, verdict.answer) == (0, 0, 0, "does not")


def test_pairing_narrows_the_interval() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 300)
    control = logits_of(labels, [0.7] * 6, rng)
    eeg = control.copy()
    eeg[:, :20] = np.eye(4)[labels[:20]]  # Right on some more faces, alike on the others.
    paired = does_the_brain_part_help(eeg, control, labels, np.arange(300))
    apart = does_the_brain_part_help(eeg, logits_of(labels, [0.7] * 6, rng), labels, np.arange(300))
    assert paired.high - paired.low < 0.7 * (apart.high - apart.low)


def test_people_with_many_faces_count_as_people() -> None:
    rng = np.random.default_rng(4)
    people = np.repeat(np.arange(20), 30)
    labels = rng.integers(0, 4, 600)
    is_easy = rng.random(20)[people] < 0.5  # A person's faces stand or fall together.
    right = np.eye(4)[labels]
    eeg = np.where(is_easy[:, None], right, np.roll(right, 1, axis=1))[None].repeat(6, axis=0)
    control = np.roll(right, 1, axis=1)[None].repeat(6, axis=0)
    by_people = does_the_brain_part_help(eeg, control, labels, people)
    by_face = does_the_brain_part_help(eeg, control, labels, np.arange(600))
    assert by_people.n_identities == 20
    assert by_people.high - by_people.low > 3 * (by_face.high - by_face.low)


def coverage(n_seeds: int, *, n_runs: int = 250) -> tuple[float, float]:
    """How often the interval, and how often percentiles, hold the true difference of 0.1 in accuracy.

    Seeds differ: each has an accuracy of its own, SD 0.1, in both arms.
    """
    rng = np.random.default_rng(n_seeds)
    hits = np.zeros(2)
    for _ in range(n_runs):
        labels = rng.integers(0, 4, 600)
        spread = 0.1 * rng.standard_normal((2, n_seeds))
        verdict = does_the_brain_part_help(
            logits_of(labels, 0.7 + spread[0], rng),
            logits_of(labels, 0.6 + spread[1], rng),
            labels,
            np.arange(600),
            measure="accuracy",
            n_resamples=200,
            quick=True,
        )
        hits += [
            verdict.low <= 0.1 <= verdict.high,
            verdict.percentile_low <= 0.1 <= verdict.percentile_high,
        ]
    return hits[0] / n_runs, hits[1] / n_runs


@pytest.mark.parametrize("n_seeds", [3, 6])
def test_the_interval_covers_where_percentiles_do_not(n_seeds: int) -> None:
    ours, percentiles = coverage(n_seeds)
    assert 0.91 <= ours <= 1
    assert percentiles < {3: 0.86, 6: 0.92}[n_seeds]


def test_too_few_seeds_are_refused() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 40)
    three = rng.standard_normal((3, 40, 4))
    with pytest.raises(ProtocolError, match=r"at least 6 seeds, got 3.*ask for a quick run"):
        does_the_brain_part_help(three, three, labels, np.arange(40))
    quick = does_the_brain_part_help(three, three[::-1], labels, np.arange(40), quick=True)
    assert quick.is_quick
    assert "A quick run: with so few seeds it decides nothing" in quick.sentence()
    with pytest.raises(ProtocolError, match="at least 3 seeds even in a quick run, got 2"):
        does_the_brain_part_help(three[:2], three[:2], labels, np.arange(40), quick=True)


def test_wrong_settings_and_data() -> None:
    rng = np.random.default_rng(6)
    six, labels = rng.standard_normal((6, 40, 4)), rng.integers(0, 4, 40)
    with pytest.raises(ValueError, match=r"got shapes \(6, 40, 4\) and \(5, 40, 4\)"):
        does_the_brain_part_help(six, six[:5], labels, np.arange(40))
    with pytest.raises(ValueError, match=r"smallest_effect is a difference of scores from 0 to 1, got -0\.1"):
        does_the_brain_part_help(six, six, labels, np.arange(40), smallest_effect=-0.1)
    with pytest.raises(ValueError, match="Unknown measure 'auc': use one of macro_f1"):
        does_the_brain_part_help(six, six, labels, np.arange(40), measure="auc")
    with pytest.raises(ValueError, match="identities must be one for each of 40 images, got 3"):
        does_the_brain_part_help(six, six, labels, np.arange(3))
    with pytest.raises(ProtocolError, match="at least two identities, got 1"):
        does_the_brain_part_help(six, six, labels, np.zeros(40))
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 95"):
        does_the_brain_part_help(six, six, labels, np.arange(40), level=95)


def test_interval_of_one_score() -> None:
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 4, 400)
    found = score_intervals(logits_of(labels, [0.6] * 6, rng), labels, np.arange(400))
    mean, low, high = found["accuracy"]
    assert low < 0.6 < high
    # Of a proportion: sqrt(p q / n) = 0.0245, and the seeds share the faces but not their errors here.
    assert 0.01 < (high - low) / 4 < 0.0245
    assert mean == pytest.approx(0.6, abs=0.02)
