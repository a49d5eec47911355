"""The multi-task network: emotion and skin conductance at once, held to one differential equation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from torch import Tensor

from physioaffect.device import Device, check_device, resolve_device
from physioaffect.errors import DataError, PhysioaffectError

from .network_inputs import Rows, checked_rows, slopes_in_time
from .network_module import Batch, PINNModule, Scales
from .network_physics import Identified
from .network_readout import converge
from .network_settings import PINNSettings
from .network_training import Losses, one_thread, train
from .sudomotor import AffineEDA

__all__ = ["Identified", "MultiTaskPINN", "PINNSettings"]

Array = NDArray[np.float64]

_DEFAULT = PINNSettings()
_FEWEST_ROWS = 10


class MultiTaskPINN(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    r"""Classes of emotion and the EDA trace from one network, whose trace obeys an equation.

    .. math:: \dot E = \gamma \left(-\alpha_0 (E - E_0) + \beta \cdot s + b\right)

    Parameters
    ----------
    settings : PINNSettings
        Layers, heads, weights and training.
    random_state : int
        Seed of the first weights and of the order of windows.
    device : {"auto", "cpu", "cuda"}
        Where it is trained; "auto" takes CUDA where there is one.

    Attributes
    ----------
    classes_ : ndarray
        Of the emotion head.
    physics_ : Identified or None
        ``gamma alpha_0``, ``gamma beta`` and ``gamma (alpha_0 E_0 + b)`` with intervals; None if without.
    history_ : list of Losses
        Parts of the loss at each step.
    network_ : PINNModule
        In evaluation.

    Notes
    -----
    After Mandal (2025) [1]_, of which neither code nor equation can be read: inputs, heads, loss and the
    three constants are theirs, all else is our reading. The loss is

    ``MSE + emotion_weight CE + physics_weight mean(R²)``, both MSE and R in standard deviations of EDA,

    where R is the equation's residual per *second*; only the network's input is scaled. With the settings'
    "total" derivative, dE/dt follows the physiology in the input as it changes (its slope between the windows
    of a condition), since a trace that is read off from heart rate moves when heart rate does.

    After training the last layer and the constants are solved to convergence (separable least squares, see
    ``network_physics``), from which the intervals come. Everything is computed in float64 on one thread: the
    same seed gives the same numbers.

    References
    ----------
    .. [1] Mandal (2025). Interpretable multi-task PINN for emotion recognition and EDA prediction. arXiv
       2505.18169.

    Examples
    --------
    >>> from physioaffect.pinn.network_simulation import simulate_conditions
    >>> made = simulate_conditions(n_people=4, seed=0)
    >>> model = MultiTaskPINN(PINNSettings(steps=100, person_sd=1.0, start_sd=1.0))
    >>> told = {"reports": made.reports, "groups": made.people, "conditions": made.conditions}
    >>> _ = model.fit(None, made.y, eda=made.eda, time=made.time, **told)
    >>> model.physics_.rate > 0, model.predict_proba(None, time=made.time, reports=made.reports).shape
    (True, (360, 3))
    """

    def __init__(
        self,
        settings: PINNSettings = _DEFAULT,
        *,
        random_state: int = 0,
        device: Device = "auto",
    ) -> None:
        self.settings = settings
        self.random_state = random_state
        self.device: Device = device

    def fit(
        self,
        X: ArrayLike | None,
        y: ArrayLike | None = None,
        *,
        eda: ArrayLike | None = None,
        time: ArrayLike | None = None,
        reports: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        conditions: ArrayLike | None = None,
    ) -> MultiTaskPINN:
        """Learn.

        Parameters
        ----------
        X : array-like, shape (n, n_features), or None
            Windowed physiology, without EDA itself.
        y : array-like, shape (n,)
            Classes; not for the EDA head alone.
        eda : array-like, shape (n,)
            Skin conductance in uS at ``time``; not for the emotion head alone.
        time : array-like, shape (n,)
            Seconds within the condition.
        reports : array-like, shape (n, n_reports), optional
            Self-reports, constant within a condition: s of the equation.
        groups : array-like, shape (n,), optional
            Person of each window: the random effects, and the clusters of the intervals.
        conditions : array-like, shape (n,), optional
            The course of time that each window belongs to, with a name of its own for each person.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If something is missing or cannot be what it should.
        """
        settings = self.settings
        check_device(self.device)
        where = resolve_device(self.device)
        if settings.has_eda and eda is None:
            raise DataError("The EDA head needs eda= in uS. Give it, or use PINNSettings(heads='emotion').")
        rows = checked_rows(
            X,
            time=time,
            eda=eda if settings.has_eda else None,
            reports=reports,
            groups=groups,
            conditions=conditions,
        )
        if len(rows.time) < _FEWEST_ROWS:
            raise DataError(f"Learning needs at least {_FEWEST_ROWS} windows, got {len(rows.time)}.")
        label = np.zeros(len(rows.time), dtype=np.int64)
        if settings.has_emotion:
            label = self._labels(y, len(rows.time))
        tangent = self._tangent(rows)
        person, self._people = _numbers(rows, "groups", settings.person_sd)
        condition, self._conditions = _numbers(rows, "conditions", settings.start_sd)
        self.n_features_in_, self.n_reports_ = rows.physiology.shape[1], rows.reports.shape[1]
        scales = Scales(
            inputs_mean=rows.inputs.mean(axis=0),
            inputs_sd=_spread(rows.inputs),
            eda_mean=float(np.nanmean(rows.eda)) if settings.has_eda else 0.0,
            eda_sd=float(np.nanstd(rows.eda)) if settings.has_eda else 1.0,
        )
        with one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            # Made on the processor, so that every device begins alike.
            network = PINNModule(
                settings,
                scales,
                n_reports=self.n_reports_,
                n_classes=len(self.classes_) if settings.has_emotion else 0,
                n_people=len(self._people),
                n_conditions=len(self._conditions),
            ).to(where)
            batch = Batch(
                *(
                    torch.as_tensor(values).to(where)
                    for values in (rows.inputs, tangent, rows.eda, label, person, condition)
                )
            )
            history = train(network, batch, seed=self.random_state)
            self.history_ = [Losses(*step) for step in history]  # type: ignore[arg-type]
            self.physics_: Identified | None = None
            if settings.has_eda:
                found = converge(network, rows, batch)
                self.physics_ = found if settings.uses_physics else None
        self.network_ = network.train(False)
        return self

    def _labels(self, y: ArrayLike | None, n: int) -> NDArray[np.int64]:
        if y is None or np.shape(y) != (n,):
            raise DataError(
                f"The emotion head needs y, a class for each of {n} windows, got "
                f"{'none' if y is None else np.shape(y)}. Give it, or use PINNSettings(heads='eda')."
            )
        self.classes_, label = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(
                f"All windows are of class {str(self.classes_[0])!r}; at least two are needed. Use "
                "PINNSettings(heads='eda') to learn the trace alone."
            )
        return label.astype(np.int64)

    def _tangent(self, rows: Rows) -> Array:
        """Derivative of all inputs by time."""
        n, n_features = rows.physiology.shape
        slopes = np.zeros((n, n_features))
        if self.settings.uses_physics and self.settings.derivative == "total":
            if rows.conditions is None and n_features:
                raise DataError(
                    "dE/dt follows the physiology in X, so conditions= must say which windows are one course "
                    "of time. Give it, or use PINNSettings(derivative='partial')."
                )
            slopes = slopes_in_time(rows)
        return np.concatenate([np.ones((n, 1)), slopes, np.zeros(rows.reports.shape)], axis=1)

    @property
    def equation_(self) -> AffineEDA:
        """The learned equation; only what its ``identified`` tells means anything."""
        return self._fitted("equation").equation

    def _fitted(self, what: str, *, head: bool = True) -> PINNModule:
        if not hasattr(self, "network_"):
            raise NotFittedError(f"This {type(self).__name__} has no {what} before fit was called.")
        if not head:
            raise PhysioaffectError(
                f"This network has no head for {what}: its settings say heads={self.settings.heads!r}. Use "
                "heads='both'."
            )
        return self.network_

    def _inputs(self, X: ArrayLike | None, time: ArrayLike | None, reports: ArrayLike | None) -> Tensor:
        rows = checked_rows(X, time=time, reports=reports)
        got = (rows.physiology.shape[1], rows.reports.shape[1])
        if got != (self.n_features_in_, self.n_reports_):
            raise DataError(
                f"Fitted with {self.n_features_in_} features and {self.n_reports_} self-reports, got "
                f"{got[0]} and {got[1]}. Give the same columns."
            )
        return torch.as_tensor(rows.inputs).to(self.network_.inputs_mean)

    def predict_proba(
        self, X: ArrayLike | None, *, time: ArrayLike | None = None, reports: ArrayLike | None = None
    ) -> Array:
        """Probability of each class, shape (n, n_classes)."""
        network = self._fitted("classes", head=self.settings.has_emotion)
        inputs = self._inputs(X, time, reports)
        with one_thread(), torch.no_grad():
            return np.asarray(torch.softmax(network.logits(inputs), dim=1).cpu().numpy())

    def predict(
        self, X: ArrayLike | None, *, time: ArrayLike | None = None, reports: ArrayLike | None = None
    ) -> NDArray[Any]:
        """Likeliest class, shape (n,)."""
        likeliest: NDArray[Any] = self.predict_proba(X, time=time, reports=reports).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def predict_eda(
        self,
        X: ArrayLike | None,
        *,
        time: ArrayLike | None = None,
        reports: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        conditions: ArrayLike | None = None,
    ) -> Array:
        """EDA in uS, shape (n,).

        ``groups`` and ``conditions`` add the random effects of people and conditions that were in training;
        of others they are 0, their prior mean.
        """
        network = self._fitted("EDA", head=self.settings.has_eda)
        inputs = self._inputs(X, time, reports)
        n = len(inputs)
        person, condition = (
            np.full(n, -1)
            if names is None
            else np.array([known.get(str(name), -1) for name in np.ravel(names)])
            for names, known in ((groups, self._people), (conditions, self._conditions))
        )
        with one_thread(), torch.no_grad():
            # Index -1 is the last place, which holds 0.
            own = network.effects(
                inputs[:, 0],
                *(torch.as_tensor(numbers, device=inputs.device) for numbers in (person, condition)),
            )
            return np.asarray((network.trace(inputs) + network.eda_sd * own).cpu().numpy())

    def residual(
        self,
        X: ArrayLike | None,
        *,
        time: ArrayLike | None = None,
        reports: ArrayLike | None = None,
        conditions: ArrayLike | None = None,
    ) -> Array:
        """Residual of the equation in uS/s, shape (n,); NaN where dE/dt is not known."""
        network = self._fitted("EDA", head=self.settings.has_eda)
        inputs = self._inputs(X, time, reports)
        rows = checked_rows(X, time=time, reports=reports, conditions=conditions)
        tangent = torch.as_tensor(self._tangent(rows)).to(inputs)
        with one_thread(), torch.no_grad():
            found = network.residual(inputs, torch.nan_to_num(tangent)).cpu().numpy()
        return np.where(np.isfinite(tangent.cpu().numpy()).all(axis=1), found, np.nan)


def _spread(values: Array) -> Array:
    """Standard deviation of each column; 1 of a constant one."""
    sd = values.std(axis=0)
    return np.asarray(np.where(sd > 1e-12 * np.maximum(1.0, np.abs(values).max(axis=0)), sd, 1.0))


def _numbers(rows: Rows, of: str, sd: float | None) -> tuple[NDArray[np.intp], Mapping[str, int]]:
    """Number who has a random effect, and -1 everywhere without such effects."""
    names: NDArray[np.str_] | None = getattr(rows, of)
    if sd is None:
        return np.full(len(rows.time), -1, dtype=np.intp), {}
    if names is None:
        setting = {"groups": "person_sd", "conditions": "start_sd"}[of]
        raise DataError(f"{setting} is set, so {of}= must say which windows share an effect.")
    known, numbers = np.unique(names, return_inverse=True)
    return numbers.astype(np.intp), {str(name): number for number, name in enumerate(known)}
