"""What the student is trained to make small: four losses, each a function of tensors.

``total = L_class + kd L_kd + proto L_proto + geometry ramp(epoch) L_geo``, by Li et al. (2025),
NeuroGaze-Distill, arXiv 2509.11916. They publish the names and weights of the losses, the first three in a
form that leaves little to choose; what was chosen here is told with each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "Distance",
    "class_loss",
    "class_variances",
    "class_weights",
    "distillation_loss",
    "geometry_loss",
    "late_cosine",
    "prototype_loss",
    "running_cap",
]

Distance = Literal["kl", "mse"]
_CAP_RATE = 0.1


def class_weights(targets: Tensor) -> Tensor:
    """Weights by the inverse root of frequency, ``w_c = n_c^(-1/2) / sum_k p_k n_k^(-1/2)``.

    ``n_c`` is the sum of a class's soft labels and ``p_c = n_c / n`` its share, so that the mean weight over
    the training images is 1 and the learning rate keeps its meaning.

    Parameters
    ----------
    targets : Tensor, shape (n, n_classes)
        Soft labels of the training images.

    Returns
    -------
    weights : Tensor, shape (n_classes,)

    Raises
    ------
    ValueError
        If a class has no image.

    Examples
    --------
    >>> class_weights(torch.tensor([[1.0, 0.0]] * 4 + [[0.0, 1.0]])).tolist()  # 4 and 1 images
    [0.8333333134651184, 1.6666666269302368]
    """
    counts = targets.sum(dim=0)
    if not bool((counts > 0).all()):
        raise ValueError(
            f"Class {int(counts.argmin())} of {len(counts)} has no image, so its weight would be infinite. "
            "Leave the class out, or add images of it."
        )
    inverse = counts.rsqrt()
    return inverse / (inverse * counts / counts.sum()).sum()


def class_loss(
    logits: Tensor, targets: Tensor, *, smoothing: float = 0.055, class_weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy with soft labels: ``-mean_i sum_c w_c ((1 - s) q_ic + s / C) log p_ic``.

    Parameters
    ----------
    logits : Tensor, shape (n, n_classes)
        ``p`` is their softmax.
    targets : Tensor, shape (n, n_classes)
        Soft labels ``q``; rows add up to 1.
    smoothing : float
        Share ``s`` of a label that is spread over all ``C`` classes alike (Szegedy et al. 2016, arXiv
        1512.00567).
    class_weights : Tensor, shape (n_classes,), optional
        ``w``; all 1 without. The mean is over images, not over weights.

    Returns
    -------
    loss : Tensor, scalar

    Examples
    --------
    >>> loss = class_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    >>> round(float(loss), 4)  # log 2
    0.6931
    """
    return functional.cross_entropy(logits, targets, weight=class_weights, label_smoothing=smoothing)


