"""Any network of braindecode, by name, trained and evaluated as ours are."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from physioaffect.device import Device
from physioaffect.errors import DataError
from physioaffect.montage import electrode_positions
from physioaffect.training import Dropout
from physioaffect.training.torchaudio import load_torchaudio

from .estimators import Input, NetworkClassifier

__all__ = ["BraindecodeClassifier", "braindecode_network"]

# Networks that draw from torch's only generator take turns.
_TURN = threading.Lock()
# Masks of so many elements make a seed.
_N_BITS = 62

# How far a copy in a stack may be from one alone before they are no longer the same network.
_TOLERANCE = 1e-3


class _ChannelDropout(nn.Module):
    """Drop whole channels of a window, as ``torch.nn.Dropout1d``, ``2d`` and ``3d`` do."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropout = Dropout(p)

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, ...) -> the same."""
        mask: Tensor = self.dropout(x.new_ones(*x.shape[:2], *(1 for _ in x.shape[2:])))
        return x * mask


class _Taken(nn.Module):
    """A network of braindecode among ours.

    Parameters
    ----------
    network : nn.Module
        (n_batch, n_channels, n_times) -> (n_batch, n_outputs).
    stackable : bool
        Whether copies can be run as one.
    draws : bool
        Whether it draws random numbers in a way of its own. Then they are seeded by what the trainer draws,
        so that the same seed trains the same network.
    """

    def __init__(self, network: nn.Module, *, stackable: bool, draws: bool) -> None:
        super().__init__()
        self.network = network
        self.stackable = stackable
        self.seed = Dropout(0.5) if draws else None

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_times) -> (n_batch, n_outputs)."""
        x = x.contiguous()  # Some take views of their input.
        if self.seed is None:
            return self.network(x)  # type: ignore[no-any-return]
        bits = self.seed(torch.ones(_N_BITS, device=x.device)) > 0
        if not self.training:
            return self.network(x)  # type: ignore[no-any-return]
        seed = sum(2**place for place, bit in enumerate(bits.tolist()) if bit)
        with _TURN, torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
            torch.manual_seed(seed)
            return self.network(x)  # type: ignore[no-any-return]


def braindecode_network(
    model: str, about: Input, *, sfreq: float | None = None, settings: Mapping[str, Any] | None = None
) -> nn.Module:
    """Build a network of braindecode so that the trainer here can train it.

    Parameters
    ----------
    model : str
        Name of its class in ``braindecode.models``.
    about : Input
        Size of windows; names of electrodes are passed on with their places where all are known, the rate
        where it is known.
    sfreq : float, optional
        Sampling rate in Hz, for windows that do not know theirs.
    settings : mapping, optional
        Further arguments of the class.

    Returns
    -------
    network : nn.Module
        (n_batch, n_channels, n_times) -> (n_batch, n_outputs). Its dropout is ours, so that copies can be
        trained as one; ``stackable`` says whether they can, which is found by trying.

    Raises
    ------
    DataError
        If braindecode is not installed.
    ValueError
        If it has no such model, refuses these windows or settings, or the model gives something else than a
        row of outputs for each window.

    Notes
    -----
    braindecode (https://braindecode.org, BSD-3-Clause) imports torchaudio. Where torch is built for the
    processor only, torchaudio's wheel of PyPI fails to load its compiled part; braindecode does not need
    that, and gets torchaudio without it.
    """
    models = _models()
    if model not in models:
        raise ValueError(f"braindecode has no model {model!r}: use one of {', '.join(sorted(models))}.")
    rate = about.sfreq if about.sfreq is not None else sfreq
    known = {"sfreq": rate, "chs_info": _places(about.ch_names, rate)}
    options = {name: value for name, value in known.items() if value is not None} | dict(settings or {})
    sizes = {"n_chans": about.n_channels, "n_times": about.n_last, "n_outputs": about.n_outputs}
    windows = torch.randn(
        2, about.n_channels, about.n_last, generator=torch.Generator().manual_seed(0), dtype=torch.float32
    )
    with warnings.catch_warnings():
        # What its authors will rename is their concern; what they say of these windows is not hidden.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            network: nn.Module = models[model](**sizes, **options)
            _take_over_dropout(network)
            output = _first_call(network, windows)
        except Exception as error:
            raise ValueError(
                f"braindecode's {model} refuses windows of {about.n_channels} channels x {about.n_last} "
                f"samples, or its settings: {' '.join(str(error).split())}"
            ) from error
    if not isinstance(output, Tensor) or output.shape != (2, about.n_outputs):
        got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f"braindecode's {model} gives {got} for two windows, expected (2, {about.n_outputs}): it does "
            "not classify windows as a whole. Use another model."
        )
    stackable = _can_be_stacked(network, windows)
    return _Taken(network, stackable=stackable, draws=not stackable and _draws(network, windows))


