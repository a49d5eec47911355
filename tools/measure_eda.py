"""Print the tables of docs/eda-equation.md: what the decomposition finds of what was simulated.

    python tools/measure_eda.py [coverage|events|constants|defaults|ledalab PATH|wristbands FOLDER]

Peers run if neurokit2 is installed; its method cvxeda needs cvxopt, which PYTHONPATH may lead to.
"""

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.pinn import (
    Convex,
    SimulatedEDA,
    Sudomotor,
    deconvolve,
    estimate_time_constants,
    find_bursts,
    simulate_eda,
    uncertainty,
)

Array = NDArray[np.float64]
GRID: list[dict[str, Any]] = [
    {},
    {"snr_db": 30},
    {"snr_db": 10},
    {"rate": 2},
    {"rate": 12},
    {"drift": 0.2},
    {"tau_rise": 0.5, "tau_decay": 4.0},
    {"tau_rise": 1.0, "tau_decay": 3.0},
]
# Weights, criterion and bootstrap were chosen on recordings of smaller or larger seeds (to 8, from 3000).
FIRST_SEED = 1000
N_RECORDS = 8
N_ESTIMATES, FEWEST_BURSTS = 20, 40
THRESHOLD = 0.05
PEERS = ("highpass", "smoothmedian", "cvxeda", "sparse")


def named(options: dict[str, Any]) -> str:
    """A row's name."""
    return ", ".join(f"{key} {value:g}" for key, value in options.items()) or "20 dB, 6 a minute, 0.7 and 2 s"


def make(options: dict[str, Any], seed: int, duration: float = 600.0) -> tuple[SimulatedEDA, Sudomotor]:
    """One recording, of ten minutes."""
    own = dict(options)
    skin = Sudomotor(tau_rise=own.pop("tau_rise", 0.7), tau_decay=own.pop("tau_decay", 2.0))
    return simulate_eda(duration, skin=skin, seed=seed, **own), skin


def n_matched(events: Array, found: Array, *, within: float = 0.5) -> int:
    """Pairs of an event and what was found, each used once, in order of time."""
    n = first = 0
    for time in events:
        while first < len(found) and found[first] < time - within:
            first += 1
        if first < len(found) and found[first] <= time + within:
            n, first = n + 1, first + 1
    return n


def coverage() -> None:
    """Share of samples and bursts inside their intervals of 95 %."""
    print(
        "| recording | tonic | phasic | driver | time | amplitude | bursts |\n|---|---|---|---|---|---|---|"
    )
    for options in GRID:
        rows = []
        n_bursts = 0
        for seed in range(FIRST_SEED, FIRST_SEED + N_ESTIMATES):
            made, skin = make(options, seed)
            settings = Convex(tau_rise=skin.tau_rise, tau_decay=skin.tau_decay)
            found = deconvolve(made.eda, sfreq=4.0, settings=settings)
            bursts = find_bursts(found, threshold=0.02)
            band = uncertainty(found, bursts, n_refits=50, seed=seed)
            row = [
                float(((low <= truth) & (truth <= high)).mean())
                for low, truth, high in (
                    (band.tonic_low, made.tonic, band.tonic_high),
                    (band.phasic_low, made.phasic, band.phasic_high),
                    (band.driver_low, made.driver, band.driver_high),
                )
            ]
            centres, heights, inside = made.event_times + 0.25, made.event_areas * skin.peak, []
            for burst in np.flatnonzero(band.stability >= 0.5):
                distance = np.abs(centres - bursts.times[burst])
                event = int(distance.argmin())
                if distance[event] > 1 or np.sort(np.abs(centres - centres[event]))[1] < 2:
                    continue
                inside.append(
                    [
                        band.time_low[burst] <= centres[event] <= band.time_high[burst],
                        band.amplitude_low[burst] <= heights[event] <= band.amplitude_high[burst],
                    ]
                )
            n_bursts += len(inside)
            rows.append([*row, *np.mean(inside, axis=0)])
        cells = " | ".join(f"{100 * share:.0f} %" for share in np.mean(rows, axis=0))
        print(f"| {named(options)} | {cells} | {n_bursts} |", flush=True)


