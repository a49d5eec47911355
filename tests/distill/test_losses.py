"""The losses against values by hand, limits, theorems and their derivatives."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from physioaffect.distill.losses import (  # noqa: E402
    class_loss,
    class_variances,
    class_weights,
    distillation_loss,
    geometry_loss,
    late_cosine,
    prototype_loss,
    running_cap,
)

TAU = 0.9
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=12)


def normal(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def units(seed, *shape):
    return torch.nn.functional.normalize(normal(seed, *shape), dim=1)


def shares(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(shape[1]), size=shape[0]))


def rotation(seed, n_dims):
    return torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).normal(size=(n_dims, n_dims)))[0])


# Classes


def test_class_loss_by_hand():
    # Softmax of (log 3, 0) is (3/4, 1/4); a tenth of the label is spread over both.
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)
    targets = torch.tensor([[0.8, 0.2], [0.0, 1.0]], dtype=torch.float64)
    weights = torch.tensor([2.0, 0.5], dtype=torch.float64)
    first = -(2.0 * 0.77 * math.log(0.75) + 0.5 * 0.23 * math.log(0.25))
    second = -(2.0 * 0.05 + 0.5 * 0.95) * math.log(0.5)
    found = class_loss(logits, targets, smoothing=0.1, class_weights=weights)
    assert float(found) == pytest.approx((first + second) / 2, rel=1e-12)


@few
@given(seeds)
def test_class_loss_is_least_where_probabilities_are_the_smoothed_label(seed):
    targets = shares(seed, 3, 5)
    smoothed = 0.945 * targets + 0.055 / 5
    least = class_loss(smoothed.log(), targets)
    entropy = -(smoothed * smoothed.log()).sum(dim=1).mean()
    assert float(least) == pytest.approx(float(entropy), rel=1e-10)
    assert float(class_loss(smoothed.log() + 0.1 * normal(seed + 1, 3, 5), targets)) > float(least)


@few
@given(seeds)
def test_class_weights_mean_one_over_images_and_fall_with_the_root_of_frequency(seed):
    targets = shares(seed, 40, 4)
    weights, counts = class_weights(targets), targets.sum(dim=0)
    assert float((targets @ weights).mean()) == pytest.approx(1, rel=1e-10)
    assert torch.allclose(weights / weights[0], (counts[0] / counts).sqrt(), rtol=1e-10)


def test_a_class_without_images_has_no_weight():
    with pytest.raises(ValueError, match=r"Class 1 of 2 has no image.*Leave the class out"):
        class_weights(torch.tensor([[1.0, 0.0]]))


# Distillation


def test_distillation_by_hand():
    # At T = 2 the teacher's (2 log 3, 0) are chances of 3/4 and 1/4, the student's equal ones 1/2 each.
    student = torch.zeros(1, 2, dtype=torch.float64)
    teacher = torch.tensor([[2 * math.log(3), 0.0]], dtype=torch.float64)
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(distillation_loss(student, teacher, temperature=2)) == pytest.approx(4 * divergence)
    assert float(distillation_loss(student, teacher, kind="mse")) == pytest.approx(2 * math.log(3) ** 2)


@few
@given(seeds)
def test_hot_distillation_is_half_the_squared_distance_of_centred_logits(seed):
    """Hinton et al. 2015, section 2.1: for high temperatures."""
    student, teacher = normal(seed, 6, 8), normal(seed + 1, 6, 8)
    apart = (student - student.mean(dim=1, keepdim=True)) - (teacher - teacher.mean(dim=1, keepdim=True))
    hot = distillation_loss(student, teacher, temperature=1e4)
    assert float(hot) == pytest.approx(float(apart.square().mean() / 2), rel=1e-3)


@few
@given(seeds, st.floats(0.5, 20))
def test_distillation_is_zero_at_the_teacher_and_blind_to_a_constant(seed, temperature):
    teacher = normal(seed, 4, 8)
    moved = teacher + normal(seed + 1, 4, 1)
    assert float(distillation_loss(moved, teacher, temperature=temperature)) == pytest.approx(0, abs=1e-10)
    assert float(distillation_loss(moved, teacher, kind="mse")) > 1e-6
    assert float(distillation_loss(normal(seed + 2, 4, 8), teacher, temperature=temperature)) > 0


def test_no_gradient_reaches_the_teacher():
    teacher = normal(0, 3, 4).requires_grad_()
    student = normal(1, 3, 4).requires_grad_()
    distillation_loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_distillation_refuses_other_shapes_and_kinds():
    with pytest.raises(ValueError, match=r"student's logits are \(2, 3\), the teacher's \(2, 4\)"):
        distillation_loss(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="Unknown distance 'cosine': use one of kl, mse"):
        distillation_loss(torch.zeros(2, 3), torch.zeros(2, 3), kind="cosine")  # type: ignore[arg-type]


# Prototypes


def test_prototype_loss_by_hand():
    # Cosines 1 and 0; tau so that their softmax is 3/4 and 1/4.
    tau = 1 / math.log(3)
    target = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    found = prototype_loss(
        torch.tensor([[7.0, 0.0]], dtype=torch.float64), torch.eye(2, dtype=torch.float64), target, tau=tau
    )
    assert float(found) == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25))


@few
@given(seeds, st.integers(0, 24))
def test_prototype_loss_is_least_at_the_prototype_whose_target_it_is(seed, cell):
    prototypes = units(seed, 25, 16)
    target = (prototypes @ prototypes[cell] / TAU).softmax(dim=0)[None]
    assert float(prototype_loss(prototypes[cell][None], prototypes, target, tau=TAU)) == pytest.approx(
        0, abs=1e-12
    )
    others = units(seed + 1, 50, 16)
    for other in others:
        assert float(prototype_loss(other[None], prototypes, target, tau=TAU)) > 0
    feature = prototypes[cell][None].clone().requires_grad_()
    prototype_loss(feature, prototypes, target, tau=TAU).backward()
    assert feature.grad is not None
    assert float(feature.grad.abs().max()) < 1e-12


def test_only_a_constant_in_all_cosines_leaves_the_loss_as_it_is():
    """The other minima: of independent prototypes p, the u with p_k u = 1 leads to vectors of equal loss."""
    prototypes = torch.eye(3, dtype=torch.float64)
    u = torch.ones(3, dtype=torch.float64)
    # |p_0 + a u| = 1 for a = -2 p_0 u / |u|².
    other = prototypes[0] - 2 / 3 * u
    assert float(other.norm()) == pytest.approx(1)
    target = (prototypes @ prototypes[0] / TAU).softmax(dim=0)[None]
    assert float(prototype_loss(other[None], prototypes, target, tau=TAU)) == pytest.approx(0, abs=1e-12)


@few
@given(seeds)
def test_prototype_loss_does_not_see_rotation_length_or_order(seed):
    features, prototypes, targets = normal(seed, 6, 8), units(seed + 1, 9, 8), shares(seed + 2, 6, 9)
    turn = rotation(seed + 3, 8)
    rows = torch.from_numpy(np.random.default_rng(seed).permutation(6))
    cells = torch.from_numpy(np.random.default_rng(seed).permutation(9))
    found = float(prototype_loss(features, prototypes, targets))
    for same in (
        prototype_loss(features @ turn, prototypes @ turn, targets),
        prototype_loss(3 * features, prototypes, targets),
        prototype_loss(features[rows], prototypes, targets[rows]),
        prototype_loss(features, prototypes[cells], targets[:, cells]),
    ):
        assert float(same) == pytest.approx(found, rel=1e-9)


def test_a_sharp_target_is_out_of_reach_by_a_known_amount():
    """No cell can be more than exp(2 / tau) times as likely as another: two opposite prototypes reach it."""
    prototypes = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    target = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    best = prototype_loss(prototypes[:1], prototypes, target, tau=TAU)
    assert float(best) == pytest.approx(math.log1p(math.exp(-2 / TAU)))


def test_prototypes_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"Features have 4 dimensions, prototypes 5.*Train a student"):
        prototype_loss(torch.zeros(2, 4), torch.zeros(9, 5), torch.zeros(2, 9))
    with pytest.raises(ValueError, match=r"n_cells\) = \(2, 9\), got \(2, 25\): they are for another grid"):
        prototype_loss(torch.zeros(2, 4), torch.zeros(9, 4), torch.zeros(2, 25))


# Geometry

SPREAD = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)  # Variance 1/2 around (1/2, 1/2).
TIGHT = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)  # Variance 0 around (1, 0).


def test_geometry_by_hand():
    features, labels = torch.cat([SPREAD, TIGHT]), torch.tensor([0, 0, 1, 1])
    # Means (1/2, 1/2) and (1, 0) are the root of 1/2 apart.
    apart = math.sqrt(0.5)
    for cap, margin, expected in (
        (0.2, 0.5, 0.3),
        (0.2, 1.0, 0.3 + 1 - apart),
        (0.6, 1.0, 1 - apart),
        (0.6, 0.5, 0.0),
    ):
        found = geometry_loss(features, labels, [0], n_classes=2, cap=cap, margin=margin)
        assert float(found) == pytest.approx(expected, abs=1e-12)


def test_the_mean_is_over_positive_classes_and_over_pairs_of_classes_that_are_there():
    features = torch.cat([SPREAD, TIGHT, -TIGHT, SPREAD[:1]])
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3])
    # Class 3 has one image. Positive: 0 (0.5 - 0.2) and 1 (0). Pairs 01 (1/2)^(1/2), 02 (5/2)^(1/2), 12: 2.
    expected = (0.3 + 0) / 2 + (1 - math.sqrt(0.5) + 0 + 0) / 3
    found = geometry_loss(features, labels, [0, 1, 3], n_classes=5, cap=0.2, margin=1.0)
    assert float(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("positive", "included"), [([3], None), ([2], None), ([0], [False, True, True, True, True])]
)
def test_geometry_is_zero_without_two_positives(positive, included):
    features, labels = torch.cat([SPREAD, TIGHT, TIGHT[:1]]), torch.tensor([0, 0, 1, 1, 2])
    gate = torch.tensor(included) if included is not None else None
    found = geometry_loss(
        features.requires_grad_(), labels, positive, n_classes=4, cap=0.0, margin=2.0, included=gate
    )
    assert found.item() == 0
    found.backward()
    assert float(features.grad.abs().max()) == 0


def test_only_included_images_count():
    features, labels = torch.cat([SPREAD, TIGHT, SPREAD]), torch.tensor([0, 0, 1, 1, 0, 1])
    gate = torch.tensor([True, True, True, True, False, False])
    found = geometry_loss(features, labels, [0], n_classes=2, cap=0.1, margin=1.0, included=gate)
    alone = geometry_loss(features[:4], labels[:4], [0], n_classes=2, cap=0.1, margin=1.0)
    assert float(found) == pytest.approx(float(alone))
    assert float(alone) > 0


@few
@given(seeds)
def test_geometry_does_not_see_rotation_length_or_order(seed):
    features = normal(seed, 20, 6)
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, 20))
    rows = torch.from_numpy(np.random.default_rng(seed + 1).permutation(20))
    how: dict[str, Any] = {"n_classes": 4, "cap": 0.3, "margin": 0.9}
    found = float(geometry_loss(features, labels, [1, 2], **how))
    assert float(geometry_loss(features @ rotation(seed, 6), labels, [1, 2], **how)) == pytest.approx(found)
    assert float(geometry_loss(5 * features, labels, [1, 2], **how)) == pytest.approx(found)
    assert float(geometry_loss(features[rows], labels[rows], [1, 2], **how)) == pytest.approx(found)


@few
@given(seeds)
def test_variance_of_unit_vectors_is_what_numpy_says(seed):
    features = normal(seed, 12, 5)
    labels = np.array([0] * 5 + [1] * 6 + [2])
    found = class_variances(features, torch.from_numpy(labels), 4).numpy()
    whole = (features / features.norm(dim=1, keepdim=True)).numpy()
    for number in (0, 1):
        assert found[number] == pytest.approx(whole[labels == number].var(axis=0).sum())
    assert np.isnan(found[2:]).all()


def test_coinciding_means_give_finite_gradients():
    features = torch.cat([TIGHT, TIGHT]).requires_grad_()
    loss = geometry_loss(features, torch.tensor([0, 0, 1, 1]), [0], n_classes=2, cap=0.1)
    assert loss.item() == 0.5
    loss.backward()
    assert bool(features.grad.isfinite().all())


def test_the_cap_follows_the_median():
    nan = math.nan
    cap = torch.tensor(nan)
    cap = running_cap(cap, torch.tensor([0.4, nan, 0.1, 0.2]))
    assert float(cap) == pytest.approx(0.2)
    cap = running_cap(cap, torch.tensor([nan, nan]))
    assert float(cap) == pytest.approx(0.2)
    assert float(running_cap(cap, torch.tensor([0.6]), rate=0.25)) == pytest.approx(0.3)


# Derivatives


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_the_losses(seed):
    """Of each loss in float64, against differences; above and below cap and margin, away from the edges."""
    targets, cells = shares(seed, 8, 3), shares(seed + 1, 8, 9)
    teacher, prototypes = normal(seed + 2, 8, 3), units(seed + 3, 9, 5)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    logits, features = normal(seed + 4, 8, 3).requires_grad_(), normal(seed + 5, 8, 5).requires_grad_()
    weights = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)

    def geometry(x):
        return geometry_loss(x, labels, [0, 1], n_classes=3, cap=0.3, margin=1.5)

    assert geometry(features).item() > 0
    gradcheck = torch.autograd.gradcheck
    assert gradcheck(lambda z: class_loss(z, targets, class_weights=weights), (logits,))
    assert gradcheck(lambda z: distillation_loss(z, teacher), (logits,))
    assert gradcheck(lambda z: distillation_loss(z, teacher, kind="mse"), (logits,))
    assert gradcheck(lambda x: prototype_loss(x, prototypes, cells), (features,))
    assert gradcheck(geometry, (features,))


# Ramp


def test_the_ramp_is_half_a_cosine_between_its_ends():
    found = [late_cosine(epoch) for epoch in range(100)]
    assert found[:21] == [0.0] * 21
    assert found[60:] == [1.0] * 40
    assert found[40] == pytest.approx(0.5)
    assert found[30] == pytest.approx((1 - math.sqrt(0.5)) / 2)
    assert (np.diff(found[20:61]) > 0).all()
    assert late_cosine(0, 0, 0) == 1.0
    with pytest.raises(ValueError, match="0 <= start <= end, got start=5 and end=2"):
        late_cosine(0, 5, 2)
