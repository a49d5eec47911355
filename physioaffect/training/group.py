"""Networks that are trained in step with each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from physioaffect.errors import ProtocolError
from physioaffect.progress import Progress
from physioaffect.training.checkpoint import Checkpoint, run_key
from physioaffect.training.course import Course, Epoch, State, Trained
from physioaffect.training.layers import MaxNorm
from physioaffect.training.optimiser import StackedAdam
from physioaffect.training.settings import Batch, Training
from physioaffect.training.source import Source
from physioaffect.training.stack import Stack
from physioaffect.training.threads import no_denormals

__all__ = ["Group", "predict"]

# Windows a network sees at once when it predicts.
_CHUNK = 1024


@dataclass(kw_only=True)
class Group:
    """Some networks, their windows, and the way they are trained."""

    networks: Sequence[nn.Module]
    courses: Sequence[Course]
    source: Source
    targets: Tensor
    training: Training
    device: torch.device
    checkpoint: Checkpoint | None
    tell: Progress
    about: Any = None
    _finished: dict[int, Trained] = field(default_factory=dict)
    _step: int = 0

    def run(self) -> list[Trained]:
        """Train all to their ends, which early stopping may set apart."""
        with no_denormals():
            return self._run()

    def _run(self) -> list[Trained]:
        courses, stack, adam = self._restored()
        while courses:
            n_steps = min(course.n_steps - course.position for course in courses)
            sums = self._advance(stack, adam, courses, n_steps)
            ended = []
            for number, course in enumerate(courses):
                course.position += n_steps
                course.loss_sum += sums[number]
                if course.position == course.n_steps:
                    ended.append(number)
            self._end_epochs(stack, courses, ended)
            going = [number for number, course in enumerate(courses) if not course.is_over]
            for place in sorted(set(range(len(courses))) - set(going)):
                self._finish(stack, courses[place], place)
            if going and len(going) < len(courses):
                stack, adam = self._without_finished(stack, adam, going)
            courses = [courses[number] for number in going]
            if self.checkpoint is not None and (self.checkpoint.is_due or not courses):
                self._save(stack, adam, courses)
        return [self._finished[course.number] for course in self.courses]

    def _adam(self, stack: Stack) -> StackedAdam:
        frozen = self.training.frozen
        for name, weight in stack.parameters.items():
            weight.requires_grad_(not name.startswith(frozen))
        return StackedAdam({n: w for n, w in stack.parameters.items() if w.requires_grad}, self.training)

    def _advance(
        self, stack: Stack, adam: StackedAdam, courses: Sequence[Course], n_steps: int
    ) -> list[float]:
        """Take steps that lie within the epoch of every network; returns the sum of the losses of each."""
        drawn = [course.draws(self.device) for course in courses]
        rows, shifts, others, partners, weights = (
            torch.stack(
                [
                    part[course.position : course.position + n_steps]
                    for part, course in zip(parts, courses, strict=True)
                ],
                dim=1,
            )
            if parts[0].numel()
            else None
            for parts in zip(*drawn, strict=True)
        )
        assert rows is not None
        rates = [course.rate for course in courses]
        seeds = [course.replica.seed for course in courses]
        total = torch.zeros(len(courses), device=self.device)
        ends = torch.tensor([course.n_steps * self.training.epochs for course in courses], device=self.device)
        progress = torch.arange(self._step, self._step + n_steps, device=self.device)[:, None] / ends
        # Entering autocast costs a tenth of a small step.
        is_half = self.training.precision == "bfloat16"
        precision = torch.autocast(self.device.type, torch.bfloat16) if is_half else nullcontext()
        for k in range(n_steps):
            x = self.source.gather(rows[k], shifts[k] if shifts is not None else None)
            y = self._targets_of(rows[k], courses)
            if partners is not None and weights is not None:
                x, y = _mixed(x, partners[k], weights[k]), _mixed(y, partners[k], weights[k])
            batch = Batch(
                x,
                y,
                self.source.gather(others[k]) if others is not None else None,
                progress[k],
            )
            with precision:
                losses = stack.losses(self.training, batch, seeds=seeds, step=self._step)
            losses.sum().backward()  # type: ignore[no-untyped-call]
            adam.step(rates)
            _constrain(stack)
            total += losses.detach()
            self._step += 1
        return [float(value) for value in total.cpu()]

    def _end_epochs(self, stack: Stack, courses: Sequence[Course], ended: Sequence[int]) -> None:
        if not ended:
            return
        validated = dict.fromkeys(ended, math.nan)
        if self.training.patience is not None:
            validated = self._validate(stack, courses, ended)
        for number in ended:
            course = courses[number]
            is_best = validated[number] < course.best
            course.end_epoch(validated[number], stack.state(number) if is_best else None)
            losses = course.history[-1][: 1 if self.training.patience is None else 2]
            if not all(map(math.isfinite, losses)):
                raise ProtocolError(
                    f"The training of fold {course.replica.name} diverged: its loss was "
                    f"{' and, on the validation windows, '.join(map(str, losses))} in epoch {course.epoch}. "
                    "Lower learning_rate."
                )
            self.tell(course.replica.name, course.epoch, self.training.epochs)

    def _validate(self, stack: Stack, courses: Sequence[Course], ended: Sequence[int]) -> dict[int, float]:
        rows = []
        for course in courses:
            own = course.replica.validation
            if own is None or len(own) == 0:
                raise ProtocolError(
                    f"Fold {course.replica.name} has no validation windows, which early stopping needs. Pass "
                    "validation=(X, y, groups) to fit, or patience=None."
                )
            rows.append(torch.from_numpy(own).to(self.device))
        outputs = predict(stack, self.source, rows)
        losses = {}
        for number in ended:
            targets = self._targets_of(rows[number][None], [courses[number]])[0]
            losses[number] = float(self.training.loss(outputs[number], targets))
        return losses

    def _targets_of(self, rows: Tensor, courses: Sequence[Course]) -> Tensor:
        """Targets of each network, (n_networks, n) -> (n_networks, n, ...), in the unit it learns them in."""
        targets = self.targets[rows]
        if all(course.replica.spread == 1 and course.replica.center == 0 for course in courses):
            return targets
        units = [[course.replica.center, course.replica.spread] for course in courses]
        center, spread = torch.tensor(units, device=self.device).unbind(dim=1)
        return (targets - center[:, None]) / spread[:, None]

    def _finish(self, stack: Stack, course: Course, place: int) -> None:
        state = course.best_state if course.best_state is not None else stack.state(place)
        on_processor = {name: value.cpu() for name, value in state.items()}
        self._finished[course.number] = Trained(on_processor, tuple(course.history))

    def _without_finished(
        self, stack: Stack, adam: StackedAdam, going: Sequence[int]
    ) -> tuple[Stack, StackedAdam]:
        networks = [self.networks[0]] * len(going)
        smaller = Stack(networks, self.device)
        for place, number in enumerate(going):
            smaller.load(place, stack.state(number))
        kept = self._adam(smaller)
        index = torch.tensor(going, device=self.device)
        remembered = {}
        for name, value in adam.state().items():
            own = value if value.ndim == 0 else value.index_select(0, index)
            remembered[name] = own[0] if smaller.is_single and value.ndim else own
        kept.load(remembered)
        return smaller, kept

    def _save(self, stack: Stack, adam: StackedAdam, courses: Sequence[Course]) -> None:
        assert self.checkpoint is not None
        tensors: State = {}
        if courses:
            tensors |= {f"stack/{name}": value for name, value in (stack.parameters | stack.buffers).items()}
            tensors |= {f"adam/{name}": value for name, value in adam.state().items()}
        for course in courses:
            if course.best_state is not None:
                tensors |= {f"best/{course.number}/{k}": v for k, v in course.best_state.items()}
        for number, trained in self._finished.items():
            tensors |= {f"done/{number}/{k}": v for k, v in trained.state.items()}
        told = {
            "key": self._key,
            "step": self._step,
            "courses": [course.to_json() for course in courses],
            "finished": {
                number: [list(epoch) for epoch in trained.history]
                for number, trained in self._finished.items()
            },
        }
        self.checkpoint.save(tensors, told)

    def _restored(self) -> tuple[list[Course], Stack, StackedAdam]:
        kept = self.checkpoint.load(self._key) if self.checkpoint is not None else None
        stack = Stack(self.networks, self.device)
        adam = self._adam(stack)
        if kept is None:
            return list(self.courses), stack, adam
        tensors, told = kept
        self._step = told["step"]
        # JSON has turned the numbers of finished networks into text.
        for number, history in told["finished"].items():
            epochs = tuple(Epoch(*epoch) for epoch in history)
            self._finished[int(number)] = Trained(_under(tensors, f"done/{number}/"), epochs)
        by_number = {course.number: course for course in self.courses}
        courses = []
        for about in told["courses"]:
            course = by_number[about["number"]]
            best = {k: v.to(self.device) for k, v in _under(tensors, f"best/{course.number}/").items()}
            course.load(about, best or None)
            courses.append(course)
        if not courses:
            return [], stack, adam
        stack = Stack([self.networks[0]] * len(courses), self.device)
        stacked = _under(tensors, "stack/")
        for number in range(len(courses)):
            own = stacked if stack.is_single else {name: value[number] for name, value in stacked.items()}
            stack.load(number, own)
        adam = self._adam(stack)
        adam.load({name: value.to(self.device) for name, value in _under(tensors, "adam/").items()})
        return courses, stack, adam

    @cached_property
    def _key(self) -> str:
        return run_key(self.training, self.courses, self.networks, self.targets, self.device, self.about)


def predict(stack: Stack, source: Source, rows: Sequence[Tensor]) -> list[Tensor]:
    """Outputs of each network of a stack for its own rows: one tensor (n_rows, n_outputs) each.

    Parameters
    ----------
    stack : Stack
        Networks of one shape.
    source : Source
        The windows, on the stack's device.
    rows : sequence of Tensor of int
        For each network the rows of its windows.

    Examples
    --------
    >>> networks = [torch.nn.Linear(3, 2) for _ in range(2)]
    >>> source = Source([np.random.default_rng(0).normal(size=(10, 3))], torch.device("cpu"))
    >>> rows = [torch.arange(10), torch.arange(4)]
    >>> with torch.no_grad():
    ...     outputs = predict(Stack(networks, torch.device("cpu")), source, rows)
    >>> [tuple(one.shape) for one in outputs]
    [(10, 2), (4, 2)]
    >>> bool(torch.allclose(outputs[1], networks[1](source.gather(rows[1])), atol=1e-6))
    True
    """
    longest = max(len(own) for own in rows)
    padded = torch.stack([torch.nn.functional.pad(own, (0, longest - len(own))) for own in rows])
    parts = [
        stack.outputs(source.gather(padded[:, first : first + _CHUNK])) for first in range(0, longest, _CHUNK)
    ]
    return [outputs[: len(own)] for outputs, own in zip(torch.cat(parts, dim=1), rows, strict=True)]


def _mixed(values: Tensor, partners: Tensor, weights: Tensor) -> Tensor:
    """(n_networks, n_batch, ...), (n_networks, n_batch), (n_networks, 1) -> as the first."""
    index = partners.reshape(*partners.shape, *[1] * (values.ndim - 2)).expand_as(values)
    share = weights.to(values).reshape(-1, *[1] * (values.ndim - 1))
    return torch.lerp(values.gather(1, index), values, share)


def _constrain(stack: Stack) -> None:
    bounds: dict[str, MaxNorm] = getattr(stack.network, "max_norms", {})
    with torch.no_grad():
        for name, bound in bounds.items():
            stack.parameters[name].copy_(bound(stack.parameters[name]))


def _under(tensors: State, prefix: str) -> State:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
