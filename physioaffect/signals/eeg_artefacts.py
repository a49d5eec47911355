"""Eyes and muscles taken out of EEG: regression on EOG, labelled independent components, subspaces."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError

__all__ = [
    "ASR",
    "ICA",
    "AsrModel",
    "EyeRegression",
    "IcaModel",
    "eye_weights",
    "fit_asr",
    "fit_ica",
]

_LABELS = (
    "brain",
    "muscle artifact",
    "eye blink",
    "heart beat",
    "line noise",
    "channel noise",
    "other",
)


@dataclass(frozen=True, kw_only=True)
class EyeRegression:
    """Subtract from each channel what a linear regression on the EOG explains.

    Parameters
    ----------
    difference : bool
        Whether two EOG channels are replaced by their difference, which holds less EEG than either.
    """

    difference: bool = False


@dataclass(frozen=True, kw_only=True)
class ICA:
    """Take out independent components that ICLabel recognises as no brain's.

    Parameters
    ----------
    labels : tuple of str
        Which kinds are taken out: of ``muscle artifact``, ``eye blink``, ``heart beat``, ``line noise``,
        ``channel noise``, ``other``.
    threshold : float
        Only with this probability or more.
    n_components : int, optional
        Default: the rank of the data.
    seed : int
        Of the decomposition.
    max_iter : int
        Iterations at most.
    """

    labels: tuple[str, ...] = ("eye blink", "muscle artifact")
    threshold: float = 0.8
    n_components: int | None = None
    seed: int = 0
    max_iter: int = 500

    def __post_init__(self) -> None:
        unknown = [label for label in self.labels if label not in _LABELS[1:]]
        if unknown or not self.labels:
            raise ValueError(f"ICA takes out kinds of {', '.join(_LABELS[1:])}, got {self.labels}.")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"ICA needs a probability above 0 and at most 1, got {self.threshold}.")


@dataclass(frozen=True, kw_only=True)
class ASR:
    """Artifact subspace reconstruction: replace directions whose power exceeds that of the clean parts.

    Parameters
    ----------
    cutoff : float
        In standard deviations of the clean parts' power; 20 to 30 leaves brain activity alone (Chang et al.
        2020, doi 10.1109/TBME.2019.2930186), smaller is harsher.
    block : float
        Seconds that are reconstructed at once.
    """

    cutoff: float = 20.0
    block: float = 0.5

    def __post_init__(self) -> None:
        if not (self.cutoff > 0 and self.block > 0):
            raise ValueError(f"ASR needs a cutoff and a block above 0, got {self}.")


def _extra(package: str, extra: str) -> DataError:
    return DataError(f"This step needs {package}. Install it with: pip install 'physioaffect[{extra}]'")


def eye_weights(
    X: NDArray[np.floating[Any]], eog: NDArray[np.floating[Any]], is_usable: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights of the EOG in each EEG channel by least squares.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        EEG, filtered and referenced.
    eog : ndarray, shape (n_eog, n_times)
        Filtered the same way, in any unit.
    is_usable : ndarray of bool, shape (n_times,)
        Samples to learn from.

    Returns
    -------
    weights : ndarray, shape (n_channels, n_eog)
        ``X - weights @ eog`` is uncorrelated with the EOG over the usable samples, also where that takes out
        brain activity that the EOG has picked up.

    Raises
    ------
    DataError
        If the EOG is constant, or no sample is usable.

    Notes
    -----
    Gratton, Coles, Donchin (1983), doi 10.1016/0013-4694(83)90135-9, without averaging over trials; the same
    numbers as `mne.preprocessing.EOGRegression` gives.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> eog, brain = rng.normal(size=(1, 1000)), rng.normal(size=(2, 1000))
    >>> eye_weights(0.1 * brain + [[0.5], [0.1]] * eog, eog, np.ones(1000, bool)).round(1)
    array([[0.5],
           [0.1]])
    """
    seen = eog[:, is_usable]
    if np.any(np.ptp(seen if seen.size else eog, axis=1) == 0):
        raise DataError(
            "An EOG channel is constant or missing, so nothing can be learnt from it. Leave it out."
        )
    if seen.shape[1] == 0:
        raise DataError(
            "At no time all good channels and the EOG are usable, so no weights can be learnt. Leave out the "
            "channels with the most gaps, or set eyes=None."
        )
    seen = seen - seen.mean(axis=1, keepdims=True)
    learnt_from = X[:, is_usable] - X[:, is_usable].mean(axis=1, keepdims=True)
    # Both in their own scale, so that volts beside other units stay well conditioned.
    scale = seen.std(axis=1, keepdims=True)
    weights, _, _, _ = np.linalg.lstsq((seen / scale).T, learnt_from.T, rcond=1e-10)
    return np.asarray(weights.T / scale.T)


