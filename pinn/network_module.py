"""The network itself: one trunk, two heads, and the equation that the trace has to obey."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softplus

from .network_settings import PINNSettings
from .sudomotor import AffineEDA

__all__ = ["Batch", "PINNModule", "Scales"]

Array = NDArray[np.float64]

# gamma is learned in this unit: slow enough for skin, so that softplus works where it bends.
_PER_SECOND = 1 / 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Scales:
    """Mean and standard deviation of time (s), physiology and self-reports, and of EDA (uS)."""

    inputs_mean: Array
    inputs_sd: Array
    eda_mean: float
    eda_sd: float


class Batch(NamedTuple):
    """Windows as tensors.

    ``inputs``, (n, 1 + n_features + n_reports): time in seconds, physiology and reports in their own units.
    ``tangent`` is their derivative by time, per second: 1, that of physiology, 0. It is NaN where that is not
    known. ``person`` and ``condition`` number the random effects, -1 where there is none.
    """

    inputs: Tensor
    tangent: Tensor
    eda: Tensor
    label: Tensor
    person: Tensor
    condition: Tensor


class PINNModule(nn.Module):
    """Trunk of tanh layers with a head for EDA in uS and one for classes; all numbers in float64.

    Parameters
    ----------
    settings : PINNSettings
        Layers and heads.
    scales : Scales
        Of the training windows. Only the network's input and output are scaled: time is in seconds and EDA in
        microsiemens wherever the equation is.
    n_reports : int
        The last so many inputs drive the equation.
    n_classes, n_people, n_conditions : int
        Classes, and random effects of each kind (0: none).
    """

    inputs_mean: Tensor
    inputs_sd: Tensor
    eda_mean: Tensor
    eda_sd: Tensor

    def __init__(
        self,
        settings: PINNSettings,
        scales: Scales,
        *,
        n_reports: int,
        n_classes: int,
        n_people: int = 0,
        n_conditions: int = 0,
    ) -> None:
        super().__init__()
        self.settings, self.n_reports = settings, n_reports
        self.register_buffer("inputs_mean", torch.as_tensor(scales.inputs_mean, dtype=torch.float64))
        self.register_buffer("inputs_sd", torch.as_tensor(scales.inputs_sd, dtype=torch.float64))
        self.register_buffer("eda_mean", torch.tensor(scales.eda_mean, dtype=torch.float64))
        self.register_buffer("eda_sd", torch.tensor(scales.eda_sd, dtype=torch.float64))
        widths = (len(scales.inputs_mean), *settings.hidden)
        linears = [nn.Linear(one, other) for one, other in pairwise(widths)]
        self.trunk = nn.ModuleList(linears)
        for linear in linears:
            # Wide enough that tanh bends: a basis of curves in time, not of straight lines.
            nn.init.xavier_normal_(linear.weight, gain=5 / 3)
            nn.init.uniform_(linear.bias, -1, 1)
        n_features = sum(settings.hidden)
        self.eda_head = nn.Linear(n_features, 1) if settings.has_eda else None
        self.emotion_head = nn.Linear(n_features, n_classes) if settings.has_emotion else None
        # softplus(0.54) is 1: at the start gamma is 1 / 60 s and alpha_0 is 1.
        self.raw_alpha = nn.Parameter(torch.tensor(math.log(math.e - 1)))
        self.raw_gamma = nn.Parameter(torch.tensor(math.log(math.e - 1)))
        # In standard deviations of EDA, beta per standard deviation of a report.
        self.raw_beta = nn.Parameter(torch.zeros(n_reports))
        self.raw_level = nn.Parameter(torch.zeros(()))
        self.raw_b = nn.Parameter(torch.zeros(()))
        self.person_effects = nn.Parameter(torch.zeros(n_people))
        self.start_effects = nn.Parameter(torch.zeros(n_conditions))
        self.double()

    @property
    def _reports(self) -> slice:
        return slice(len(self.inputs_mean) - self.n_reports, len(self.inputs_mean))

    @property
    def equation(self) -> AffineEDA:
        """The learned equation, in uS, s and units of the reports. Its constants mean nothing singly."""
        sd = float(self.eda_sd)
        per_unit = (sd * self.raw_beta / self.inputs_sd[self._reports]).detach().cpu().numpy()
        shift = float(per_unit @ self.inputs_mean[self._reports].cpu().numpy())
        return AffineEDA(
            alpha_0=softplus(self.raw_alpha).item(),
            gamma=softplus(self.raw_gamma).item() * _PER_SECOND,
            beta=tuple(map(float, per_unit)),
            E_0=self.eda_mean.item() + sd * self.raw_level.item(),
            b=sd * self.raw_b.item() - shift,
        )

    @equation.setter
    def equation(self, skin: AffineEDA) -> None:
        sd, per_unit = self.eda_sd, torch.tensor(skin.beta, dtype=torch.float64).to(self.eda_sd)
        with torch.no_grad():
            self.raw_alpha.fill_(_inverse_softplus(skin.alpha_0))
            self.raw_gamma.fill_(_inverse_softplus(skin.gamma / _PER_SECOND))
            self.raw_beta.copy_(per_unit * self.inputs_sd[self._reports] / sd)
            self.raw_level.copy_((skin.E_0 - self.eda_mean) / sd)
            self.raw_b.copy_((skin.b + per_unit @ self.inputs_mean[self._reports]) / sd)

    @property
    def rate(self) -> Tensor:
        """``gamma alpha_0`` in 1/s."""
        return softplus(self.raw_alpha) * softplus(self.raw_gamma) * _PER_SECOND

    def features(self, inputs: Tensor) -> Tensor:
        """What all layers of the trunk make of inputs in their own units, side by side."""
        made, every = (inputs - self.inputs_mean) / self.inputs_sd, []
        for linear in self.trunk:
            made = torch.tanh(linear(made))
            every.append(made)
        return torch.cat(every, dim=1)

    def features_and_slopes(self, inputs: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor]:
        """`features`, and their derivatives per second along ``tangent``.

        Automatic differentiation in forward mode, written out for a layer: exact, differentiable by the
        weights like everything else, and half the time of asking autograd for it twice.
        """
        made, slopes = (inputs - self.inputs_mean) / self.inputs_sd, tangent / self.inputs_sd
        every, every_slope = [], []
        for linear in self.trunk:
            made = torch.tanh(linear(made))
            slopes = nn.functional.linear(slopes, linear.weight) * (1 - made**2)  # type: ignore[arg-type]
            every.append(made)
            every_slope.append(slopes)
        return torch.cat(every, dim=1), torch.cat(every_slope, dim=1)

    def scaled_trace(self, inputs: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor]:
        """EDA without random effects, in standard deviations from its mean, and its derivative per second."""
        assert self.eda_head is not None
        made, slopes = self.features_and_slopes(inputs, tangent)
        return self.eda_head(made)[:, 0], slopes @ self.eda_head.weight[0]

    def trace(self, inputs: Tensor) -> Tensor:
        """EDA in uS without random effects, shape (n,)."""
        assert self.eda_head is not None
        made: Tensor = self.eda_mean + self.eda_sd * self.eda_head(self.features(inputs))[:, 0]
        return made

    def effects(self, time: Tensor, person: Tensor, condition: Tensor) -> Tensor:
        """Random effects on EDA in standard deviations; 0 of people and conditions that are not known.

        A person's effect moves E and E_0 alike; that of a start dies away at the equation's own rate. Neither
        changes the residual.
        """
        of_people = torch.cat([self.person_effects, self.person_effects.new_zeros(1)])
        of_starts = torch.cat([self.start_effects, self.start_effects.new_zeros(1)])
        return of_people[person] + of_starts[condition] * torch.exp(-self.rate * time)

    def scaled_residual(self, eda: Tensor, slope: Tensor, inputs: Tensor) -> Tensor:
        """``dE/dt - gamma(-alpha_0 (E - E_0) + beta.s + b)`` in standard deviations per second."""
        s = ((inputs - self.inputs_mean) / self.inputs_sd)[:, self._reports]
        gamma, alpha = softplus(self.raw_gamma) * _PER_SECOND, softplus(self.raw_alpha)
        return slope - gamma * (-alpha * (eda - self.raw_level) + s @ self.raw_beta + self.raw_b)

    def residual(self, inputs: Tensor, tangent: Tensor) -> Tensor:
        """Residual of the equation in uS/s, shape (n,)."""
        eda, slope = self.scaled_trace(inputs, tangent)
        made: Tensor = self.eda_sd * self.scaled_residual(eda, slope, inputs)
        return made

    def logits(self, inputs: Tensor) -> Tensor:
        """Of the classes, shape (n, n_classes)."""
        assert self.emotion_head is not None
        if not self.settings.is_clock_for_emotion:
            # At one hour for all.
            inputs = torch.cat([self.inputs_mean[:1].expand(len(inputs), 1), inputs[:, 1:]], dim=1)
        made: Tensor = self.emotion_head(self.features(inputs))
        return made


def _inverse_softplus(y: float) -> float:
    return y + math.log(-math.expm1(-y))
