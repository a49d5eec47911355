"""Write docs/pictures/*.png: plots of real recordings, as docs/eeg-features.md shows them.

    python tools/make_pictures.py FOLDER

Prints the table of that page, too. make_network_pictures.py makes those of networks, make_plot_pictures.py
those of docs/plots.md. FOLDER holds

* ``eegmmidb_S001/``: S001R01.edf (eyes open) and S001R02.edf (eyes closed) of PhysioNet's EEG Motor
  Movement/Imagery v1.0.0 (Schalk et al. 2004, doi 10.1109/TBME.2004.827072, ODC-By 1.0),
* ``eegmat/``: the first 16 people of PhysioNet's EEG During Mental Arithmetic Tasks v1.0.0 (Zyma et al.
  2019, doi 10.3390/data4010014, ODC-By 1.0),
* ``eegeyestate/``: UCI's EEG Eye State (Roesler 2013, CC BY 4.0).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import mne
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from physioaffect.datasets import EEGMAT
from physioaffect.features import (
    ASM,
    DASM,
    DCAU,
    RASM,
    SEED_BANDS,
    Aperiodic,
    BandPower,
    Bands,
    Connectivity,
    Covariance,
    DifferentialEntropy,
    FractalDimension,
    FrontalAlphaAsymmetry,
    Hjorth,
    LineLength,
    Recipe,
    SpectralEntropy,
    TopographicMap,
    concatenate,
    features_of_trial,
)
from physioaffect.montage import canonical_name
from physioaffect.plots import plot_asymmetry, plot_bands, plot_connectivity, plot_course, plot_covariance
from physioaffect.recording import Signal, Trial
from physioaffect.signals.eeg import clean_eeg
from physioaffect.windows import Windowing

OUT = Path(__file__).resolve().parent.parent / "docs" / "pictures"
DPI = 110

_BANDS = SEED_BANDS.within((1, 45))
_ENTROPY = DifferentialEntropy(bands=_BANDS)
_ALL = Recipe(
    windows=Windowing(duration=4, step=2),
    features=(
        _ENTROPY,
        BandPower(bands=_BANDS, scale="log"),
        DASM(entropy=_ENTROPY),
        RASM(entropy=_ENTROPY),
        ASM(entropy=_ENTROPY),
        DCAU(entropy=_ENTROPY),
        TopographicMap(entropy=_ENTROPY),
        FrontalAlphaAsymmetry(),
        SpectralEntropy(edges=(1, 45)),
        Hjorth(),
        LineLength(),
        FractalDimension(),
        Connectivity(bands=_BANDS, method="wpli"),
        Covariance(),
    ),
)
_SLOW = Recipe(windows=Windowing(duration=10), features=(Aperiodic(edges=(1, 45)),))
_ALPHA = Recipe(
    windows=Windowing(duration=2, step=1),
    features=(BandPower(bands=Bands.of(alpha=(8, 13)), scale="absolute"),),
)


def eyes(folder: Path) -> dict[str, Signal]:
    """One minute with open eyes, one with closed eyes."""
    runs = {"open": "S001R01.edf", "closed": "S001R02.edf"}
    raws = {eyes: mne.io.read_raw_edf(folder / name, verbose="error") for eyes, name in runs.items()}
    return {eyes: Signal.from_mne(raw.rename_channels(canonical_name)) for eyes, raw in raws.items()}


def trial_of(signal: Signal, condition: str, order: int = 0) -> Trial:
    """Call a signal a trial."""
    return Trial(
        dataset="real",
        subject="S001",
        trial=condition,
        stimulus=condition,
        condition=condition,
        order=order,
        signals={"eeg": signal},
    )


def eye_state(path: Path) -> dict[str, list[Signal]]:
    """Stretches of open and of closed eyes, in counts of the device; without the four samples of spikes."""
    lines = path.read_text(encoding="ascii").splitlines()
    names = [line.split()[1] for line in lines if line.upper().startswith("@ATTRIBUTE")][:-1]
    rows = np.loadtxt([line for line in lines if line[:1].isdigit()], delimiter=",")
    counts, is_closed = rows[:, :-1].T, rows[:, -1]
    is_spike = np.any(np.abs(counts - np.median(counts, axis=1, keepdims=True)) > 500, axis=0)
    counts[:, is_spike] = np.nan
    found: dict[str, list[Signal]] = {"open": [], "closed": []}
    edges = np.flatnonzero(np.diff(is_closed)) + 1
    for part, state in zip(np.split(counts, edges, axis=1), np.split(is_closed, edges), strict=True):
        signal = Signal(data=part, sfreq=128.0, ch_names=tuple(names), kind="eeg", unit="au")
        found["closed" if state[0] else "open"].append(signal)
    return found


def log_alpha(signals: Iterable[Signal]) -> xr.DataArray:
    """Natural logarithm of the mean alpha power, by channel."""
    tables = [features_of_trial(trial_of(signal, str(index)), _ALPHA) for index, signal in enumerate(signals)]
    power = concatenate([table for table in tables if table.sizes["window"]])["band_power"]
    mean = power.mean("window").isel(band=0, drop=True)
    # A new array: an attribute would go on calling it a power.
    return xr.DataArray(np.log(mean.values), dims="channel", coords={"channel": mean.channel.values})


def changes(folder: Path) -> dict[str, xr.DataArray]:
    """Change of ln(alpha power) between two conditions of three recordings, by channel."""
    here = eyes(folder / "eegmmidb_S001")
    state = eye_state(folder / "eegeyestate" / "EEG Eye State.arff")
    people: dict[str, list[xr.DataArray]] = {}
    for trial in EEGMAT.read(folder / "eegmat"):
        people.setdefault(trial.subject, []).append(log_alpha([trial.signal("eeg")]))
    arithmetic = [task - rest for rest, task in people.values()]
    return {
        "eyes closed - open, eegmmidb S001": log_alpha([here["closed"]]) - log_alpha([here["open"]]),
        f"task - rest, eegmat, {len(people)} people": xr.concat(arithmetic, "person").mean("person"),
        "eyes closed - open, EEG Eye State": log_alpha(state["closed"]) - log_alpha(state["open"]),
    }


def print_table(found: dict[str, xr.DataArray]) -> None:
    """Print the changes by channel of the 10-20 system, as Markdown."""
    print(f"| channel | {' | '.join(found)} |\n|{' --- |' * (len(found) + 1)}")
    for name in EEGMAT.ch_names["eeg"]:
        cells = [
            f"{float(change.sel(channel=name)):+.2f}" if name in change.channel.values else ""
            for change in found.values()
        ]
        print(f"| {name} | {' | '.join(cells)} |".replace("-", "−"))


def drawn(figure: Figure, dpi: int) -> Image.Image:
    """Draw a figure as a picture."""
    content = BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    return Image.open(content).convert("RGB")


def write(path: Path, *figures: Figure, is_row: bool = False) -> None:
    """Write figures below (or beside) one another in 256 colours, a third of the space, and say how much."""
    pictures = [drawn(figure, DPI if len(figures) == 1 else DPI * 2 // 3) for figure in figures]
    widths, heights = zip(*(picture.size for picture in pictures), strict=True)
    size = (sum(widths), max(heights)) if is_row else (max(widths), sum(heights))
    sheet, at = Image.new("RGB", size, "white"), 0
    for picture in pictures:
        sheet.paste(picture, (at, 0) if is_row else (0, at))
        at += picture.size[0 if is_row else 1]
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main(folder: Path) -> None:
    """Draw and save."""
    trials = [
        trial_of(clean_eeg(signal).recording, f"eyes {name}", order)
        for order, (name, signal) in enumerate(eyes(folder / "eegmmidb_S001").items())
    ]
    table = concatenate([features_of_trial(trial, _ALL) for trial in trials])
    slopes = concatenate([features_of_trial(trial, _SLOW) for trial in trials])
    is_closed = table.condition == "eyes closed"
    closed, eyes_open = table.isel(window=is_closed), table.isel(window=~is_closed)
    figures = {
        "bands": plot_bands(closed.band_power, minus=eyes_open.band_power),
        "hjorth": plot_bands(eyes_open.hjorth),
        "asymmetry": plot_asymmetry(closed.dasm),
        "course": plot_course(table.hjorth),
        "faa": plot_course(table.faa),
        "connectivity": plot_connectivity(closed.connectivity.sel(band=["alpha", "beta"])),
        "covariance": plot_covariance(closed.covariance),
    }
    found = changes(folder)
    for name, (title, change) in zip(("eegmmidb", "eegmat", "eegeyestate"), found.items(), strict=True):
        values = change.expand_dims("window").assign_attrs(unit="ln(V^2)")
        figure = figures[f"alpha_{name}"] = plot_bands(values, minus=xr.zeros_like(values), title=title)
        figure.axes[0].set_title("")
    OUT.mkdir(exist_ok=True)
    for name, figure in figures.items():
        write(OUT / f"{name}.png", figure)
    write(OUT / "entropy.png", plot_bands(closed.de), plot_bands(closed.topomap))
    write(OUT / "pairs.png", *(plot_asymmetry(closed[name]) for name in ("rasm", "asm", "dcau")), is_row=True)
    courses = (table.spectral_entropy, table.line_length, table.fractal_dimension, slopes.aperiodic)
    write(OUT / "courses.png", *map(plot_course, courses))
    print_table(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