def distillation_loss(
    logits: Tensor, teacher_logits: Tensor, *, temperature: float = 5.0, kind: Distance = "kl"
) -> Tensor:
    """Distance to the logits of a teacher that sees the same images, mean over images.

    "kl": ``T² KL(softmax(v / T) || softmax(z / T))`` of teacher v and student z (Hinton et al. 2015, arXiv
    1503.02531); the factor keeps the size of its gradient, whatever T. "mse": ``mean_c (z_c - v_c)²``.

    Parameters
    ----------
    logits, teacher_logits : Tensor, shape (n, n_classes)
        z and v; no gradient flows into the teacher's.
    temperature : float
        T, above 0; "mse" does not use it, as the factor T² cancels it.
    kind : {"kl", "mse"}
        The reference's settings are called ``kd_mse``, its notes say both.

    Returns
    -------
    loss : Tensor, scalar

    Notes
    -----
    For large T the first becomes ``sum_c (z_c - v_c)² / (2 C)`` of logits less their means: half of the
    second, but blind to what is added to all logits alike.

    Examples
    --------
    >>> loss = distillation_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 2.0]]))
    >>> float(loss) < 1e-5  # A constant in all logits changes no probability.
    True
    """
    if kind not in get_args(Distance):
        raise ValueError(f"Unknown distance {kind!r}: use one of {', '.join(get_args(Distance))}.")
    if logits.shape != teacher_logits.shape:
        raise ValueError(
            f"The student's logits are {tuple(logits.shape)}, the teacher's {tuple(teacher_logits.shape)}; "
            "expected a row for each image and a column for each class in both."
        )
    known = teacher_logits.detach()
    if kind == "mse":
        return functional.mse_loss(logits, known)
    student = (logits / temperature).log_softmax(dim=1)
    teacher = (known / temperature).log_softmax(dim=1)
    return temperature**2 * functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def prototype_loss(
    features: Tensor, prototypes: Tensor, cell_targets: Tensor, *, tau: float = 0.90
) -> Tensor:
    """Proto-KD: ``mean_i KL(q_i || softmax(s_i / tau))`` with ``s_ik = cos(f(x_i), p_k)``.

    Parameters
    ----------
    features : Tensor, shape (n, n_dims)
        f(x); brought to unit length here.
    prototypes : Tensor, shape (n_cells, n_dims)
        p, of unit length.
    cell_targets : Tensor, shape (n, n_cells)
        q, where on the valence/arousal grid each image belongs; rows add up to 1.
    tau : float
        Above 0; the smaller, the sharper may the student's distribution be.

    Returns
    -------
    loss : Tensor, scalar, 0 or more

    Notes
    -----
    Where the target is what prototype j itself would give, ``q = softmax(P p_j / tau)``, the loss is 0 at
    ``f = p_j``, and nowhere less. It is 0 at another unit vector only if all its cosines differ from those
    of p_j by one and the same number; as softmax does not see that number, prototypes that are linearly
    independent always leave such vectors.

    Other targets may be out of reach: cosines are between -1 and 1, so no cell of the student's distribution
    is more than ``exp(2 / tau)`` times as likely as another, 9.2 times for a tau of 0.90. Targets of a
    narrow Gaussian around an anchor are sharper than that, and leave a rest that no student removes; its
    gradient pulls towards the anchor all the same.

    The reference also names a temperature of 5 for this loss without saying what it divides; there is none
    here.

    Examples
    --------
    >>> prototypes = torch.eye(2)
    >>> target = (prototypes @ prototypes[0] / 0.9).softmax(dim=0)[None]
    >>> [round(float(prototype_loss(f[None], prototypes, target)), 4) for f in prototypes]
    [0.0, 0.5607]
    """
    if features.shape[-1] != prototypes.shape[-1]:
        raise ValueError(
            f"Features have {features.shape[-1]} dimensions, prototypes {prototypes.shape[-1]}; expected as "
            "many. Train a student for these prototypes."
        )
    if cell_targets.shape != (len(features), len(prototypes)):
        raise ValueError(
            f"cell_targets must be (n, n_cells) = {(len(features), len(prototypes))}, got "
            f"{tuple(cell_targets.shape)}: they are for another grid."
        )
    cosines = functional.normalize(features, dim=1) @ prototypes.T
    return functional.kl_div((cosines / tau).log_softmax(dim=1), cell_targets, reduction="batchmean")


