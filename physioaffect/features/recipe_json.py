"""Recipes read back from their JSON: only what is known by name, only its settings, and nothing else."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from physioaffect.errors import DataError
from physioaffect.features.aperiodic import Aperiodic
from physioaffect.features.asymmetry import ASM, DASM, DCAU, RASM
from physioaffect.features.complexity import Hjorth, LineLength
from physioaffect.features.connectivity import Connectivity
from physioaffect.features.coupling import EDAHeartCoupling
from physioaffect.features.covariance import Covariance
from physioaffect.features.differential_entropy import DifferentialEntropy
from physioaffect.features.eda import EDA
from physioaffect.features.emg import EMG
from physioaffect.features.fractal import FractalDimension
from physioaffect.features.frontal_alpha import FrontalAlphaAsymmetry
from physioaffect.features.heart import HeartRate
from physioaffect.features.hrv import HRV
from physioaffect.features.motion import Motion
from physioaffect.features.recipe import Recipe, parts_of
from physioaffect.features.respiration import Respiration
from physioaffect.features.respiration_heart import RespirationHeartCoupling
from physioaffect.features.rotation import Rotation
from physioaffect.features.smoothing import LDS, MovingAverage
from physioaffect.features.spectral import BandPower, SpectralEntropy
from physioaffect.features.temperature import Temperature
from physioaffect.features.topomap import TopographicMap
from physioaffect.signals.beats import BeatsFromECG, BeatsFromPPG, BeatsOfHeart
from physioaffect.signals.eda import ResampleEDA
from physioaffect.signals.eeg import EEGCleaning
from physioaffect.signals.quality import MarkQuality
from physioaffect.windows import Windowing

__all__ = ["recipe_from_json"]


def _by_name(*classes: Any) -> dict[str, Any]:
    return {one.name: one for one in classes}


PARTS: Mapping[str, Mapping[str, Any]] = {
    "cleaning": _by_name(BeatsFromECG, BeatsFromPPG, BeatsOfHeart, EEGCleaning, MarkQuality, ResampleEDA),
    "features": _by_name(
        ASM,
        DASM,
        DCAU,
        EDA,
        EMG,
        HRV,
        RASM,
        Aperiodic,
        BandPower,
        Connectivity,
        Covariance,
        DifferentialEntropy,
        EDAHeartCoupling,
        FractalDimension,
        FrontalAlphaAsymmetry,
        HeartRate,
        Hjorth,
        LineLength,
        Motion,
        Respiration,
        RespirationHeartCoupling,
        Rotation,
        SpectralEntropy,
        Temperature,
        TopographicMap,
    ),
    "smoothing": _by_name(LDS, MovingAverage),
}

# A recipe with every part takes 5,000 characters.
_LONGEST = 1_000_000


def recipe_from_json(text: str) -> Recipe:
    """See `Recipe.from_json`."""
    if len(text) > _LONGEST:
        raise DataError(f"A recipe of {len(text):,} characters is none: expected {_LONGEST:,} at most.")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:  # Too many digits are no JSONDecodeError.
        raise DataError(f"The recipe is no JSON: {error}. Give what Recipe.to_json wrote.") from error
    expected = {field.name for field in fields(Recipe)}
    if not isinstance(told, dict) or set(told) != expected:
        found = ", ".join(sorted(map(str, told))) if isinstance(told, dict) else type(told).__name__
        raise DataError(
            f"A recipe has {', '.join(sorted(expected))}, got {found[:200]}. Give what Recipe.to_json wrote."
        )
    try:
        return Recipe(
            windows=_decoded(told["windows"], Windowing, "windows"),
            baseline=_decoded(told["baseline"], get_type_hints(Recipe)["baseline"], "baseline"),
            **{kind: tuple(_part(one, kind) for one in _list(told[kind], kind)) for kind in PARTS},
        )
    except DataError:
        raise
    except (ValueError, TypeError, OverflowError) as error:  # Settings check themselves.
        raise DataError(f"The recipe cannot be: {error}") from error


def _part(told: Any, kind: str) -> Any:
    """Make one step, family or smoothing."""
    if not isinstance(told, dict) or set(told) - {"parts"} != {"name", "version", "settings"}:
        raise DataError(
            f"Each part under {kind} of a recipe has name, version and settings, got {str(told)[:200]}."
        )
    name, known = told["name"], PARTS[kind]
    if not isinstance(name, str) or name not in known:
        raise DataError(
            f"The recipe has {name!r:.80} under {kind}; this version of physioaffect knows "
            f"{', '.join(sorted(known))}. Parts of one's own cannot be read back: make the recipe in Python."
        )
    kind_of = known[name]
    _check_version(f"{name},", told["version"], kind_of.version)
    made = _decoded(told["settings"], kind_of, name)
    ours, theirs = parts_of(made), told.get("parts", {})
    if not isinstance(theirs, dict) or set(theirs) - set(ours):
        raise DataError(f"The parts of {name} in the recipe cannot be {theirs!r:.200}.")
    for part, version in ours.items():
        _check_version(f"{part}, of which {name} is made,", theirs.get(part), version)
    return made


def _check_version(name: str, theirs: Any, ours: int) -> None:
    if theirs != ours:
        written = "no version" if theirs is None else f"version {theirs!r:.20}"
        raise DataError(
            f"The recipe was written with {written} of {name} this is version {ours}, which gives other "
            "numbers. Use the physioaffect that wrote it, or make it anew."
        )


def _decoded(told: Any, hint: Any, where: str) -> Any:
    """Make what a type hint says of what JSON holds; numbers stay as they are written."""
    if is_dataclass(hint):
        return _settings(told, hint, where)
    if get_origin(hint) in (Union, types.UnionType):
        return _one_of(told, get_args(hint), where)
    if get_origin(hint) is tuple:
        items, args = _list(told, where), get_args(hint)
        if args[-1] is Ellipsis:
            args = (args[0],) * len(items)
        if len(items) != len(args):
            raise DataError(f"{where} takes {len(args)} values, got {str(told)[:200]}.")
        return tuple(_decoded(item, arg, where) for item, arg in zip(items, args, strict=True))
    if _is_of(told, hint):
        return told
    raise DataError(f"{where} of the recipe cannot be {told!r:.200}.")


def _settings(told: Any, made: Any, where: str) -> Any:
    hints = get_type_hints(made)
    own = {field.name: hints[field.name] for field in fields(made)}
    if not isinstance(told, dict) or not set(told) <= set(own):
        strange = sorted(set(told) - set(own)) if isinstance(told, dict) else [type(told).__name__]
        raise DataError(
            f"{where} of the recipe has {str(strange[0])[:80]!r}, which this version of physioaffect does "
            f"not know; it knows {', '.join(own) or 'no settings'}."
        )
    return made(**{name: _decoded(value, own[name], f"{where}.{name}") for name, value in told.items()})


def _one_of(told: Any, hints: tuple[Any, ...], where: str) -> Any:
    """Take the first alternative that fits."""
    refused = DataError(f"{where} of the recipe cannot be {told!r:.200}.")
    for hint in hints:
        try:
            return _decoded(told, hint, where)
        except DataError as error:
            # Settings that are meant for this alternative tell best what is wrong with them.
            refused = error if isinstance(told, dict) and is_dataclass(hint) else refused
    raise refused


def _is_of(told: Any, hint: Any) -> bool:
    """Whether a single value is of a type; of one that JSON does not know, such as a function, none is."""
    if get_origin(hint) is Literal:
        return isinstance(told, str) and told in get_args(hint)
    kinds: dict[Any, tuple[type, ...]] = {
        type(None): (type(None),),
        bool: (bool,),
        str: (str,),
        int: (int,),
        float: (int, float),
    }
    return type(told) in kinds.get(hint, ())


def _list(told: Any, where: str) -> list[Any]:
    if not isinstance(told, list):
        raise DataError(f"{where} of the recipe is a list, got {str(told)[:200]}.")
    return told