def ours(made: SimulatedEDA, settings: Convex) -> tuple[Array, Array]:
    """Tonic part and peaks."""
    found = deconvolve(made.eda, sfreq=4.0, settings=settings)
    return found.tonic, find_bursts(found, threshold=THRESHOLD).peak_times


def own_constants(made: SimulatedEDA, _skin: Sudomotor) -> tuple[Array, Array]:
    """With the time constants that the recording shows, if there is no doubt about them."""
    own = estimate_time_constants(made.eda, sfreq=4.0)
    return ours(made, Convex() if own.doubts else own.settings)


def peer(method: str) -> Callable[[SimulatedEDA, Sudomotor], tuple[Array, Array]]:
    """One of neurokit2's methods with its own peaks, by the same absolute threshold."""
    import neurokit2  # noqa: PLC0415

    def run(made: SimulatedEDA, _skin: Sudomotor) -> tuple[Array, Array]:
        parts = neurokit2.eda_phasic(made.eda, sampling_rate=4, method=method)
        phasic = parts["EDA_Phasic"].to_numpy()
        found = neurokit2.signal_findpeaks(phasic, height_min=None)
        peaks = np.asarray(found["Peaks"])
        onsets = np.nan_to_num(np.asarray(found["Onsets"], dtype=float), nan=0).astype(int)
        return parts["EDA_Tonic"].to_numpy(), peaks[phasic[peaks] - phasic[onsets] >= THRESHOLD] / 4.0

    return run


def events() -> None:
    """Precision and recall of peaks within 0.5 s, and the error of the tonic part."""
    methods: dict[str, Callable[[SimulatedEDA, Sudomotor], tuple[Array, Array]]] = {
        "ours, usual constants": lambda made, _skin: ours(made, Convex()),
        "ours, own constants": own_constants,
    }
    methods |= {f"neurokit2 {method}": peer(method) for method in PEERS}
    print("| recording | method | precision | recall | tonic RMSE (uS) |\n|---|---|---|---|---|")
    for options in GRID:
        for name, method in methods.items():
            rows = []
            for seed in range(N_RECORDS):  # Among them those on which the weights were chosen.
                made, skin = make(options, seed)
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        tonic, peaks = method(made, skin)
                except Exception as error:  # A peer's, of any kind; the row says so.
                    print(f"| {named(options)} | {name} | {type(error).__name__} | | |")
                    break
                # Where a short burst's response peaks, and those that are as high as what is looked for.
                heights = made.event_areas * skin.peak
                truth = made.event_times + 0.25 + skin.peak_time
                large, n_true = truth[heights >= THRESHOLD], n_matched(truth, peaks)
                recall = n_matched(large, peaks) / len(large)
                rmse = np.sqrt(np.mean((tonic - made.tonic) ** 2))
                rows.append([n_true / max(len(peaks), 1), recall, rmse])
            if len(rows) == N_RECORDS:
                precision, recall, rmse = np.mean(rows, axis=0)
                print(
                    f"| {named(options)} | {name} | {precision:.2f} | {recall:.2f} | {rmse:.3f} |",
                    flush=True,
                )


def constants() -> None:
    """Errors of estimated time constants over 20 recordings with 40 bursts or more in 20 minutes at most."""
    print(
        "| recording | rise, median (quartiles) | decay, median (quartiles) | "
        "inside intervals, rise / decay | doubted |\n|---|---|---|---|---|"
    )
    for options in GRID:
        errors: list[list[float]] = []
        inside: list[list[bool]] = []
        n_doubted = 0
        seed = FIRST_SEED
        # Two bursts a minute are forty in twenty minutes, and the estimate takes no more than these.
        duration = 1200.0 if options.get("rate", 6) < 6 else 600.0
        while len(errors) < N_ESTIMATES:
            made, skin = make(options, seed, duration)
            seed += 1
            if len(made.event_times) < FEWEST_BURSTS:
                continue
            own = estimate_time_constants(made.eda, sfreq=4.0)
            errors.append([own.tau_rise / skin.tau_rise - 1, own.tau_decay / skin.tau_decay - 1])
            # The search goes in steps of 1.5 %.
            inside.append(
                [
                    low / 1.015 <= truth <= high * 1.015
                    for (low, high), truth in (
                        (own.rise_interval, skin.tau_rise),
                        (own.decay_interval, skin.tau_decay),
                    )
                ]
            )
            n_doubted += bool(own.doubts)
        low, middle, high = 100 * np.quantile(errors, [0.25, 0.5, 0.75], axis=0)
        cells = [f"{m:+.0f} % ({a:+.0f}, {b:+.0f})" for a, m, b in zip(low, middle, high, strict=True)]
        cells.append(" / ".join(f"{100 * share:.0f} %" for share in np.mean(inside, axis=0)))
        print(f"| {named(options)} | {' | '.join(cells)} | {n_doubted} of {N_ESTIMATES} |", flush=True)


