"""Students: they learn, they repeat to the bit, arms begin alike, and a killed training goes on."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.faces import patches

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from physioaffect.distill.augmentation import Augmentation  # noqa: E402
from physioaffect.distill.kd import image_teacher_settings, teacher_logits  # noqa: E402
from physioaffect.distill.prototypes import Prototypes  # noqa: E402
from physioaffect.distill.student import Student, StudentSettings, train_student  # noqa: E402
from physioaffect.errors import DataError, ProtocolError, RunError  # noqa: E402
from physioaffect.training import checkpoint as checkpoints  # noqa: E402
from physioaffect.training import torch_threads  # noqa: E402

PLAIN = StudentSettings(
    backbone="resnet_tiny",
    image_size=16,
    epochs=2,
    batch_size=32,
    learning_rate=2e-3,
    kd=0.0,
    proto=0.0,
    geometry=0.0,
    augmentation=Augmentation(shift=0, flip=0.0),
)
FULL = replace(PLAIN, kd=0.3, proto=0.12, geometry=0.012, ramp=(0, 1))
TRAIN, VALIDATION = patches(160, seed=1), patches(80, seed=2)


@pytest.fixture(autouse=True)
def _one_thread():
    with torch_threads(1):
        yield


def prototypes(k=3, n_dims=12, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(k * k, n_dims)).astype(np.float32)
    return Prototypes(
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        k=k,
        counts=np.ones(k * k, dtype=np.int64),
        confidence=np.ones(k * k, dtype=np.float32),
        filled_from=np.arange(k * k),
    )


def logits(n=160, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)


def trained(settings=PLAIN, train=TRAIN, validation=VALIDATION, **more) -> Student:
    return train_student(train, validation, settings, device="cpu", **more)


def full(settings=FULL, **more) -> Student:
    return trained(settings, prototypes=prototypes(), teacher_logits=logits(), **more)


def state(student):
    return student.network.state_dict()


def assert_same(one, other):
    assert state(one).keys() == state(other).keys()
    for name, value in state(one).items():
        assert torch.equal(value, state(other)[name]), name
    assert one.history == other.history or np.isnan(one.history[0].validation_loss)
    assert one.digest == other.digest


def test_it_learns_what_can_be_seen_and_keeps_the_best_epoch():
    student = trained(replace(PLAIN, epochs=6))
    found = [epoch.validation_macro_f1 for epoch in student.history]
    assert max(found) > 0.9  # Chance is 0.125.
    assert student.best_epoch == int(np.argmax(found))
    test = patches(80, seed=3)
    assert (student.predict(test.images) == np.array(test.classes)[test.labels]).mean() > 0.9
    assert_allclose(student.predict_proba(test.images).sum(axis=1), 1, rtol=1e-5)
    assert student.history[-1].loss < student.history[0].loss


def test_validation_is_scored_as_scikit_learn_does():
    from sklearn.metrics import f1_score

    student = trained(replace(PLAIN, epochs=1))
    said = student.logits(VALIDATION.images).argmax(axis=1)
    expected = f1_score(VALIDATION.labels, said, labels=range(8), average="macro", zero_division=0)
    assert student.history[0].validation_macro_f1 == pytest.approx(expected, abs=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    one, again, other = (full(replace(FULL, epochs=1), seed=seed) for seed in (3, 3, 4))
    assert_same(one, again)
    assert one.digest != other.digest


def test_what_torch_would_have_drawn_next_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(replace(PLAIN, epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_arms_of_a_seed_begin_with_the_same_weights_and_see_the_same_batches(monkeypatch):
    """Learning nothing, both end where they began; and what they saw is noted on the way."""
    student_training = import_module("physioaffect.distill.student_training")

    seen: dict[str, list[Any]] = {"plain": [], "full": []}
    name = "plain"

    def noting(*given):
        changed = original(*given)
        seen[name].append(changed)
        return changed

    original = student_training.augment
    monkeypatch.setattr(student_training, "augment", noting)
    still: dict[str, Any] = {"learning_rate": 1e-30, "augmentation": Augmentation()}
    plain = trained(replace(PLAIN, **still), seed=7)
    name = "full"
    whole = full(replace(FULL, **still), seed=7)
    shared = {key for key, value in state(plain).items() if value.is_floating_point()}
    assert set(state(whole)) - set(state(plain)) == {"projection.weight", "projection.bias"}
    for key in shared:
        assert_allclose(state(plain)[key], state(whole)[key], atol=1e-20, err_msg=key)
    assert len(seen["plain"]) == len(seen["full"]) == 2 * 5
    assert all(torch.equal(*pair) for pair in zip(seen["plain"], seen["full"], strict=True))
    assert not torch.equal(seen["plain"][0], seen["plain"][5])


def test_each_loss_is_switched_by_its_weight():
    names = ("distillation_loss", "prototype_loss", "geometry_loss")
    for name, weight in zip(names, ("kd", "proto", "geometry"), strict=True):
        off = replace(PLAIN, ramp=(0, 1), epochs=2)
        change: dict[str, Any] = {weight: 0.5}
        student = full(replace(off, **change))
        last = student.history[-1]
        assert [getattr(last, other) > 0 for other in names] == [other == name for other in names]
        assert last.loss == pytest.approx(last.class_loss + 0.5 * getattr(last, name), rel=1e-4)
    assert full().history[0].geometry_weight == 0
    assert full().history[1].geometry_weight == pytest.approx(0.012)


def test_distillation_and_prototypes_reach_what_they_are_for():
    """With one loss alone at a weight that counts: its own target is followed."""
    strong = replace(PLAIN, epochs=5, smoothing=0.0)
    wrong = np.roll(5 * TRAIN.targets, 1, axis=1)  # A teacher that always says the class after the right one.
    # Validation would choose the epoch that follows it least.
    follower = trained(replace(strong, kd=50.0, temperature=1.0), validation=None, teacher_logits=wrong)
    said = follower.logits(VALIDATION.images).argmax(axis=1)
    assert (said == (VALIDATION.labels + 1) % 8).mean() > 0.7
    known = prototypes()
    student = trained(replace(strong, proto=5.0), prototypes=known)
    near = student.embed(VALIDATION.images, space="prototypes") @ known.vectors.T
    from physioaffect.distill.anchors import cell_targets

    wanted = cell_targets(TRAIN.classes, known.centres)[VALIDATION.labels]
    assert_allclose(np.linalg.norm(student.embed(VALIDATION.images), axis=1), 1, rtol=1e-5)
    agreement = [np.corrcoef(one, other)[0, 1] for one, other in zip(near, wanted, strict=True)]
    assert np.mean(agreement) > 0.5
    assert student.prototypes == known.digest


def test_targets_of_classes_are_those_of_faces_by_their_soft_labels():
    rng = np.random.default_rng(0)
    classes = rng.dirichlet(np.ones(9), size=8)
    train = patches(160, seed=1, soft=0.3)
    settings = replace(PLAIN, proto=0.5, epochs=1)
    one, other = (
        trained(settings, train, prototypes=prototypes(), cell_targets=targets)
        for targets in (classes, train.targets @ classes)
    )
    assert_same(one, other)


def test_biases_and_scales_do_not_decay():
    """With no gradient to speak of, decay alone moves weights: by the sum of the rates times the decay."""
    settings = replace(PLAIN, weight_decay=0.5, learning_rate=1e-3, clip=1e-30, epochs=1)
    moved = state(trained(settings, seed=2))
    # Adam divides by the size of a gradient, but not where its own 1e-8 is larger.
    still = state(trained(replace(settings, weight_decay=0.0), seed=2))
    factor = (1 - 1e-3 * 0.5) ** 5
    for name, value in still.items():
        if "running" in name or not value.is_floating_point():
            continue
        expected = value * factor if value.ndim > 1 and name not in {"center", "scale"} else value
        assert_allclose(moved[name], expected, rtol=1e-4, atol=1e-9, err_msg=name)


def test_colours_and_soft_labels():
    train = patches(96, colours=True, soft=0.3)
    student = trained(replace(PLAIN, epochs=1), train, None)
    assert student.predict_proba(train.images[:3]).shape == (3, 8)
    assert student.n_channels == 3
    assert (student.best_epoch, np.isnan(student.history[0].validation_macro_f1)) == (0, True)
    means = train.images.mean(axis=(0, 1, 2))
    assert_allclose(student.network.center.ravel(), means, rtol=1e-5)
    assert_allclose(student.network.scale.ravel(), train.images.std(axis=(0, 1, 2)), rtol=1e-5)
    with pytest.raises(DataError, match=r"uint8 of shape \(n, 16, 16, 3\), got uint8 of shape \(2, 16, 16\)"):
        student.logits(train.images[:2, :, :, 0])


def test_bfloat16_learns_the_same_to_its_precision():
    # One step, whose loss is that of the same weights: a few steps later rounding has taken other ways.
    one_step = replace(PLAIN, epochs=1, batch_size=96)
    exact, rough = (trained(replace(one_step, precision=name)) for name in ("float32", "bfloat16"))
    assert rough.history[0].loss == pytest.approx(exact.history[0].loss, rel=0.02)
    assert rough.digest != exact.digest
    assert all(value.dtype != torch.bfloat16 for value in state(rough).values())


def leave_behind_nan() -> None:
    """Fill memory of many sizes with NaN and give it back: what reads it unwritten is found out."""
    kept = [torch.full((2**k // 4 + 16 * n,), float("nan")) for k in range(6, 24) for n in range(8)]
    del kept


def test_bfloat16_gives_the_same_weights_whatever_memory_held_before():
    # oneDNN's backward pass gave others each time on a processor with bfloat16 units, now and then NaN.
    settings = replace(PLAIN, epochs=1, batch_size=96, precision="bfloat16")
    digests = set()
    for _ in range(4):
        leave_behind_nan()
        digests.add(trained(settings).digest)
    assert len(digests) == 1


def test_the_teacher_is_a_student_without_regularisers():
    settings = image_teacher_settings(replace(FULL, pretrained="folder"), backbone="resnet18")
    assert (settings.kd, settings.proto, settings.geometry) == (0, 0, 0)
    assert (settings.backbone, settings.pretrained) == ("resnet18", None)
    teacher = trained(replace(PLAIN, epochs=1))
    assert_array_equal(teacher_logits(teacher, TRAIN), teacher.logits(TRAIN.images))
    with pytest.raises(DataError, match="The teacher knows the classes neutral"):
        teacher_logits(teacher, patches(16, classes=("a", "b")))


# Interruptions

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import torch
torch.set_num_threads(1)
from physioaffect.training import checkpoint
checkpoint.EVERY = 0.0
import importlib.util
spec = importlib.util.spec_from_file_location("cases", sys.argv[3])
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
def told(done, total):
    print(done, flush=True)
cases.full(cases.replace(cases.FULL, epochs=25), checkpoint=Path(sys.argv[1]), progress=told)
"""