class IcaModel(NamedTuple):
    """What was learnt: ``X - mixing @ (unmixing @ (X - mean))`` is clean.

    ``removed`` says number, label and probability of each component taken out, ``n_components`` their total.
    """

    mixing: NDArray[np.float64]
    unmixing: NDArray[np.float64]
    mean: NDArray[np.float64]
    removed: tuple[tuple[int, str, float], ...]
    n_components: int

    def apply(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Take the components out of EEG of the same channels, shape (n_channels, n_times)."""
        return np.asarray(X - self.mixing @ (self.unmixing @ (X - self.mean)))


def fit_ica(
    X: NDArray[np.floating[Any]],
    is_usable: NDArray[np.bool_],
    settings: ICA,
    *,
    sfreq: float,
    positions: NDArray[np.float64],
    ch_names: Sequence[str],
) -> IcaModel:
    """Decompose EEG by extended infomax and label the components with ICLabel.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        In volts, band-passed; ICLabel was trained on 1-100 Hz, and with less its labels are less sure. It
        sees the average reference; the components are taken out in the reference that ``X`` has.
    is_usable : ndarray of bool, shape (n_times,)
        Samples to learn from.
    settings : ICA
        What to take out.
    sfreq : float
        Samples per second.
    positions : ndarray, shape (n_channels, 3)
        Places in metres.
    ch_names : sequence of str
        Names.

    Returns
    -------
    IcaModel

    Raises
    ------
    DataError
        If mne-icalabel or onnxruntime is missing.
    ProtocolError
        If there are fewer usable samples than five times the squared number of components.

    Notes
    -----
    Pion-Tonachini, Kreutz-Delgado, Makeig (2019), doi 10.1016/j.neuroimage.2019.05.026.

    Examples
    --------
    >>> from physioaffect.montage import electrode_positions
    >>> names = ("Fp1", "Fp2", "C3", "C4", "O1", "O2")
    >>> eeg = 1e-5 * np.random.default_rng(0).laplace(size=(6, 2000))
    >>> model = fit_ica(
    ...     eeg,
    ...     np.ones(2000, bool),
    ...     ICA(),
    ...     sfreq=100,
    ...     positions=electrode_positions(names),
    ...     ch_names=names,
    ... )
    >>> model.n_components, model.apply(eeg).shape
    (5, (6, 2000))
    """
    import mne  # noqa: PLC0415  mne takes a second to import.

    try:
        from mne_icalabel.iclabel import iclabel_label_components  # noqa: PLC0415
    except ImportError as error:
        raise _extra("mne-icalabel and onnxruntime", "ica") from error
    seen = np.ascontiguousarray(X[:, is_usable], dtype=np.float64)
    rank = len(X) - 1
    if seen.shape[1] > 1:
        rank = int(np.linalg.matrix_rank(np.cov(seen - seen.mean(axis=0)), hermitian=True))
    n_components = min(settings.n_components or rank, rank)
    n_least = 5 * n_components**2
    if is_usable.sum() < n_least:
        raise ProtocolError(
            f"{n_components} independent components need {n_least / sfreq:.0f} s of usable EEG at "
            f"{sfreq:g} Hz, got {is_usable.sum() / sfreq:.0f} s. Lower n_components, or leave this step out."
        )
    info = mne.create_info(list(ch_names), sfreq, "eeg", verbose="error")
    montage = mne.channels.make_dig_montage(dict(zip(ch_names, positions, strict=True)), coord_frame="head")
    info.set_montage(montage, verbose="error")
    learnt_from = mne.io.RawArray(seen.copy(), info, verbose="error")
    learnt_from.set_eeg_reference("average", verbose="error")
    ica = mne.preprocessing.ICA(
        n_components=n_components,
        method="infomax",
        fit_params={"extended": True},
        random_state=settings.seed,
        max_iter=settings.max_iter,
        verbose="error",
    )
    with warnings.catch_warnings(), mne.use_log_level("error"):
        # Of a band narrower than the one ICLabel was trained on, and of iterations that end before
        # convergence. MNE writes its warnings into its log as well.
        warnings.simplefilter("ignore", RuntimeWarning)
        ica.fit(learnt_from)
        try:
            probabilities = iclabel_label_components(learnt_from, ica, backend="onnx")
        except ImportError as error:
            raise _extra("onnxruntime", "ica") from error
    best = probabilities.argmax(axis=1)
    removed = tuple(
        (component, _LABELS[label], round(float(probabilities[component, label]), 3))
        for component, label in enumerate(best)
        if _LABELS[label] in settings.labels and probabilities[component, label] >= settings.threshold
    )
    index = [component for component, _, _ in removed]
    unmixing = ica.unmixing_matrix_ @ ica.pca_components_[: ica.n_components_]
    unmixing = unmixing / ica.pre_whitener_.T
    mean = seen.mean(axis=1, keepdims=True)
    # The sources do not depend on the reference, their weights do: taken from X itself, they also reach what
    # the old reference has picked up of an artefact. In the average reference they are MNE's.
    sources = unmixing @ (seen - mean)
    mixing = np.linalg.lstsq(sources.T, (seen - mean).T, rcond=None)[0].T
    return IcaModel(mixing[:, index], unmixing[index], mean, removed, int(ica.n_components_))


class AsrModel(NamedTuple):
    """What was learnt from the clean parts: channels of full rank, the rest from them, and two matrices."""

    kept: NDArray[np.intp]
    expand: NDArray[np.float64]
    mixing: NDArray[np.float64]
    threshold: NDArray[np.float64]
    clean: float

    def apply(self, X: NDArray[np.floating[Any]], settings: ASR, *, sfreq: float) -> NDArray[np.float64]:
        """Reconstruct EEG of the same channels, shape (n_channels, n_times)."""
        from meegkit.asr import asr_process, yulewalk_filter  # noqa: PLC0415

        n_block = max(2, round(settings.block * sfreq))
        kept = X[self.kept]
        shaped, _ = yulewalk_filter(kept, sfreq)
        state: dict[str, Any] = {"M": self.mixing, "T": self.threshold, "R": None}
        out = np.empty_like(kept)
        # The last block takes the rest, so that none is too short to have a covariance.
        edges = [*range(0, max(1, X.shape[1] // n_block) * n_block, n_block), X.shape[1]]
        for first, last in itertools.pairwise(edges):
            part = shaped[:, first:last]
            out[:, first:last], state = asr_process(
                kept[:, first:last], part, state, cov=part @ part.T / (last - first), method="euclid"
            )
        # Where nothing was replaced nothing shall change, not even by rounding.
        change = self.expand @ (out - kept)
        return np.asarray(X + change)


def fit_asr(
    X: NDArray[np.floating[Any]], is_usable: NDArray[np.bool_], settings: ASR, *, sfreq: float
) -> AsrModel:
    """Learn from the clean parts of EEG what is usual.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        High-passed EEG in any unit.
    is_usable : ndarray of bool, shape (n_times,)
        Samples to learn from; the clean parts are looked for among them.
    settings : ASR
        Cutoff.
    sfreq : float
        Samples per second.

    Returns
    -------
    AsrModel

    Raises
    ------
    DataError
        If meegkit is missing or fewer than 10 s are clean.

    Notes
    -----
    `meegkit.asr` (Kothe & Jung 2016; Euclidean variant) on as many channels as the data's rank: the others,
    such as interpolated ones, are mixtures of them and follow.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> eeg = 1e-5 * rng.normal(size=(8, 3000))
    >>> model = fit_asr(eeg, np.ones(3000, bool), ASR(), sfreq=100)
    >>> burst = eeg.copy()
    >>> burst[2, 1000:1100] += 1e-3 * np.sin(2 * np.pi * 5 * np.arange(100) / 100)
    >>> clean = model.apply(burst, ASR(), sfreq=100)
    >>> bool(clean[2, 1000:1100].std() < burst[2, 1000:1100].std() / 2)
    True
    """
    from scipy.linalg import qr  # noqa: PLC0415

    try:
        from meegkit.asr import asr_calibrate, clean_windows  # noqa: PLC0415
    except ImportError as error:
        raise _extra("meegkit", "asr") from error
    seen = np.asarray(X[:, is_usable], dtype=np.float64)
    _check_clean(seen.shape[1], sfreq)
    scale = float(np.median(seen.std(axis=1))) or 1.0
    covariance = np.cov(seen / scale)
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True, tol=1e-9 * np.trace(covariance)))
    _, _, order = qr(covariance, pivoting=True)
    kept = np.sort(order[:rank]).astype(np.intp)
    expand: NDArray[np.float64] = np.linalg.lstsq(
        covariance[np.ix_(kept, kept)], covariance[kept], rcond=None
    )[0].T.astype(np.float64)
    clean, is_clean = clean_windows(seen[kept] / scale, sfreq)
    _check_clean(clean.shape[1], sfreq)
    mixing, threshold = asr_calibrate(clean, sfreq, cutoff=settings.cutoff)
    return AsrModel(kept, expand, mixing * scale, threshold * scale, float(is_clean.mean()))


def _check_clean(n_times: int, sfreq: float) -> None:
    if n_times < 10 * sfreq:
        raise DataError(
            f"Artifact subspace reconstruction needs 10 s of clean EEG to learn from, got "
            f"{n_times / sfreq:.1f} s. Leave this step out for so short or so noisy a recording."
        )