def defaults() -> None:
    """What other weights would do to the mean over the grid."""
    print("| sparsity | smoothness | precision | recall | tonic RMSE (uS) |\n|---|---|---|---|---|")
    for sparsity in (0.01, 0.03, 0.1):
        for smoothness in (0.3, 1.0, 3.0, 10.0, 30.0):
            rows = []
            for options in GRID:
                for seed in range(N_RECORDS // 2):
                    made, skin = make(options, seed)
                    settings = Convex(
                        tau_rise=skin.tau_rise,
                        tau_decay=skin.tau_decay,
                        sparsity=sparsity,
                        smoothness=smoothness,
                    )
                    tonic, peaks = ours(made, settings)
                    heights = made.event_areas * skin.peak
                    truth = made.event_times + 0.25 + skin.peak_time
                    large = truth[heights >= THRESHOLD]
                    rows.append(
                        [
                            n_matched(truth, peaks) / max(len(peaks), 1),
                            n_matched(large, peaks) / len(large),
                            np.sqrt(np.mean((tonic - made.tonic) ** 2)),
                        ]
                    )
            precision, recall, error = np.mean(rows, axis=0)
            print(f"| {sparsity} | {smoothness} | {precision:.3f} | {recall:.3f} | {error:.4f} |", flush=True)


def ledalab(path: str) -> None:
    """Correlation with the phasic part that Ledalab found, usual and own constants, and its own."""
    from scipy.io import loadmat  # noqa: PLC0415

    content = loadmat(Path(path), squeeze_me=True, struct_as_record=False)
    eda = np.asarray(content["data"].conductance, dtype=float)
    theirs = np.asarray(content["analysis"].phasicData, dtype=float)
    own = estimate_time_constants(eda, sfreq=16.0)
    print("| constants | rise (s) | decay (s) | correlation |\n|---|---|---|---|")
    for name, settings in (
        ("usual", Convex()),
        ("own", own.settings),
        ("Ledalab's", replace(Convex(), tau_rise=1.0, tau_decay=8.0)),
    ):
        phasic = deconvolve(eda, sfreq=16.0, settings=settings).phasic
        print(
            f"| {name} | {settings.tau_rise:.2f} | {settings.tau_decay:.2f} | "
            f"{np.corrcoef(phasic, theirs)[0, 1]:.2f} |"
        )


def wristbands(path: str) -> None:
    """Time constants of each session of a folder of E4 exports, and why they are doubted."""
    from physioaffect.devices.any_file import read_device  # noqa: PLC0415
    from physioaffect.eda_analysis import analyse_eda  # noqa: PLC0415

    print("| session | rise (s) | decay (s) | doubts |\n|---|---|---|---|")
    for file in sorted(Path(path).glob("*.zip")):
        own = analyse_eda(read_device(file), own_constants=True, n_refits=0).constants
        if own is None:
            print(f"| {file.stem} | | | too few responses |", flush=True)
            continue
        cells = (
            f"{tau:.2f} ({low:.2f} to {high:.2f})"
            for tau, (low, high) in (
                (own.tau_rise, own.rise_interval),
                (own.tau_decay, own.decay_interval),
            )
        )
        print(f"| {file.stem} | {' | '.join(cells)} | {'; '.join(own.doubts)} |", flush=True)


if __name__ == "__main__":
    tables = {one.__name__: one for one in (coverage, events, constants, defaults)}
    chosen = sys.argv[1:] or [*tables]
    if chosen[0] in ("ledalab", "wristbands"):
        {"ledalab": ledalab, "wristbands": wristbands}[chosen[0]](chosen[1])
    else:
        for name in chosen:
            tables[name]()
            print()
