"""What a recipe does, in words that a reader without Python understands."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

from physioaffect.features.recipe import Recipe
from physioaffect.page import percent

__all__ = ["Part", "parts_of"]


class Part(NamedTuple):
    """One thing that was done: what, which, and with which settings."""

    what: str
    name: str
    about: str
    settings: str


def parts_of(recipe: Recipe) -> list[Part]:
    """List windows, cleaning steps, families and what came after them, in order."""
    cut = recipe.windows
    step = cut.duration if cut.step is None else cut.step
    words = f"{cut.duration:g} s, a new one every {step:g} s"
    if cut.last is not None:
        words += f", of the last {cut.last:g} s of a session"
    words += (
        f"; a family of features is missing where less than {percent(cut.min_coverage)} of a window is usable"
    )
    parts = [_part("cleaning", one) for one in recipe.cleaning]
    parts.append(Part("windows", "", words, ""))
    parts += [_part("features", one) for one in recipe.features]
    if recipe.baseline:
        parts.append(Part("baseline", recipe.baseline, "relative to the rest before each trial", ""))
    return parts + [_part("smoothing", one) for one in recipe.smoothing]


def _part(what: str, one: Any) -> Part:
    about = (type(one).__doc__ or "").strip().partition("\n")[0].replace("``", "")
    return Part(what, f"{one.name}, version {one.version}", about, _listed(asdict(one)))


def _listed(settings: dict[str, Any]) -> str:
    return "; ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in settings.items())


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return f"({_listed(value)})"
    if isinstance(value, tuple | list):
        return ", ".join(map(_shown, value)) or "none"
    return "none" if value is None else str(value)
