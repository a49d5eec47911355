"""Image networks of transformers as feature extractors, for small faces and without the network."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from physioaffect.errors import DataError, did_you_mean
from physioaffect.training.quiet_logger import errors_only
from physioaffect.training.torchaudio import load_torchaudio

__all__ = ["BACKBONES", "Backbone", "backbone", "backbone_of"]

_LONGEST_CONFIG = 200_000
_LARGEST_NUMBER, _DEEPEST = 65_536, 200
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
# Where transformers lists the weights of heads that are not used.
_LOADERS = ("transformers.modeling_utils", "transformers.utils.loading_report")
# Name of transformers' configuration and model of each of its types.
_TYPES: Mapping[str, tuple[str, str]] = {
    "mobilenet_v2": ("MobileNetV2Config", "MobileNetV2Model"),
    "resnet": ("ResNetConfig", "ResNetModel"),
    "swin": ("SwinConfig", "SwinModel"),
    "vit": ("ViTConfig", "ViTModel"),
}


def _resnet(depths: list[int], sizes: list[int], layer_type: str) -> dict[str, Any]:
    stem = sizes[0] if layer_type == "basic" else 64
    return {"depths": depths, "hidden_sizes": sizes, "layer_type": layer_type, "embedding_size": stem}


def _vit(image_size: int) -> dict[str, Any]:
    patch = image_size // 8 if image_size < 128 else 16
    _check_divides(patch, image_size, 8 if image_size < 128 else 16, "vit")
    # The smallest of DeiT (Touvron et al. 2021, arXiv 2012.12877).
    heads = {"hidden_size": 192, "num_attention_heads": 3, "num_hidden_layers": 12, "intermediate_size": 768}
    return {"image_size": image_size, "patch_size": patch, **heads}


def _swin(image_size: int) -> dict[str, Any]:
    patch = 2 if image_size < 128 else 4
    # Of the last of four stages, so that the windows fill every stage: 7 at 224 pixels, as published.
    window = image_size // (8 * patch)
    _check_divides(window, image_size, 8 * patch, "swin")
    return {"image_size": image_size, "patch_size": patch, "window_size": window}


def _check_divides(result: int, image_size: int, step: int, name: str) -> None:
    if result < 2 or image_size % step:
        raise ValueError(
            f"{name} cuts images in pieces and needs a side that is a multiple of {step} from {2 * step}, "
            f"got image_size={image_size}."
        )


_Settings = Callable[[int], dict[str, Any]]
# Type and settings, besides channels, of each backbone by image size.
BACKBONES: Mapping[str, tuple[str, _Settings]] = {
    "mobilenet_v2": ("mobilenet_v2", lambda size: {"image_size": size}),
    "resnet18": ("resnet", lambda _: _resnet([2, 2, 2, 2], [64, 128, 256, 512], "basic")),
    "resnet50": ("resnet", lambda _: _resnet([3, 4, 6, 3], [256, 512, 1024, 2048], "bottleneck")),
    "resnet_tiny": ("resnet", lambda _: _resnet([1, 1, 1, 1], [16, 32, 64, 128], "basic")),
    "swin": ("swin", _swin),
    "vit": ("vit", _vit),
}


class Backbone(nn.Module):
    """A network of transformers that gives one vector for an image.

    Parameters
    ----------
    model : nn.Module
        ``ResNetModel``, ``MobileNetV2Model``, ``SwinModel`` (mean over places) or ``ViTModel`` (the first
        token).
    image_size : int
        Side of the images that it is for.

    Attributes
    ----------
    n_channels, n_features : int
        Channels that it takes; length of the vector.
    """

    def __init__(self, model: Any, image_size: int) -> None:
        super().__init__()
        self.model = model
        self.image_size = image_size
        self.n_channels = int(model.config.num_channels)
        like = next(model.parameters())
        example = torch.zeros(
            1, self.n_channels, image_size, image_size, device=like.device, dtype=like.dtype
        )
        was_training = model.training
        with torch.no_grad():
            self.n_features = int(self.train(False)(example).shape[1])
        self.train(was_training)

    @property
    def config(self) -> dict[str, Any]:
        """What `backbone_of` makes the same network of, JSON-able."""
        told: dict[str, Any] = json.loads(self.model.config.to_json_string(use_diff=False))
        return told | {"image_size": self.image_size}

    def forward(self, images: Tensor) -> Tensor:
        """(n, n_channels, size, size) -> (n, n_features)."""
        outputs = self.model(images)
        pooled = getattr(outputs, "pooler_output", None)
        features: Tensor = outputs.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1)
        return features


def backbone(
    name: str = "resnet18", *, image_size: int = 48, n_channels: int = 1, pretrained: Path | str | None = None
) -> Backbone:
    """Make a feature extractor for images, with random weights or those of a folder.

    Parameters
    ----------
    name : {"resnet18", "resnet50", "resnet_tiny", "mobilenet_v2", "vit", "swin"}
        ResNets have the published stem, which quarters the side before the first stage; "resnet_tiny" has
        stages of 16, 32, 64 and 128 channels, one layer each. "vit" is DeiT's smallest and "swin" Swin-T,
        with patches and windows that fit small images.
    image_size : int
        Side in pixels.
    n_channels : int
        1 for grey images, 3 for colour. Weights of a folder keep their own number.
    pretrained : path, optional
        A folder with ``config.json`` and ``model.safetensors``, as transformers saves models. Nothing is
        downloaded, pickled weights are refused and no code of the folder is run.

    Returns
    -------
    network : Backbone
        On the processor; random weights are drawn from torch's generator.

    Raises
    ------
    ValueError
        If there is no such backbone, or it cannot have that size.
    DataError
        If transformers is not installed, or the folder holds no such weights.

    Examples
    --------
    >>> backbone("resnet_tiny").n_features
    128
    """
    if name not in BACKBONES:
        raise ValueError(f"There is no backbone {name!r}. {did_you_mean(name, BACKBONES)}")
    kind, settings = BACKBONES[name]
    own = {"num_channels": n_channels, **settings(image_size)}
    if pretrained is None:
        return _made(kind, own, image_size)
    return _loaded(kind, Path(pretrained), image_size, name)


def backbone_of(config: Mapping[str, Any]) -> Backbone:
    """Make the network that a `Backbone.config` describes, with random weights; it may be a stranger's.

    Raises
    ------
    DataError
        If it describes none of ours, or a larger one than any.
    """
    kind, image_size = config.get("model_type"), config.get("image_size")
    if (
        not isinstance(kind, str)
        or kind not in _TYPES
        or not isinstance(image_size, int)
        or not 1 <= image_size <= 1024
    ):
        raise DataError(
            f"The backbone is of the type {str(kind)[:40]!r} for images of {str(image_size)[:20]} pixels; "
            f"expected one of {', '.join(_TYPES)}, and 1 to 1024."
        )
    _check_bounded(config)
    _, module = _classes(kind)
    taken = {key: value for key, value in config.items() if key in _fields(kind) and not key.startswith("_")}
    del module
    try:
        return _made(kind, taken, image_size)
    except Exception as error:  # Settings from a stranger may break a network in any way.
        raise DataError(f"No backbone can be made of these settings: {error}") from error


def _fields(kind: str) -> set[str]:
    """Settings of a type's own, and no more: what else a configuration may name is about files and text."""
    config, _ = _classes(kind)
    return {name for one in config.__mro__ if one.__name__ == config.__name__ for name in one.__annotations__}


