"""What a fitted network's output is owed to: integrated gradients, summed by electrode, band and region."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from physioaffect.device import resolve_device
from physioaffect.errors import DataError
from physioaffect.features import Bands
from physioaffect.training import ClassLoss, Source, torch_threads

from .estimators import NetworkClassifier, NetworkEstimator
from .grouping import lobes
from .regions import Region

__all__ = ["batches", "electrode_importance", "integrated_gradients", "rate", "region_importance"]

Floats = NDArray[np.float64]

# Windows whose gradients are computed at once: what a network keeps for them fits into any memory.
_CHUNK = 256

# Where the probability of a class or of all others is no longer told from 0.
_TINY = 1e-300


class _Output(NamedTuple):
    """One number of each window, computed from the network's raw outputs, and what it is."""

    name: str
    unit: str
    of: Callable[[Tensor], Tensor]


def integrated_gradients(
    model: NetworkEstimator,
    X: Any,
    *,
    target: Any = None,
    baseline: ArrayLike | None = None,
    n_steps: int = 32,
    spectral: bool = False,
) -> xr.DataArray:
    """Share out what a network says of each window among the numbers of the window.

    Parameters
    ----------
    model : NetworkClassifier or NetworkRegressor
        Fitted.
    X : array-like, DataArray or Windows, shape (n_windows, n_channels, n_last)
        Windows, as for prediction.
    target : label, optional
        Class whose log-odds, ``ln(p / (1 - p))``, are shared out. Default: the second of two classes. A
        regressor's number needs none.
    baseline : array-like, optional
        Where the paths begin: a window, or what broadcasts to one, in the unit and the electrodes' order of
        those that the network was trained on. Default: the mean of the training windows; of raw ones, that
        of each electrode, which is a flat signal.
    n_steps : int
        Places on the path at which the gradient is computed.
    spectral : bool
        Of raw windows, whether the numbers are not samples but the frequencies of the window.

    Returns
    -------
    attributions : DataArray of float64, dimensions of the layout, or ("window", "feature") of a table
        They add up to the output minus that for the baseline (`completeness`), but for the attribute ``gap``,
        the largest difference over windows: if it matters, take more steps. With ``spectral`` the dimensions
        are ("window", "channel", "frequency"), in Hz, and the sums are the same. Electrodes are in the order
        of training.

    Raises
    ------
    ValueError
        If there is no such class, one must be named, ``n_steps`` is below 1, the baseline is no window, or
        frequencies are asked for of windows that are no signals.
    DataError
        If the windows do not fit, there are none, or the sampling rate is not known.
    sklearn.exceptions.NotFittedError
        If the network has not been fitted.

    Notes
    -----
    Equation 1 of Sundararajan, Taly & Yan 2017 (arXiv 1703.01365): ``(x_i - x'_i) integral_0^1
    df(x' + a (x - x')) / dx_i da``. The integral is by Gauss and Legendre, where the paper has a Riemann sum.

    The method depends on the path alone, and the path is the same in any orthogonal basis of the window: so
    attributions to frequencies are the product of the Fourier transforms of ``x - x'`` and of the averaged
    gradient, in which the negative frequencies count with the positive ones.

    Examples
    --------
    >>> from physioaffect.graphs.linear import LinearClassifier
    >>> X = np.random.default_rng(0).normal(size=(32, 3, 2))
    >>> model = LinearClassifier(epochs=2, batch_size=16, random_state=0).fit(X, X[:, 1, 0] > 0)
    >>> found = integrated_gradients(model, X)
    >>> found.dims, found.shape, found.attrs["of"]
    (('window', 'channel', 'band'), (32, 3, 2), 'log-odds of True')
    >>> log_odds = np.diff(np.log(model.predict_proba(X)))[:, 0]
    >>> at_mean = np.diff(np.log(model.predict_proba(X.mean(axis=0, keepdims=True))))[:, 0]
    >>> bool(np.allclose(found.sum(("channel", "band")), log_odds - at_mean, atol=1e-5))
    True
    """
    if n_steps < 1:
        raise ValueError(f"The path needs at least one step, got n_steps={n_steps}.")
    if spectral and model.layout[-1] != "time":
        raise ValueError(
            f"{type(model).__name__} looks at windows of {' x '.join(model.layout)}, which have no "
            "frequencies. Leave spectral out."
        )
    outputs = torch.from_numpy(model.outputs(X))
    output = _output(model, target)
    device = torch.device(resolve_device(model.device))
    with torch_threads(1):
        network = copy.deepcopy(model.network_).to(device).requires_grad_(False)
        start = _baseline(model, baseline).to(device)
        share = _by_frequency if spectral else torch.mul
        parts = [
            share((x - start).double(), _mean_gradient(network, output, start, x, n_steps)).cpu()
            for x in batches(model, X, device)
        ]
        at_start = output.of(network(start[None]).double()).cpu()
    attributions = torch.cat(parts).numpy()
    change = (output.of(outputs) - at_start).numpy()
    attrs = {
        "of": output.name,
        "unit": output.unit,
        "baseline": "mean of the training windows" if baseline is None else "given",
        "gap": float(np.abs(attributions.sum(axis=(1, 2)) - change).max()),
    }
    return _named(attributions, model, X, spectral=spectral).assign_attrs(attrs)