def _moments(features: Tensor, members: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Counts (n_classes,), means (n_classes, n_dims) and variances (n_classes,) of the rows of each class."""
    counts = members.sum(dim=0)
    share = members / counts.clamp(min=1)
    means = share.T @ features
    # Of unit vectors 1 - |mean|²; kept from rounding below 0.
    variances = (share.T @ features.square().sum(dim=1) - means.square().sum(dim=1)).clamp(min=0)
    return counts, means, variances


def _members(labels: Tensor, n_classes: int, like: Tensor) -> Tensor:
    return (labels[:, None] == torch.arange(n_classes, device=labels.device)).to(like.dtype)


def class_variances(features: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Variance of each class, ``Var_c = mean_(i in c) |f_i - mu_c|²`` of features of unit length.

    Parameters
    ----------
    features : Tensor, shape (n, n_dims)
        Brought to unit length here, so that ``Var_c = 1 - |mu_c|²``.
    labels : Tensor of int, shape (n,)
        Classes from 0.
    n_classes : int
        How many there are.

    Returns
    -------
    variances : Tensor, shape (n_classes,)
        NaN where a class has fewer than two images.
    """
    units = functional.normalize(features, dim=1)
    counts, _, variances = _moments(units, _members(labels, n_classes, units))
    return variances.where(counts >= 2, torch.nan)


def running_cap(cap: Tensor, variances: Tensor, *, rate: float = _CAP_RATE) -> Tensor:
    """Follow the median variance of the classes: ``cap <- (1 - rate) cap + rate median_c Var_c``.

    Parameters
    ----------
    cap : Tensor, scalar
        Its value before; NaN before the first batch, which is then taken as it is.
    variances : Tensor, shape (n_classes,)
        Of one batch; NaN is left out. Of two in the middle the lower one counts. Without any the cap stays.
    rate : float
        How far to go.

    Returns
    -------
    cap : Tensor, scalar
        Without gradient.
    """
    median = variances.detach().nanmedian()
    moved = torch.lerp(cap, median, rate)
    return torch.where(cap.isnan(), median, torch.where(median.isnan(), cap, moved))


def geometry_loss(
    features: Tensor,
    labels: Tensor,
    positive: Sequence[int],
    *,
    n_classes: int,
    cap: Tensor | float,
    margin: float = 0.5,
    included: Tensor | None = None,
) -> Tensor:
    """D-Geo: ``mean_(c positive) relu(Var_c - cap) + mean_(i<j) relu(margin - |mu_i - mu_j|)``.

    Mean and variance of each class are those of its features of unit length in the batch; classes with
    fewer than two images are skipped, in both means.

    Parameters
    ----------
    features : Tensor, shape (n, n_dims)
        Brought to unit length here.
    labels : Tensor of int, shape (n,)
        Classes from 0.
    positive : sequence of int
        Classes of high valence, which are kept compact.
    n_classes : int
        How many classes there are.
    cap : Tensor or float
        Variance that costs nothing, see `running_cap`.
    margin : float
        Distance from which class means repel each other no more.
    included : Tensor of bool, shape (n,), optional
        Images that count; the reference's ``hard_gate: 0.2`` counts those to which the student gives the
        positive classes a probability of 0.2 or more.

    Returns
    -------
    loss : Tensor, scalar
        0 where no positive class has two images, whatever the others do.

    Notes
    -----
    The reference says in words that the variance of happiness and surprise above a cap is penalised and
    margins between classes are encouraged; the formula and the margin were chosen here.

    Examples
    --------
    >>> features, labels = torch.eye(2).repeat(2, 1), torch.tensor([0, 0, 1, 1])
    >>> round(float(geometry_loss(features, labels, [0], n_classes=2, cap=0.2)), 4)  # 0.5 - 0.2, and 0.5 - 0
    0.8
    """
    units = functional.normalize(features, dim=1)
    members = _members(labels, n_classes, units)
    if included is not None:
        members = members * included[:, None]
    counts, means, variances = _moments(units, members)
    is_there = counts >= 2
    is_positive = torch.zeros_like(is_there)
    is_positive[list(positive)] = True
    is_positive = is_positive & is_there
    spread = torch.relu(variances - cap)
    wide = spread.where(is_positive, 0).sum() / is_positive.sum().clamp(min=1)
    pairs = (is_there[:, None] & is_there).triu(diagonal=1)
    squares = (means[:, None] - means).square().sum(dim=2)
    # The root has no derivative at 0, where two means are the same and no direction is the way out.
    apart = squares.where(pairs & (squares > 0), 1.0).sqrt().where(squares > 0, 0)
    close = torch.relu(margin - apart).where(pairs, 0).sum() / pairs.sum().clamp(min=1)
    return (wide + close).where(is_positive.any(), 0)


def late_cosine(epoch: int, start: int = 20, end: int = 60) -> float:
    """Ramp of D-Geo's weight: 0 until ``start``, then ``(1 - cos(pi (epoch - start) / (end - start))) / 2``.

    Parameters
    ----------
    epoch : int
        From 0.
    start, end : int
        Last epoch without, and first one with the full weight; where they are equal, the full weight from
        then on.

    Returns
    -------
    factor : float
        From 0 to 1.

    Examples
    --------
    >>> [round(late_cosine(epoch), 2) for epoch in (0, 20, 30, 40, 60, 99)]
    [0.0, 0.0, 0.15, 0.5, 1.0, 1.0]
    """
    if not 0 <= start <= end:
        raise ValueError(f"The ramp needs 0 <= start <= end, got start={start} and end={end}.")
    if epoch >= end:
        return 1.0
    return 0.0 if epoch <= start else (1 - math.cos(math.pi * (epoch - start) / (end - start))) / 2