@pytest.mark.slow
def test_a_training_that_was_killed_ends_with_the_same_bits(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    helpers = Path(__file__).parents[1] / "helpers"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), str(helpers), __file__], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    done = 0
    while done < 3:
        done = int(process.stdout.readline())
    time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert path.exists()
    settings = replace(FULL, epochs=25)
    steps: list[int] = []
    resumed = full(settings, checkpoint=path, progress=lambda n, _: steps.append(n))
    assert 3 <= steps[0] <= 24
    assert_same(full(settings), resumed)


def test_a_training_that_broke_off_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    path = tmp_path / "state.safetensors"
    settings = replace(FULL, epochs=3)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        full(settings, checkpoint=path, progress=stop)
    steps = []
    resumed = full(settings, checkpoint=path, progress=lambda done, total: steps.append(done))
    assert steps == [3]
    assert_same(full(settings), resumed)
    again = full(settings, checkpoint=path, progress=lambda *_: pytest.fail("It was over."))
    assert_same(again, resumed)
    with pytest.raises(RunError, match=r"is the checkpoint of another training"):
        full(settings, checkpoint=path, seed=1)


# What cannot be


def test_a_class_without_faces_is_an_early_error():
    keep = TRAIN.labels != 3
    with pytest.raises(DataError, match="No training face is of the class sadness: a student could not"):
        trained(train=TRAIN.take(keep))