def electrode_importance(
    model: NetworkEstimator,
    X: Any,
    *,
    bands: Bands | None = None,
    target: Any = None,
    baseline: ArrayLike | None = None,
    n_steps: int = 32,
) -> xr.DataArray:
    """Say how much of what makes windows differ for a network lies at each electrode, and in each band.

    Parameters
    ----------
    model, X, target, baseline, n_steps
        As for `integrated_gradients`.
    bands : Bands, optional
        Of raw windows, bands in which to sum up frequencies; the last is then "other", for all that lies in
        none. Default: all frequencies together.

    Returns
    -------
    importance : DataArray, dimensions ("channel",) or ("channel", "band")
        Share of the variance of the output over windows that comes with an electrode's attributions:
        ``cov(a_c, f) / var(f)``, where ``f = sum_c a_c``. Shares add up to 1; what works against the others
        has a negative one. For a table, ("feature",).

    Raises
    ------
    ValueError
        As `integrated_gradients`; or if bands overlap, or are asked for of windows that are no signals.
    DataError
        As `integrated_gradients`; or if the output is the same for all windows.

    Notes
    -----
    What an electrode adds to all windows alike counts for nothing. It would, in the mean of magnitudes that
    is in common use: from a flat signal as the baseline, every electrode adds the power of its signal.

    Importance says what a network looks at. It does not say that this is what tells classes apart: a network
    that looks at nuisances has important nuisances.

    Examples
    --------
    >>> from physioaffect.graphs.linear import LinearClassifier
    >>> X = np.random.default_rng(0).normal(size=(64, 3, 2))
    >>> model = LinearClassifier(learning_rate=0.03, batch_size=16, random_state=0).fit(X, X[:, 1, 0] > 0)
    >>> importance = electrode_importance(model, X)
    >>> importance.dims, bool(importance[1, 0] > 0.8), round(float(importance.sum()), 6)
    (('channel', 'band'), True, 1.0)
    """
    options = {"target": target, "baseline": baseline, "n_steps": n_steps}
    found = integrated_gradients(model, X, spectral=bands is not None, **options)
    if bands is not None:
        found = _in_bands(found, bands)
    elif "time" in found.dims:
        found = found.sum("time", keep_attrs=True)
    said = found.sum(found.dims[1:])
    said = said - said.mean()
    # Rounding errors are no variance.
    if not float(said.std()) > 1e-6 * max(1.0, float(np.abs(found).max())):
        raise DataError(
            f"The {found.attrs['of']} is the same for all {found.sizes['window']} windows, so it cannot be "
            "shared out among electrodes. Pass windows that differ, or train longer."
        )
    importance = (found * said).mean("window") / (said**2).mean()
    about = {"of": f"share of the variance of the {found.attrs['of']}", "unit": "1"}
    return importance.rename("importance").assign_attrs(found.attrs | about)


def region_importance(importance: xr.DataArray, regions: Sequence[Region] | None = None) -> xr.DataArray:
    """Sum up the importance of electrodes by region.

    Parameters
    ----------
    importance : DataArray, dimensions ("channel", ...)
        Of `electrode_importance`, of a network that knows its electrodes by name.
    regions : sequence of Region, optional
        Default: `lobes`, each half by itself.

    Returns
    -------
    importance : DataArray, dimensions ("region", ...)

    Raises
    ------
    DataError
        If the electrodes have no names, or those of a region are missing.

    Examples
    --------
    >>> importance = xr.DataArray([0.5, 0.2, 0.3], dims="channel", coords={"channel": ["F3", "F7", "O2"]})
    >>> region_importance(importance).to_series().to_dict()
    {'left frontal': 0.7, 'right occipital': 0.3}
    """
    if "channel" not in importance.coords:
        raise DataError(
            "The importance of regions needs electrodes with names. Fit the network with ch_names=(...), or "
            "on windows that name theirs."
        )
    names = [str(name) for name in importance["channel"].values]
    regions = lobes(names, halves=True) if regions is None else regions
    sums = [importance.isel(channel=region.indices(names)).sum("channel") for region in regions]
    joined = xr.concat(sums, dim=xr.Variable("region", [region.name for region in regions]))
    return joined.rename(importance.name).assign_attrs(importance.attrs)


def batches(model: NetworkEstimator, X: Any, device: torch.device) -> Iterator[Tensor]:
    """Windows that a fitted network takes, some at a time, on its device and not yet standardised.

    Raises
    ------
    DataError
        If there are none.
    """
    source = Source([model._arranged(X)[0]], device)
    if len(source) == 0:
        raise DataError("There is no window to look at. Pass one or more.")
    for rows in range(0, len(source), _CHUNK):
        yield source.gather(torch.arange(rows, min(rows + _CHUNK, len(source)), device=device))


