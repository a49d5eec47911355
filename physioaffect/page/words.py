"""Numbers as a reader wants them."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["counted", "listed", "number", "percent", "sentence"]


def number(value: float | None, digits: int = 2) -> str:
    """Round; an en dash where there is nothing.

    Examples
    --------
    >>> number(0.666), number(float("nan")), number(-0.001)
    ('0.67', '–', '0.00')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def percent(value: float) -> str:
    """Say a share: 0 and 100 only if nothing or all of it.

    Examples
    --------
    >>> percent(0.25), percent(0.001), percent(0.999), percent(1.0)
    ('25 %', '< 1 %', '> 99 %', '100 %')
    """
    if math.isnan(value):
        return "–"
    if 0 < value < 0.01:
        return "< 1 %"
    if 0.99 < value < 1:
        return "> 99 %"
    return f"{100 * value:.0f} %"


def counted(n: int, what: str, plural: str | None = None) -> str:
    """Count something.

    Examples
    --------
    >>> counted(1, "person", "people"), counted(2, "fold")
    ('1 person', '2 folds')
    """
    return f"{n:,} {what if n == 1 else plural or what + 's'}".replace(",", "\u202f")


def listed(items: Sequence[str], last: str = "and") -> str:
    """Join in a sentence.

    Examples
    --------
    >>> listed(["lda", "svm", "knn"])
    'lda, svm and knn'
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop.

    Examples
    --------
    >>> sentence("half of it is missing")
    'Half of it is missing.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")
