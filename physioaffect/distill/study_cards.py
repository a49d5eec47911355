"""Model cards of a whole study: one beside each student."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from physioaffect.distill.model_card import ModelCard, in_percent, write_model_card
from physioaffect.distill.scores import MEASURES, FaceScores, face_scores
from physioaffect.distill.study import EEG, VALIDATION, Study
from physioaffect.distill.study_files import logits_of

__all__ = ["cards_of"]


def cards_of(
    study: Study,
    *,
    facts: Mapping[str, str],
    data: tuple[str, ...],
    protocol: tuple[str, ...],
    is_simulated: bool,
) -> list[Path]:
    """Write a card beside every student of a study: ``students/ARM-SEED.card.html``.

    Parameters
    ----------
    study : Study
        Finished.
    facts : mapping of str to str
        What all students are, such as network and input.
    data, protocol : tuple of str
        As in `ModelCard`.
    is_simulated : bool
        Whether any of the data are made up.

    Returns
    -------
    paths : list of Path
    """
    warnings = []
    if is_simulated:
        warnings.append(
            "Trained or tested on simulated data: it knows drawn faces, and nothing about people."
        )
    if study.is_quick:
        warnings.append("From a quick run: whether it runs, no estimate of anything.")
    names = {arm.name for arm in study.arms}
    verdict: tuple[str, ...] = ("This study has no arm with EEG prototypes beside one with random ones.",)
    if {EEG, "random"} <= names and len(study.sets) > 1:
        verdict = (study.compare(EEG, "random", study.sets[1]).sentence(),)
    paths = []
    for arm in study.arms:
        intervals = {
            (name, is_present): study.intervals(arm.name, name, present_only=is_present)
            for name in study.sets
            for is_present in (False, True)
        }
        for seed in study.seeds:
            numbers = {}
            for (name, is_present), found in intervals.items():
                own = _own_scores(study, arm.name, seed, name)
                prefix = "present_" if is_present else ""
                title = f"{name}, {'present-only' if is_present else f'{len(study.classes)}-way'}"
                numbers[title] = tuple(
                    f"{in_percent(found[measure])} ({100 * getattr(own, prefix + measure):.1f})"
                    for measure in MEASURES
                )
            path = study.folder.student(arm.name, seed)
            card = ModelCard(
                title=f"student {arm.name}, seed {seed}",
                facts={"trained with": arm.title, **facts},
                data=data,
                protocol=(
                    f"The best epoch was chosen by macro-F1 on {VALIDATION}, whose numbers are too good for "
                    "that reason; tests were opened once, after all trainings.",
                    *protocol,
                ),
                measures=tuple(MEASURES.values()),
                numbers=numbers,
                verdict=verdict,
                counted=f"mean over {len(study.seeds)} seeds with a 95 % interval over identities and "
                "seeds: of the way it was trained. In brackets this very model.",
                warnings=tuple(warnings),
            )
            paths.append(write_model_card(card, path.with_suffix(".card.html")))
    return paths


def _own_scores(study: Study, arm: str, seed: int, name: str) -> FaceScores:
    frame = study.predictions[arm, seed]
    frame = frame[frame["set"] == name]
    return face_scores(logits_of(frame), frame["label"].to_numpy(), study.classes)
