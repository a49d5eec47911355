"""A page beside each student: what it was made of, how well it does, what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from physioaffect.distill.verdict import ScoreInterval
from physioaffect.evaluation.running.durable import write_whole

__all__ = ["LIMITS", "ModelCard", "in_percent", "write_model_card"]

LIMITS = (
    "People are not their faces. It says what annotators called a picture, not what anybody felt: people who "
    "feel the same move their faces differently, and the same face is made for many reasons (Barrett et al. "
    "2019, doi:10.1177/1529100619832930).",
    "It is no diagnosis, and measures no depression, pain, stress, attention or truthfulness.",
    "It must not be used to decide about people: not in hiring, schools, courts, policing, border control, "
    "insurance or care, and not to watch people who did not agree. The EU's AI Act forbids inferring "
    "emotions at work and in schools (Regulation 2024/1689, article 5).",
    "It was not tested by age, sex, skin colour or culture, for which its data sets have no labels; models "
    "of such data are known to do worse on some people than on others. The numbers below hold for these "
    "sets, in the mean.",
    "Its probabilities are not calibrated, and it gives an emotion to any picture, a wall included.",
)
"""Said in every card."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a card shows; every text is escaped.

    Parameters
    ----------
    title : str
        Which model.
    facts : mapping of str to str
        What it is: network, input, output, digest.
    data, protocol : tuple of str
        What it was made of and how, in sentences.
    measures : tuple of str
        Heads of the table.
    numbers : mapping of str to tuple of str
        By set a text for each measure.
    verdict : tuple of str
        Whether the brain part helps, in sentences.
    counted : str
        What the numbers and their intervals are over.
    warnings : tuple of str
        Shown first: simulated data, a quick run.
    limits : tuple of str
        What it must not be used for.
    """

    title: str
    facts: Mapping[str, str]
    data: tuple[str, ...]
    protocol: tuple[str, ...]
    measures: tuple[str, ...]
    numbers: Mapping[str, tuple[str, ...]]
    verdict: tuple[str, ...]
    counted: str
    warnings: tuple[str, ...] = ()
    limits: tuple[str, ...] = LIMITS


def write_model_card(card: ModelCard, path: Path) -> Path:
    """Write a card as a page that needs nothing but itself.

    Parameters
    ----------
    card : ModelCard
        What is shown.
    path : Path
        The file, in a folder that exists.

    Returns
    -------
    path : Path

    Examples
    --------
    >>> import tempfile
    >>> card = ModelCard(
    ...     title="Tiny student",
    ...     facts={"Input": "16 x 16 pixels, grey"},
    ...     data=("Simulated faces.",),
    ...     protocol=("Trained on one half, tested on the other.",),
    ...     measures=("Balanced accuracy",),
    ...     numbers={"Test": ("0.31 [0.22, 0.40]",)},
    ...     verdict=("Nothing was compared.",),
    ...     counted="people",
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_model_card(card, Path(folder, "card.html")).read_text()
    >>> "Tiny student" in page, "0.31 [0.22, 0.40]" in page
    (True, True)
    """
    environment = Environment(
        loader=PackageLoader("physioaffect.distill", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("model_card.html").render(card=card)
    write_whole(path, page.encode())
    return path


def in_percent(interval: ScoreInterval) -> str:
    """A mean with its interval, in per cent: ``81.0 [78.2, 83.9]``."""
    return f"{100 * interval.mean:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