@pytest.mark.parametrize(
    ("settings", "more", "sentence"),
    [
        (FULL, {"teacher_logits": logits()}, "settings.proto is 0.12, but there are no prototypes. Pass"),
        (FULL, {"prototypes": prototypes()}, "settings.kd is 0.3, but there are no teacher_logits"),
        (
            FULL,
            {"prototypes": prototypes(), "teacher_logits": logits(150)},
            r"teacher_logits must be \(n_train, n_classes\) = \(160, 8\), got \(150, 8\)",
        ),
        (
            FULL,
            {"prototypes": prototypes(), "teacher_logits": np.full((160, 8), np.nan)},
            "values that are no numbers",
        ),
        (
            FULL,
            {"prototypes": prototypes(), "teacher_logits": logits(), "cell_targets": np.ones((8, 25)) / 25},
            r"\(8, 9\) or \(n_train, n_cells\) = \(160, 9\) for prototypes of k=3, got \(8, 25\): they are",
        ),
        (
            FULL,
            {"prototypes": prototypes(), "teacher_logits": logits(), "cell_targets": np.ones((8, 9))},
            "Each row of cell_targets must be probabilities",
        ),
        (
            replace(PLAIN, image_size=24),
            {},
            r"Images of train are 16 x 16 pixels, settings say image_size=24",
        ),
        (
            replace(PLAIN, geometry=0.1, positive=("joy",)),
            {},
            "settings.positive names the class 'joy', but the classes are neutral",
        ),
    ],
)
def test_what_does_not_fit_is_an_early_error(settings, more, sentence):
    with pytest.raises(ValueError, match=sentence):
        trained(settings, **more)


