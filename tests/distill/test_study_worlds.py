"""Where prototypes know how faces lie in the plane they help, and where they do not the verdict says so.

People are many and labels few: of 320 drawn faces 40 have a class, all have valence and arousal, by which
they find their cell. What a cell is like is told by the prototypes alone (``own similarity``), so that random
ones carry no geometry.
"""

from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from support.planted_faces import SIDE, planted_faces, planted_prototypes

from physioaffect.distill.student import StudentSettings
from physioaffect.distill.study import ARMS, Study, run_study
from physioaffect.training import torch_threads

SETTINGS = StudentSettings(
    backbone="resnet_tiny",
    image_size=SIDE,
    epochs=12,
    batch_size=32,
    learning_rate=3e-3,
    kd=0,
    proto=1.0,
    geometry=0,
    tau=0.3,
    is_weighted=False,
)


def world(out: Path, *, knows_the_plane: bool, arms: tuple[str, ...]) -> Study:
    with torch_threads(1):
        return run_study(
            planted_faces(0, 320, n_labelled=40),
            planted_faces(10_000, 80),
            {"new people": partial(planted_faces, 20_000, 400)},
            SETTINGS,
            prototypes=planted_prototypes(knows_the_plane=knows_the_plane),
            out=out,
            arms=[ARMS[name] for name in arms],
            targeting="own similarity",
            device="cpu",
        )


@pytest.mark.slow
def test_prototypes_that_know_the_plane_help(tmp_path: Path) -> None:
    study = world(tmp_path, knows_the_plane=True, arms=("B3", "random", "no_eeg"))
    verdict = study.compare("B3", "random", "new people")
    assert verdict.answer == "helps", verdict.sentence()
    assert study.compare("B3", "no_eeg", "new people").answer == "helps"


@pytest.mark.slow
def test_prototypes_that_know_nothing_do_not(tmp_path: Path) -> None:
    study = world(tmp_path, knows_the_plane=False, arms=("B3", "random"))
    verdict = study.compare("B3", "random", "new people")
    assert verdict.answer in ("does not", "undecided"), verdict.sentence()