def _models() -> dict[str, type[nn.Module]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of the packages that it imports.
        try:
            load_torchaudio()
            models: dict[str, type[nn.Module]] = import_module("braindecode.models.util").models_dict
        except ImportError as error:
            raise DataError(
                f"This needs braindecode: pip install 'physioaffect[braindecode]' ({error})."
            ) from error
    return models


def _places(ch_names: Sequence[str] | None, sfreq: float | None) -> list[dict[str, Any]] | None:
    """Channels as MNE describes them, or None where their names or places are not known."""
    if ch_names is None:
        return None
    try:
        places = electrode_positions(ch_names)
    except DataError:
        return None
    import mne  # noqa: PLC0415  mne takes a second to import.

    channels: list[dict[str, Any]] = mne.create_info(list(ch_names), sfreq or 1.0, "eeg")["chs"]
    for channel, place in zip(channels, places, strict=True):
        channel["loc"][:3] = place
    return channels


def _take_over_dropout(network: nn.Module) -> None:
    """Put dropout whose masks the trainer draws in the place of torch's."""
    for name, child in network.named_children():
        if type(child) is nn.Dropout:
            setattr(network, name, Dropout(child.p))
        elif isinstance(child, nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            setattr(network, name, _ChannelDropout(child.p))
        else:
            _take_over_dropout(child)


def _first_call(network: nn.Module, windows: Tensor) -> Any:
    """Run a network once; dropout that it calls more than once needs a mask a call, and is torch's again."""
    calls: dict[nn.Module, int] = {layer: 0 for layer in network.modules() if isinstance(layer, Dropout)}

    def count(layer: nn.Module, _inputs: tuple[Tensor]) -> None:
        calls[layer] += 1

    hooks = [layer.register_forward_pre_hook(count) for layer in calls]
    with torch.no_grad():
        output = network.train(False)(windows)
    for hook in hooks:
        hook.remove()
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Dropout) and calls[child] > 1:
                setattr(parent, name, nn.Dropout(child.p))
    return output


def _can_be_stacked(network: nn.Module, windows: Tensor) -> bool:
    """Whether two copies give, run as one in training, what they give alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Operations that torch does one copy after the other.
            warnings.filterwarnings("error", message=".*performance drop")
            copies = [_that_keeps_all(network) for _ in range(2)]
            parameters, buffers = stack_module_state(copies)

            def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
                return functional_call(copies[0], (parameters, buffers), (x,))  # type: ignore[no-any-return]

            both = torch.vmap(one)(parameters, buffers, torch.stack([windows, windows.flip(0)]))
            torch.autograd.backward(both.square().sum())
            alone = copies[1](windows.flip(0))
    except Exception:  # What a model of others does under vmap can fail in any way.
        return False
    return bool(torch.allclose(both[1], alone, rtol=_TOLERANCE, atol=_TOLERANCE))


def _draws(network: nn.Module, windows: Tensor) -> bool:
    """Whether a network draws random numbers in training besides our dropout."""
    own = _that_keeps_all(network)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        return not torch.equal(own(windows), own(windows))


def _that_keeps_all(network: nn.Module) -> nn.Module:
    """Copy in training whose dropout, where it is ours, drops nothing."""
    own = copy.deepcopy(network).train()
    for layer in own.modules():
        if isinstance(layer, Dropout):
            layer.p = 0.0
    return own


class BraindecodeClassifier(NetworkClassifier):
    """Any network of braindecode on raw windows, as a scikit-learn classifier.

    Parameters
    ----------
    model : str
        Name of its class in ``braindecode.models``.
    settings : mapping, optional
        Arguments of that class besides the sizes, e.g. ``{"drop_prob": 0.25}``.
    sfreq : float, optional
        Sampling rate in Hz, for windows that do not know theirs; most models do without.
    epochs : int
        Passes over the training windows.
    batch_size : int
        Windows a step.
    learning_rate, weight_decay : float
        Of Adam.
    patience : int, optional
        Epochs without a smaller loss on the validation windows after which training stops. Default: none.
    label_smoothing : float
        Share of a label that is spread over all classes.
    ch_names : sequence of str, optional
        Names of the electrodes, in their order; some models ask for them.
    random_state : int, optional
        Seed of the first weights, the batches and the dropout.
    device : {"cpu", "cuda", "auto"}
        Where to train, as in `resolve_device`.

    Notes
    -----
    Needs ``pip install 'physioaffect[braindecode]'``. Weights trained by others are not loaded.

    **Deviations**: settings of training are ours, not those of each model's paper. Models that draw random
    numbers in a way of their own (``torch.nn.MultiheadAttention``, stochastic depth) or do what torch cannot
    do for a stack (bounded weights, short-time Fourier transforms) are trained fold by fold.
    """

    layout = ("channel", "time")

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        model: str = "ShallowFBCSPNet",
        settings: Mapping[str, Any] | None = None,
        sfreq: float | None = None,
        epochs: int = 40,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        patience: int | None = None,
        label_smoothing: float = 0.0,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.model = model
        self.settings = settings
        self.sfreq = sfreq
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.label_smoothing = label_smoothing
        self.ch_names = ch_names
        self.random_state = random_state
        self.device = device

    def network(self, about: Input) -> nn.Module:
        """Build the network, as `braindecode_network`."""
        return braindecode_network(self.model, about, sfreq=self.sfreq, settings=self.settings)