def test_other_classes_in_validation():
    with pytest.raises(DataError, match="must have the same classes and colours"):
        trained(validation=patches(20, classes=("a", "b")))


def test_training_that_diverges_says_so():
    with pytest.raises(ProtocolError, match=r"diverged in epoch \d, by step \d+: loss.* Lower learning_rate"):
        trained(replace(PLAIN, learning_rate=1e30, clip=1e30, epochs=5))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"backbone": "resnet19"}, "no backbone 'resnet19'"),
        ({"epochs": 0}, "epochs must be a whole number from 1"),
        ({"tau": 0.0}, "tau must be above 0"),
        ({"kd": -0.1}, "kd must be 0 or more"),
        ({"gate": 1.0}, "gate is a share"),
        ({"precision": "float16"}, "precision must be one of auto, float32, bfloat16"),
        ({"ramp": (60, 20)}, "The ramp needs 0 <= start <= end"),
    ],
)
def test_settings_that_are_none(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        StudentSettings(**change)


def test_the_published_values_are_the_defaults():
    settings = StudentSettings()
    assert (settings.smoothing, settings.kd, settings.temperature) == (0.055, 0.30, 5.0)
    assert (settings.proto, settings.tau, settings.geometry, settings.ramp) == (0.12, 0.90, 0.012, (20, 60))
    assert (settings.learning_rate, settings.weight_decay, settings.clip) == (2e-4, 0.05, 1.0)
    assert (settings.batch_size, settings.epochs, settings.backbone) == (128, 100, "resnet18")
    assert (settings.positive, settings.gate) == (("happiness", "surprise"), 0.2)
    assert StudentSettings.from_json(settings.to_json()) == settings