def _check_bounded(config: Mapping[str, Any]) -> None:
    numbers = [one for value in config.values() for one in (value if isinstance(value, list) else [value])]
    sizes = [one for one in numbers if isinstance(one, int | float) and not isinstance(one, bool)]
    depths = config.get("depths", config.get("num_hidden_layers", 1))
    layers = depths if isinstance(depths, list) else [depths]
    is_deep = not all(isinstance(one, int) for one in layers) or sum(layers) > _DEEPEST
    if is_deep or len(numbers) > 1000 or any(not abs(one) <= _LARGEST_NUMBER for one in sizes):
        raise DataError(f"The backbone is larger than any that is known: {json.dumps(dict(config))[:200]}")


def _made(kind: str, settings: Mapping[str, Any], image_size: int) -> Backbone:
    config, model = _classes(kind)
    return Backbone(model(config(**settings), **_options(kind)), image_size)


def _options(kind: str) -> dict[str, Any]:
    # ViT's pooler is one more layer, which published weights often lack.
    return {"add_pooling_layer": False} if kind == "vit" else {}


def _loaded(kind: str, folder: Path, image_size: int, name: str) -> Backbone:
    path = folder / "config.json"
    if not path.is_file() or path.stat().st_size > _LONGEST_CONFIG:
        raise DataError(
            f"{folder} has no config.json of a model. Give a folder that transformers' save_pretrained wrote."
        )
    if not any((folder / weights).is_file() for weights in _WEIGHTS):
        raise DataError(
            f"{folder} has no {_WEIGHTS[0]}. Pickled weights (.bin, .pt) can run code and are not read: turn "
            "them into safetensors where you trust them."
        )
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}. Copy the folder again.") from error
    found = told.get("model_type") if isinstance(told, dict) else None
    if found != kind:
        raise DataError(
            f"{folder} holds a model of the type {str(found)[:40]!r}; expected {kind!r} for the backbone "
            f"{name!r}. Name the backbone that it is, or give another folder."
        )
    own_size = told.get("image_size", image_size)
    if kind in {"vit", "swin"} and own_size != image_size:
        raise DataError(
            f"The {kind} in {folder} is for images of {own_size} pixels, got image_size={image_size}. Its "
            "weights are tied to its size: use that."
        )
    _check_bounded(told)
    _, model = _classes(kind)
    from safetensors import SafetensorError  # noqa: PLC0415

    try:
        with errors_only(*_LOADERS):
            loaded = model.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, **_options(kind)
            )
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"The weights in {folder} cannot be read: {error}") from error
    return Backbone(loaded.float(), image_size)


def _classes(kind: str) -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of the packages that it imports.
            load_torchaudio()
            package = import_module(f"transformers.models.{kind}")
            config, model = (getattr(package, name) for name in _TYPES[kind])
    except ImportError as error:
        raise DataError(f"This needs transformers: pip install 'physioaffect[face]' ({error}).") from error
    return config, model
