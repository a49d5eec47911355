"""Students: what the regularisers cost beside a plain loop, FER+ from CSV, and onnxruntime."""

import os
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from support.faces import patches

from physioaffect.datasets import FERPLUS, FERPLUS_EMOTIONS
from physioaffect.distill.augmentation import Augmentation, augment
from physioaffect.distill.backbones import backbone
from physioaffect.distill.exporting import export_student, time_export
from physioaffect.distill.faces_table import face_table
from physioaffect.distill.prototypes import Prototypes
from physioaffect.distill.student import StudentSettings, train_student
from physioaffect.training import torch_threads

N_ROUNDS = 5

N_THREADS = int(os.environ.get("BENCH_THREADS", "1"))


@pytest.fixture(autouse=True)
def _threads():
    with torch_threads(N_THREADS):
        yield


def prototypes(k=5, n_dims=256):
    vectors = np.random.default_rng(0).normal(size=(k * k, n_dims)).astype(np.float32)
    return Prototypes(
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        k=k,
        counts=np.ones(k * k, dtype=np.int64),
        confidence=np.ones(k * k, dtype=np.float32),
        filled_from=np.arange(k * k),
    )


def plain_loop(table, settings, device):
    """What anyone would write: cross-entropy, AdamW, a clipped gradient, and the same changes of images."""
    body = backbone(settings.backbone, image_size=settings.image_size)
    network = nn.Sequential(body, nn.Linear(body.n_features, len(table.classes)))
    network.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    adam = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    images = torch.from_numpy(table.images[:, None]).to(device)
    targets = torch.from_numpy(table.targets).to(device)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32

    def epoch():
        rng = np.random.default_rng(0)
        order = torch.from_numpy(rng.permutation(len(table))).to(device)
        for rows in order.split(settings.batch_size):
            changed = augment(images[rows], Augmentation(), rng)
            with torch.autocast(device, dtype, enabled=device == "cuda"):
                logits = network((changed - 128) / 64)
            loss = nn.functional.cross_entropy(logits.float(), targets[rows], label_smoothing=0.055)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
            adam.step()
            adam.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    return epoch


def best(taken):
    return min(taken), statistics.median(taken)


def timed(work):
    began, used = time.perf_counter(), os.times()
    work()
    after = os.times()
    return time.perf_counter() - began, after.user + after.system - used.user - used.system


@pytest.mark.parametrize("name", ["resnet_tiny", "resnet18"])
def bench_all_losses_beside_a_plain_loop(benchmark, name):
    """Ratio of throughputs, one epoch of each in turn; every loss is on, D-Geo at its full weight."""
    device: Any = os.environ.get("BENCH_DEVICE", "cpu")
    scale = 8 if device == "cuda" else 1
    table = patches((2560 if name == "resnet_tiny" else 384) * scale, size=48)
    settings = StudentSettings(backbone=name, epochs=N_ROUNDS + 1, ramp=(0, 0))
    logits = np.random.default_rng(0).normal(size=table.targets.shape).astype(np.float32)
    plain = plain_loop(table, settings, device)
    own, peer = [], []
    plain()
    began = [time.perf_counter(), sum(os.times()[:2])]

    def turn(done, total):
        if device == "cuda":
            torch.cuda.synchronize()
        own.append((time.perf_counter() - began[0], sum(os.times()[:2]) - began[1]))
        peer.append(timed(plain))
        began[:] = [time.perf_counter(), sum(os.times()[:2])]

    def run():
        train_student(
            table,
            None,
            settings,
            prototypes=prototypes(),
            teacher_logits=logits,
            device=device,
            progress=turn,
        )

    benchmark.pedantic(run, rounds=1)
    # The first epoch of each warms up; user time is what a busy machine does not spoil.
    wall = statistics.median(b[0] / a[0] for a, b in zip(own[1:], peer[1:], strict=True))
    used = statistics.median(b[1] / a[1] for a, b in zip(own[1:], peer[1:], strict=True))
    benchmark.extra_info["throughput_of_plain_loop"] = {"wall": round(wall, 3), "cpu_time": round(used, 3)}
    benchmark.extra_info["images_per_second"] = round(len(table) / min(a for a, _ in own[1:]))


@pytest.fixture(scope="module")
def whole_csv(tmp_path_factory):
    """Rows as many and as long as those of FER+; no face, but random pixels."""
    root = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    texts = np.array([str(value) for value in range(256)], dtype=object)
    usages = ["Training"] * 28_709 + ["PublicTest"] * 3_589 + ["PrivateTest"] * 3_589
    chances = np.full(10, 0.3 / 9)
    some = rng.integers(0, 256, (500, 48 * 48))
    with (root / "fer2013.csv").open("w") as pictures, (root / "fer2013new.csv").open("w") as votes:
        pictures.write("emotion,pixels,Usage\n")
        votes.write(f"Usage,Image name,{','.join((*FERPLUS_EMOTIONS, 'unknown', 'NF'))}\n")
        for row, usage in enumerate(usages):
            pictures.write(f"0,{' '.join(texts[(some[row % 500] + row) % 256])},{usage}\n")
            chances[:] = 0.3 / 9
            chances[row % 8] = 0.7
            counts = ",".join(map(str, rng.multinomial(10, chances)))
            votes.write(f"{usage},fer{row:07d}.png,{counts}\n")
    return root


def bench_ferplus_from_csv(benchmark, whole_csv):
    benchmark.pedantic(lambda: face_table(FERPLUS, whole_csv), rounds=3, warmup_rounds=1)
    _, used = timed(lambda: face_table(FERPLUS, whole_csv))
    benchmark.extra_info["cpu_seconds"] = round(used, 2)


@pytest.mark.parametrize("name", ["resnet_tiny", "resnet18"])
def bench_onnxruntime(benchmark, name, tmp_path):
    table = patches(64, size=48)
    settings = StudentSettings(backbone=name, epochs=1, kd=0.0, proto=0.0, geometry=0.0)
    student = train_student(table, None, replace(settings, batch_size=32), device="cpu")
    path = export_student(student, tmp_path / "student.onnx").path
    one, many = (time_export(path, n_images=n) for n in (1, 64))
    torch_one, torch_many = (
        statistics.median(timed(lambda n=n: student.logits(table.images[:n]))[0] for _ in range(20))
        for n in (1, 64)
    )
    benchmark.extra_info["ms_per_call"] = {
        "onnxruntime, 1 image": round(1e3 * one.seconds, 3),
        "torch, 1 image": round(1e3 * torch_one, 3),
        "onnxruntime, 64 images": round(1e3 * many.seconds, 2),
        "torch, 64 images": round(1e3 * torch_many, 2),
    }
    benchmark.pedantic(lambda: time_export(path, n_rounds=5), rounds=1)
