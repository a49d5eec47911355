"""Write docs/pictures/network-*.png: what each network looks at in a world where it is known.

    python tools/make_network_pictures.py [NAME ...]

In the simulated DREAMER of affect 3 valence shows in alpha, and nowhere else: less on the left of the front
and more on the right, more behind, nothing at T7 and T8. Networks are fitted on 16 people, and looked into on
windows of eight others. It takes two minutes of one core, and the same pictures come out.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from physioaffect.datasets import DREAMER, World
from physioaffect.evaluation import make_table
from physioaffect.features import SEED_BANDS, default_recipe, extract
from physioaffect.graphs import (
    DGCNNClassifier,
    EEGNetClassifier,
    GCBNetClassifier,
    HiSTNClassifier,
    LGGNetClassifier,
    LinearClassifier,
    MLPClassifier,
    NetworkClassifier,
    RBTransformerClassifier,
    RGNNClassifier,
    TSceptionClassifier,
    attention_maps,
    electrode_importance,
    learned_adjacency,
    plot_adjacency,
    plot_attention,
    plot_filters,
    plot_importance,
    temporal_filters,
)
from physioaffect.signals.eeg import BandPass, EEGCleaning

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OUT = Path(__file__).resolve().parent.parent / "docs" / "pictures"
DPI = 100
N_PEOPLE, N_FITTED = 24, 16

# Published sizes, but for LGGNet's number of filters, of which 64 take a quarter of an hour. A strong decay
# clears the learned graphs of edges that were drawn at random and are of no use.
NETWORKS: dict[str, tuple[str, NetworkClassifier]] = {
    "linear": ("Linear map", LinearClassifier()),
    "mlp": ("Perceptron", MLPClassifier(epochs=10)),
    "dgcnn": ("DGCNN", DGCNNClassifier(weight_decay=1e-2)),
    "gcbnet": ("GCB-Net", GCBNetClassifier(weight_decay=1e-2, epochs=20)),
    "rgnn": ("RGNN", RGNNClassifier()),
    "rbtransformer": ("RBTransformer", RBTransformerClassifier(epochs=10, batch_size=64)),
    "eegnet": ("EEGNet", EEGNetClassifier(epochs=20)),
    "histn": ("HiSTN", HiSTNClassifier(dropout=0.2, epochs=30, batch_size=120, learning_rate=1e-2)),
    "tsception": ("TSception", TSceptionClassifier(epochs=10)),
    "lggnet": ("LGGNet", LGGNetClassifier(n_temporal=16, epochs=8)),
}


def own_view(name: str, model: NetworkClassifier, X: Any) -> Figure | None:
    """What the network has learned, in its own terms."""
    if name == "rbtransformer":
        return plot_attention(
            attention_maps(model, X), title="Attention, mean over windows, blocks and heads"
        )
    if name in ("dgcnn", "gcbnet", "rgnn"):
        adjacency = learned_adjacency(model)
        names = adjacency["channel"].values.tolist()
        return plot_adjacency(adjacency.values, names, n_edges=20, title="weight in the learned graph")
    if name == "histn":
        spectra = temporal_filters(model, by_electrode=True)
        return plot_filters(spectra, fmax=45, title="Temporal filters as mixed for each electrode")
    if name in ("eegnet", "lggnet", "tsception"):
        return plot_filters(temporal_filters(model), fmax=45, title="Temporal filters")
    return None


def save(figures: Sequence[Figure], path: Path) -> None:
    """Write figures as one picture, each below the one before."""
    pictures = []
    for figure in figures:
        figure.set_dpi(DPI)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3])
    width = max(picture.shape[1] for picture in pictures)
    rows = []
    for picture in pictures:
        left = (width - picture.shape[1]) // 2
        around = ((0, 0), (left, width - picture.shape[1] - left), (0, 0))
        rows.append(np.pad(picture, around, constant_values=255))
    Image.fromarray(np.concatenate(rows)).save(path, optimize=True)


def main(names: Sequence[str]) -> None:
    """Simulate, fit, draw and save."""
    assert DREAMER.simulate is not None
    # Offsets of the electrodes differ between people by more than the EEG does.
    high_pass = EEGCleaning(
        unusable=None, band=BandPass(fmin=2, fmax=None), bad_channels=None, reference=None, segments=None
    )
    recipe = default_recipe(DREAMER, families=["de"], window=1, cleaning=[high_pass])
    with tempfile.TemporaryDirectory() as folder:
        path = DREAMER.simulate(Path(folder) / "d", world=World(affect=3), n_subjects=N_PEOPLE, max_seconds=5)
        features, _, raw = extract(DREAMER, path, recipe, keep="eeg")
    table, _ = make_table(features, DREAMER.tasks["valence"], raw=raw)
    is_new = table.coords["subject"].astype(int).to_numpy() > N_FITTED
    known, new = np.flatnonzero(~is_new), np.flatnonzero(is_new)
    for name in names or NETWORKS:
        title, model = NETWORKS[name]
        X = table.inputs(model.layout)
        is_raw = model.layout[-1] == "time"
        to_fit, to_see = (X.select(rows) if is_raw else X[rows] for rows in (known, new))
        model.set_params(random_state=0).fit(to_fit, table.target[known])
        importance = electrode_importance(
            model, to_see, target="high", bands=SEED_BANDS.within((1, 45)) if is_raw else None
        )
        figures = [
            plot_importance(importance, title=f"{title}: share of its output's variance in new people"),
            own_view(name, model, to_see),
        ]
        path = OUT / f"network-{name}.png"
        save([figure for figure in figures if figure is not None], path)
        score = model.score(to_see, table.target[new])
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {score:.2f} of new windows are right")


if __name__ == "__main__":
    main(sys.argv[1:])
