"""The sudomotor system: bursts of the nerve drive sweat through two compartments onto the skin.

With the driver p(t) >= 0 and conductances in microsiemens, times in seconds,

    tau_rise  dx/dt = p - x        the ducts fill,
    tau_decay dr/dt = x - r        what reached the skin evaporates and is taken back,
    E = r + tonic                  what is measured.

The response to one short burst is the Bateman function, the difference of two exponentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

__all__ = ["AffineEDA", "Discrete", "Sudomotor"]

Array = NDArray[np.float64]

# Time constants that are nearer to each other than this share are one in rounding, and have a formula of
# their own.
_SAME = 1e-6


class Discrete(NamedTuple):
    """Exact steps of `Sudomotor` for a driver that is constant between samples.

    ``state`` and ``drive``: ``(x, r)`` at the next sample is ``state @ (x, r) + drive * p``. ``ar`` and
    ``ma``: ``r[k] + ar[0] r[k-1] + ar[1] r[k-2] = ma[0] p[k-1] + ma[1] p[k-2]`` where ``p[k]`` holds from
    sample k to the next.
    """

    state: Array
    drive: Array
    ar: tuple[float, float]
    ma: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Sudomotor:
    r"""A linear system of two compartments from the sudomotor driver to phasic skin conductance.

    .. math:: \tau_1 \dot x = p - x, \qquad \tau_2 \dot r = x - r

    Parameters
    ----------
    tau_rise, tau_decay : float
        The two time constants in seconds; the shorter one is the rise, whichever way round the compartments
        are. 0.7 s and 2 s are cvxEDA's [2]_.

    Notes
    -----
    The driver is in microsiemens: a driver that stays at p gives p in the end. cvxEDA's own impulse response
    is not normalised, so that its driver is ours divided by ``tau_decay - tau_rise`` (at the same sampling).
    The model is that of [1]_, which has the shape of the Bateman function.

    References
    ----------
    .. [1] Alexander, Trengove, Johnston, Cooper, August, Gordon (2005). Separating individual skin
       conductance responses in a short interstimulus-interval paradigm. J. Neurosci. Methods 146, 116-123.
       doi:10.1016/j.jneumeth.2005.02.001
    .. [2] Greco, Valenza, Lanata, Scilingo, Citi (2016). cvxEDA: a convex optimization approach to
       electrodermal activity processing. IEEE Trans. Biomed. Eng. 63, 797-804. doi:10.1109/TBME.2015.2474131

    Examples
    --------
    >>> skin = Sudomotor(tau_rise=0.7, tau_decay=2.0)
    >>> round(skin.peak_time, 3)
    1.131
    >>> burst = np.zeros(40)
    >>> burst[0] = 4.0  # 4 uS for a quarter of a second: an area of 1 uS s.
    >>> phasic = skin.respond(burst, sfreq=4.0)
    >>> round(float(phasic.max()), 3), int(phasic.argmax()) / 4
    (0.284, 1.25)
    """

    tau_rise: float = 0.7
    tau_decay: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.tau_rise <= self.tau_decay < np.inf:
            raise ValueError(
                f"The system needs 0 < tau_rise <= tau_decay in seconds, got {self.tau_rise:g} and "
                f"{self.tau_decay:g}. The shorter of the two time constants is tau_rise."
            )

    @property
    def _is_critical(self) -> bool:
        return self.tau_decay - self.tau_rise <= _SAME * self.tau_decay

    @property
    def peak_time(self) -> float:
        """Seconds from a short burst to the peak of its response, ``ln(t2/t1) t1 t2 / (t2 - t1)``."""
        if self._is_critical:
            return self.tau_decay
        t1, t2 = self.tau_rise, self.tau_decay
        return float(np.log(t2 / t1) * t1 * t2 / (t2 - t1))

    @property
    def peak(self) -> float:
        """Height of the response in microsiemens to a short burst of an area of 1 uS s."""
        return float(self.impulse_response(self.peak_time))

    def half_recovery_time(self) -> float:
        """Seconds from the peak of a response until it has come back to half of it."""
        from scipy.optimize import brentq  # noqa: PLC0415  Only this needs it.

        half, top = self.peak / 2, self.peak_time
        end = top + 4 * self.tau_decay
        while self.impulse_response(end) > half:
            end += 4 * self.tau_decay
        return float(brentq(lambda t: float(self.impulse_response(t)) - half, top, end)) - top

    def impulse_response(self, t: ArrayLike) -> Array:
        """Phasic conductance per uS s of a burst at time 0, in 1/s: the Bateman function, of area 1.

        Parameters
        ----------
        t : array-like
            Seconds; before 0 the response is 0.

        Returns
        -------
        response : ndarray, of the shape of ``t``
        """
        t = np.asarray(t, dtype=np.float64)
        after = np.maximum(t, 0.0)
        t1, t2 = self.tau_rise, self.tau_decay
        if self._is_critical:
            response = after / t2**2 * np.exp(-after / t2)
        else:
            response = (np.exp(-after / t2) - np.exp(-after / t1)) / (t2 - t1)
        return np.asarray(np.where(t < 0, 0.0, response))

    def step_response(self, t: ArrayLike) -> Array:
        """Phasic conductance per uS of a driver that begins at time 0 and stays, from 0 to 1."""
        t = np.asarray(t, dtype=np.float64)
        after = np.maximum(t, 0.0)
        t1, t2 = self.tau_rise, self.tau_decay
        if self._is_critical:
            response = 1 - (1 + after / t2) * np.exp(-after / t2)
        else:
            response = 1 - (t2 * np.exp(-after / t2) - t1 * np.exp(-after / t1)) / (t2 - t1)
        return np.asarray(np.where(t < 0, 0.0, response))

    def discretise(self, sfreq: float) -> Discrete:
        """Exact steps from sample to sample (matrix exponential, in closed form).

        Parameters
        ----------
        sfreq : float
            Samples per second.

        Raises
        ------
        ValueError
            If ``sfreq`` is not above zero.
        """
        if not sfreq > 0:
            raise ValueError(f"sfreq must be above 0 Hz, got {sfreq}.")
        t1, t2, step = self.tau_rise, self.tau_decay, 1 / sfreq
        a1, a2 = np.exp(-step / t1), np.exp(-step / t2)
        crossed = step / t2 * a2 if self._is_critical else t1 * (a1 - a2) / (t1 - t2)
        state = np.array([[a1, 0.0], [crossed, a2]])
        drive = np.array([1 - a1, 1 - a2 - crossed])
        # r's own equation: the characteristic polynomial, and what the two steps before have put in.
        ma = (float(drive[1]), float(crossed * (1 - a1) - a1 * drive[1]))
        return Discrete(state, drive, (float(-(a1 + a2)), float(a1 * a2)), ma)

    def respond(
        self, driver: NDArray[np.floating[Any]], *, sfreq: float, initial: tuple[float, float] = (0.0, 0.0)
    ) -> Array:
        """Phasic conductance that a driver makes, exactly.

        Parameters
        ----------
        driver : ndarray, shape (..., n_times)
            In microsiemens; each sample holds until the next.
        sfreq : float
            Samples per second.
        initial : tuple of float
            ``(x, r)`` at the first sample, in microsiemens.

        Returns
        -------
        phasic : ndarray, shape (..., n_times)
            In microsiemens, at the samples: the driver of a sample shows from the next one on.
        """
        driver = np.asarray(driver, dtype=np.float64)
        steps = self.discretise(sfreq)
        x0, r0 = initial
        # The transient of the state, as the start of the same recursion.
        r1 = steps.state[1, 0] * x0 + steps.state[1, 1] * r0
        zi = np.array([r0, r1 + steps.ar[0] * r0])
        zi = np.broadcast_to(zi, (*driver.shape[:-1], 2))
        phasic, _ = lfilter([0.0, *steps.ma], [1.0, *steps.ar], driver, axis=-1, zi=zi)
        return np.asarray(phasic)


@dataclass(frozen=True, kw_only=True)
class AffineEDA:
    r"""Skin conductance that relaxes to a level set by constant inputs.

    .. math:: \dot E = \gamma \left(-\alpha_0 (E - E_0) + \beta \cdot s + b\right)

    Parameters
    ----------
    alpha_0 : float
        Decay, above 0; dimensionless when ``gamma`` is in 1/s.
    beta : tuple of float
        What each input adds, in microsiemens per unit of the input.
    gamma : float
        Rate in 1/s, above 0.
    E_0 : float
        Level at rest in microsiemens.
    b : float
        Constant input in microsiemens.

    Notes
    -----
    The form that the multi-task network learns [1]_. Its three constants cannot be told apart singly: with
    any c > 0, ``gamma c``, ``alpha_0 / c``, ``beta / c`` and ``b / c`` are the same equation. What can be
    told is in ``identified``.

    References
    ----------
    .. [1] Mandal (2025). Interpretable multi-task PINN for emotion recognition and EDA prediction. arXiv
       2505.18169. The equation itself is not in its abstract; this is our reading.

    Examples
    --------
    >>> skin = AffineEDA(alpha_0=0.5, beta=(0.2,), gamma=0.1, E_0=4.0, b=0.0)
    >>> float(skin.steady_state(np.array([1.0])))
    4.4
    >>> skin.time_constant
    20.0
    """

    alpha_0: float
    beta: tuple[float, ...]
    gamma: float
    E_0: float = 0.0
    b: float = 0.0

    def __post_init__(self) -> None:
        if not (self.alpha_0 > 0 and self.gamma > 0):
            raise ValueError(
                f"alpha_0 and gamma must be above 0, got {self.alpha_0} and {self.gamma}: otherwise skin "
                "conductance would run away."
            )

    @property
    def time_constant(self) -> float:
        """Seconds in which the distance to the steady state falls to 1/e, ``1 / (gamma alpha_0)``."""
        return 1 / (self.gamma * self.alpha_0)

    @property
    def identified(self) -> tuple[float, Array, float]:
        """What data can tell: ``gamma alpha_0`` (1/s), ``gamma beta``, ``gamma (alpha_0 E_0 + b)`` (uS/s)."""
        rate = self.gamma * self.alpha_0
        return rate, self.gamma * np.asarray(self.beta), self.gamma * (self.alpha_0 * self.E_0 + self.b)

    def derivative(self, E: ArrayLike, s: ArrayLike) -> Array:
        """``dE/dt`` in uS/s; ``s`` has the inputs on its last axis."""
        drive = np.asarray(s, dtype=np.float64) @ np.asarray(self.beta) + self.b
        return np.asarray(self.gamma * (-self.alpha_0 * (np.asarray(E, dtype=np.float64) - self.E_0) + drive))

    def steady_state(self, s: ArrayLike) -> Array:
        """Level in microsiemens that constant inputs lead to."""
        drive = np.asarray(s, dtype=np.float64) @ np.asarray(self.beta) + self.b
        return np.asarray(self.E_0 + drive / self.alpha_0)

    def solution(self, t: ArrayLike, *, start: float, s: ArrayLike) -> Array:
        """Skin conductance at ``t`` seconds after it was ``start``, with constant inputs."""
        level = self.steady_state(s)
        return np.asarray(
            level + (start - level) * np.exp(-np.asarray(t, dtype=np.float64) / self.time_constant)
        )