def _output(model: NetworkEstimator, target: Any) -> _Output:
    if not isinstance(model, NetworkClassifier):
        if target is not None:
            raise ValueError(f"{type(model).__name__} predicts one number. Leave target={target!r} out.")
        return _Output("predicted number", "", lambda outputs: outputs[:, 0])
    classes = model.classes_.tolist()
    if target is None and len(classes) > 2:
        raise ValueError(f"Say which of the classes {', '.join(map(repr, classes))} to look at: target=...")
    chosen = classes[1] if target is None else target
    if chosen not in classes:
        raise ValueError(f"There is no class {chosen!r}: use one of {', '.join(map(repr, classes))}.")
    loss, own = cast("ClassLoss", model.training().loss), classes.index(chosen)

    def log_odds(outputs: Tensor) -> Tensor:
        shares = loss.probabilities(outputs, len(classes)).clamp(min=_TINY)
        # 1 - p would be rounded to 0 long before the sum of the others is.
        others = torch.cat([shares[:, :own], shares[:, own + 1 :]], dim=1).sum(dim=1)
        return shares[:, own].log() - others.log()

    return _Output(f"log-odds of {classes[own]!r}", "nat", log_odds)


def _baseline(model: NetworkEstimator, baseline: ArrayLike | None) -> Tensor:
    shape = model.input_.n_channels, model.input_.n_last
    if baseline is None:
        mean: Tensor = model.network_.standardise.mean.expand(shape)
        return mean
    given = np.asarray(baseline, dtype=np.float32)
    try:
        return torch.from_numpy(np.broadcast_to(given, shape).copy())
    except ValueError:
        raise ValueError(
            f"The baseline must be a window, {shape[0]} x {shape[1]} ({' x '.join(model.layout)}), or what "
            f"broadcasts to one, got shape {given.shape}."
        ) from None


def _mean_gradient(network: nn.Module, output: _Output, start: Tensor, x: Tensor, n_steps: int) -> Tensor:
    """Gradient averaged over the straight paths to windows, of their shape (n_batch, n_channels, n_last)."""
    places, weights = np.polynomial.legendre.leggauss(n_steps)
    mean = torch.zeros_like(x, dtype=torch.float64)
    for place, weight in zip((1 + places) / 2, weights / 2, strict=True):
        point = torch.lerp(start.expand_as(x), x, float(place)).requires_grad_()
        (gradient,) = torch.autograd.grad(output.of(network(point).double()).sum(), point)
        mean += float(weight) * gradient.double()
    return mean


def _by_frequency(change: Tensor, gradient: Tensor) -> Tensor:
    """(..., n_times) twice -> (..., n_times // 2 + 1), whose sum is that of their product."""
    n_times = change.shape[-1]
    products: Tensor = (torch.fft.rfft(change) * torch.fft.rfft(gradient).conj()).real / n_times
    # Each stands for its negative, too, but for zero and, of an even number of samples, the highest.
    products[..., 1 : (n_times + 1) // 2] *= 2
    return products


def _named(attributions: Floats, model: NetworkEstimator, X: Any, *, spectral: bool) -> xr.DataArray:
    if len(X.shape) == 2:
        return xr.DataArray(attributions[:, :, 0], dims=("window", "feature"), name="attribution")
    dims = ("window", "channel", "frequency") if spectral else ("window", *model.layout)
    coords: dict[str, Any] = {}
    if model.ch_names_ is not None:
        coords["channel"] = list(model.ch_names_)
    if isinstance(X, xr.DataArray) and "band" in X.coords:
        coords["band"] = X["band"].values
    if dims[-1] in ("time", "frequency"):
        sfreq, n_times = rate(model, is_needed=spectral), model.input_.n_last
        if spectral:
            coords["frequency"] = np.fft.rfftfreq(n_times, 1 / sfreq)
        elif sfreq:
            coords["time"] = np.arange(n_times) / sfreq
    return xr.DataArray(attributions, dims=dims, coords=coords, name="attribution")


def rate(model: NetworkEstimator, *, is_needed: bool) -> float:
    """Sampling rate in Hz; 0 where it is neither known nor needed."""
    told = model.get_params()  # A wrapper's model may be the one that was told.
    sfreq = model.input_.sfreq or told.get("sfreq") or told.get("model__sfreq")
    if sfreq is None and is_needed:
        raise DataError("Frequencies need the sampling rate: fit the network on Windows, which know theirs.")
    return float(sfreq or 0)


def _in_bands(found: xr.DataArray, bands: Bands) -> xr.DataArray:
    """Sums over the frequencies of each band, and over those of none."""
    frequency = found["frequency"].values
    is_in = np.array([(frequency >= band.fmin) & (frequency < band.fmax) for band in bands])
    if (is_in.sum(axis=0) > 1).any():
        raise ValueError(f"Bands that overlap cannot share out one importance: {', '.join(map(str, bands))}.")
    kinds = np.concatenate([is_in, ~is_in.any(axis=0, keepdims=True)])
    weights = xr.DataArray(
        kinds.astype(np.float64), dims=("band", "frequency"), coords={"band": [*bands.names, "other"]}
    )
    return found.dot(weights, dim="frequency").assign_attrs(found.attrs)
