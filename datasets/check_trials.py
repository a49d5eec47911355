"""The check of a data set of trials: a running account of what came by."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from physioaffect.data_set import DataSet, Exclusion, Target, Task
from physioaffect.recording import Signal, Trial

from .check_signals import SignalTally, difference, rows_of_signal
from .check_sizes import implausible, typical_size
from .check_tally import CheckRow, Range, Sentences, listed

__all__ = ["TrialTally"]

# Of these a constant second was not measured on a body; temperature and acceleration may stand still.
_NEVER_STILL = ("ecg", "eeg", "emg", "eog", "ppg")
_MOSTLY = 0.5


class TrialTally:
    """Takes trial by trial and keeps counts, never the trials."""

    def __init__(self, dataset: DataSet, subjects: Sequence[str]) -> None:
        self._dataset, self._subjects = dataset, subjects
        self._broken, self._told = Sentences(), Sentences()
        self._signals: dict[str, SignalTally] = {}
        self._lacking: set[str] = set()
        self._ratings: dict[str, Range] = {}
        self._n_unrated: Counter[str] = Counter()
        self._labels: dict[str, Counter[str]] = {name: Counter() for name in dataset.tasks}
        self._scores: dict[str, Range] = {name: Range() for name in dataset.tasks}
        self._n_trials: dict[str, int] = {}
        self._seen: dict[bytes, tuple[str, str, str]] = {}
        self._n_simulated = self._n_short = 0
        self._start_subject()

    def _start_subject(self) -> None:
        self._identifiers: set[tuple[str, str]] = set()
        self._left_out: list[Exclusion] = []
        self._is_broken_off = False
        self._n_still: Counter[tuple[str, str]] = Counter()
        self._n_held: Counter[str] = Counter()
        self._n_bad: Counter[str] = Counter()
        self._n_all: Counter[str] = Counter()
        self._sizes: dict[tuple[str, str, str], list[float]] = {}

    @property
    def n_read(self) -> int:
        """Trials that came by."""
        return sum(self._n_trials.values())

    @property
    def _is_crowded(self) -> bool:
        """Whether there are more people than there can be; a simulation may have any number."""
        return len(self._subjects) > self._dataset.n_subjects and not self._n_simulated

    def report(self, exclusion: Exclusion) -> None:
        """Take what the reader left out."""
        self._left_out.append(exclusion)
        sentence = _about(exclusion.subject, exclusion.reason, exclusion.trial)
        if exclusion.expected:
            self._told.add("left out, as expected", sentence)
        else:
            self._broken.add("left out", sentence)

    def break_off(self, subject: str, reason: str) -> None:
        """Take note that a subject cannot be used."""
        self._is_broken_off = True
        self._broken.add("subject cannot be read", _about(subject, reason))

    def add(self, trial: Trial) -> None:
        """Take one trial."""
        where = f"Subject {trial.subject}, trial {trial.trial}"
        self._n_trials[trial.subject] = self._n_trials.get(trial.subject, 0) + 1
        self._n_simulated += "simulated" in trial.tags
        self._n_short += trial.duration < self._dataset.window
        if (identifier := (trial.session, trial.trial)) in self._identifiers:
            self._broken.add("trial twice", f"{where} comes twice in session {trial.session}.")
        self._identifiers.add(identifier)
        if lacking := [name for name in self._dataset.sfreqs if not _is_sampled(trial, name)]:
            self._lacking.update(lacking)
            self._broken.add("signal missing", f"{where} lacks {', '.join(lacking)}.")
        for name, signal in trial.signals.items():
            if isinstance(signal, Signal):
                self._add_signal(name, signal, where)
        self._compare(trial, where)
        self._add_ratings(trial, where)
        for task in self._dataset.tasks.values():
            self._add_label(task, task.target(trial), where)

    def _add_signal(self, name: str, signal: Signal, where: str) -> None:
        own = self._signals.setdefault(name, SignalTally())
        own.rates = own.rates.with_(signal.sfreq, signal.sfreq)
        own.n_channels = own.n_channels.with_(signal.n_channels, signal.n_channels)
        own.duration = own.duration.with_(signal.duration, signal.duration)
        own.units.add(signal.unit)
        if said := difference(self._dataset, name, signal):
            own.is_as_expected = False
            self._broken.add(f"{name} differs", f"{where}: {name} {said}.")
        if signal.n_times == 0:
            self._broken.add(f"{name} empty", f"{where}: {name} holds no sample.")
            return
        # fmin and fmax pass over NaN.
        lowest, highest = np.fmin.reduce(signal.data, axis=1), np.fmax.reduce(signal.data, axis=1)
        is_nan, is_bad = np.isnan(signal.data), signal.flags != 0
        own.n_values += signal.data.size
        own.n_nan += int(is_nan.sum())
        own.n_samples += signal.n_times
        own.n_flagged += int(is_bad.sum())
        self._n_held[name] += 1
        self._n_bad[name] += int((is_bad | is_nan.all(axis=0)).sum())
        self._n_all[name] += signal.n_times
        if (size := typical_size(signal)) is not None:
            self._sizes.setdefault((name, signal.kind, signal.unit), []).append(size)
        is_lost = np.isnan(lowest)
        is_still = (lowest == highest) & (signal.n_times > signal.sfreq)
        if is_lost.any():
            lost = listed(np.array(signal.ch_names)[is_lost])
            self._broken.add(f"{name} without numbers", f"{where}: {name} is all NaN in {lost}.")
        if signal.kind in _NEVER_STILL and is_still.any():
            still = listed(np.array(signal.ch_names)[is_still])
            self._broken.add(f"{name} flat", f"{where}: {name} is constant in {still}.")
            own.n_flat += int(is_still.sum())
        elif signal.kind not in _NEVER_STILL:
            self._n_still.update((name, channel) for channel in np.array(signal.ch_names)[is_still])

    def _compare(self, trial: Trial, where: str) -> None:
        """Find recordings that are copies of others, by the signal with most samples."""
        sampled = [s for s in trial.signals.values() if isinstance(s, Signal) and s.n_times]
        if not sampled:
            return
        largest = max(sampled, key=lambda signal: signal.data.size)
        if np.fmin.reduce(largest.data, axis=None) == np.fmax.reduce(largest.data, axis=None):
            return
        digest = hashlib.blake2b(np.ascontiguousarray(largest.data).data, digest_size=16).digest()
        own = (trial.subject, trial.session, trial.trial)
        first = self._seen.setdefault(digest, own)
        if first != own:
            subject, session, number = first
            self._broken.add(
                "same recording twice",
                f"{where} holds the same {largest.kind} as subject {subject}, session {session}, trial "
                f"{number}: one is a copy.",
            )

    def _add_ratings(self, trial: Trial, where: str) -> None:
        for name, value in trial.ratings.items():
            if math.isnan(value):
                self._n_unrated[name] += 1
                continue
            self._ratings[name] = self._ratings.get(name, Range()).with_(value, value)
            lowest, highest = self._dataset.ratings.get(name, (-np.inf, np.inf))
            if not lowest <= value <= highest:
                sentence = f"{where}: rating of {name} is {value:g}, expected {lowest:g} to {highest:g}."
                self._broken.add(f"rating of {name} outside its scale", sentence)

    def _add_label(self, task: Task, label: Target, where: str) -> None:
        if isinstance(label, Mapping):  # Weights of the classes: the heaviest counts.
            weights = dict(label)
            label = max(weights, key=weights.__getitem__, default=None)
        if label is None:
            self._labels[task.name]["none"] += 1
        elif task.kind == "regression":
            self._scores[task.name] = self._scores[task.name].with_(float(label), float(label))
        else:
            self._labels[task.name][str(label)] += 1
            if label not in task.classes:
                classes = ", ".join(task.classes)
                sentence = f"{where}: label {label!r} of task {task.name}, expected one of {classes}."
                self._broken.add(f"label of {task.name}", sentence)

    def close(self, subject: str) -> None:
        """Take note that a subject is over."""
        n_trials, expected = self._n_trials.get(subject, 0), self._dataset.n_trials
        n_left_out = sum(bool(item.trial) for item in self._left_out)
        is_accounted_for = self._is_broken_off or any(not item.trial for item in self._left_out)
        if n_trials == 0 and not is_accounted_for and not n_left_out:
            self._broken.add("no trials", f"Subject {subject} has no trial.")
        elif expected is not None and n_trials + n_left_out != expected and not is_accounted_for:
            sentence = f"Subject {subject} has {n_trials} trials, the complete data set {expected}."
            # Whoever simulates may ask for fewer clips.
            is_fewer_by_wish = self._n_simulated > 0 and n_trials < expected
            (self._told if is_fewer_by_wish else self._broken).add("number of trials", sentence)
        for (name, channel), n_still in self._n_still.items():
            if n_still == self._n_held[name]:
                self._signals[name].n_flat += n_still
                sentence = f"Subject {subject}: {name} is constant in {channel} through every trial."
                self._broken.add(f"{name} flat", sentence)
        for name, n_bad in self._n_bad.items():
            if n_bad > _MOSTLY * self._n_all[name]:
                share = n_bad / self._n_all[name]
                sentence = f"Subject {subject}: {share:.0%} of {name} is missing or flagged."
                self._broken.add(f"{name} mostly unusable", sentence)
        for (name, kind, unit), sizes in self._sizes.items():
            if said := implausible(kind, unit, float(np.median(sizes))):
                sentence = f"Subject {subject}: {name} {said}. Is it in another unit or scale?"
                self._broken.add(f"{name} of impossible size", sentence)
        self._start_subject()

    def rows(self) -> Iterator[CheckRow]:
        """Make the table."""
        dataset, n_usable = self._dataset, len(self._n_trials)
        yield CheckRow(
            what="subjects",
            expected=str(dataset.n_subjects),
            found=f"{len(self._subjects)}" + (f", {n_usable} usable" * (n_usable < len(self._subjects))),
            is_good="subject cannot be read" not in self._broken and not self._is_crowded,
        )
        per_person = Range()
        for n_trials in self._n_trials.values():
            per_person = per_person.with_(n_trials, n_trials)
        is_good = None if dataset.n_trials is None else "number of trials" not in self._broken
        expected = "" if dataset.n_trials is None else str(dataset.n_trials)
        yield CheckRow(what="trials a person", expected=expected, found=str(per_person), is_good=is_good)
        for name in (*dataset.sfreqs, *(name for name in self._signals if name not in dataset.sfreqs)):
            is_lacking = name in self._lacking
            own = self._signals.get(name)
            yield from rows_of_signal(self._dataset, name, own, self._broken, is_lacking=is_lacking)
        for name in (*dataset.ratings, *(name for name in self._ratings if name not in dataset.ratings)):
            lowest, highest = dataset.ratings.get(name, (None, None))
            yield CheckRow(
                what=f"rating {name}",
                expected="" if lowest is None else f"{lowest:g} to {highest:g}",
                found=str(self._ratings.get(name, Range())),
                is_good=None if lowest is None else f"rating of {name} outside its scale" not in self._broken,
            )
        for task in dataset.tasks.values():
            yield self._row_of_task(task)

    def _row_of_task(self, task: Task) -> CheckRow:
        counts = self._labels[task.name]
        if task.kind == "regression":
            return CheckRow(what=f"task {task.name}", found=str(self._scores[task.name]))
        others = [label for label in counts if label not in task.classes]
        return CheckRow(
            what=f"task {task.name}",
            expected=", ".join(task.classes),
            found=", ".join(f"{label} {counts[label]}" for label in (*task.classes, *others)),
            is_good=f"label of {task.name}" not in self._broken,
        )

    def deviations(self) -> list[str]:
        """Say what deviates."""
        said = self._broken.all()
        if self._is_crowded:
            n_found = len(self._subjects)
            said.append(
                f"There are {n_found} subjects, the complete data set has {self._dataset.n_subjects}."
            )
        return said

    def notes(self) -> list[str]:
        """Say what is worth knowing."""
        said = ["These are simulated data, no recordings of people."] if self._n_simulated else []
        if 0 < self._n_simulated < self.n_read:
            said.append(f"{self._n_simulated} of {self.n_read} trials are simulated.")
        if (n_found := len(self._subjects)) < self._dataset.n_subjects:
            there = listed(self._subjects)
            said.append(f"{n_found} of {self._dataset.n_subjects} subjects are here: {there}.")
        said += self._told.all()
        if self._n_short:
            said.append(
                f"{self._n_short} trials are shorter than a window of {self._dataset.window:g} s, which is "
                "the usual one here."
            )
        for task in self._dataset.tasks.values():
            absent = [label for label in task.classes if not self._labels[task.name][label]]
            if absent:
                said.append(f"Task {task.name}: no trial is {listed(absent)}.")
        if self._n_unrated:
            counts = listed(f"{name} {n}" for name, n in self._n_unrated.items())
            said.append(f"Ratings that are no number, in so many trials: {counts}.")
        extra = [name for name in self._signals if name not in self._dataset.sfreqs]
        return [*said, *([f"There is {', '.join(extra)}, too."] if extra else [])]


def _about(subject: str, reason: str, trial: str = "") -> str:
    """Say whom a sentence is about, unless it does so itself."""
    name = re.escape(subject)
    # A bare number may mean anything.
    is_told = re.search(rf"\b[Ss]ubject {name}\b" if subject.isdigit() else rf"\b{name}(\b|_)", reason)
    if is_told and trial in reason:
        return reason
    return f"Subject {subject}" + (f", trial {trial}" if trial else "") + f": {reason}"


def _is_sampled(trial: Trial, name: str) -> bool:
    return isinstance(trial.signals.get(name), Signal)
