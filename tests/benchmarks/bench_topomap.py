"""Maps of the head, beside a loop of scipy's griddata and mne's own interpolation: run with `make bench`.

The loop is what TorchEEG's ``ToInterpolatedGrid`` does, one map at a time. mne's interpolator is the private
one behind ``plot_topomap``, set up once, so that only its maps are timed.
"""

import importlib
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.interpolate import griddata

from physioaffect.datasets import DEAP
from physioaffect.features.map_interpolation import grid_axis
from physioaffect.features.topomap import azimuthal_projection, interpolation_matrix, topographic_maps
from physioaffect.montage import electrode_positions

NAMES = DEAP.ch_names["eeg"]
SIZE, N_MAPS = 32, 100_000
# Maps that a peer makes while it is timed.
N_PEER = 200

Floats = NDArray[np.floating]
AXIS = grid_axis(SIZE)
PLACES = azimuthal_projection(electrode_positions(NAMES))
VALUES = np.random.default_rng(0).standard_normal((N_MAPS, len(NAMES)), dtype=np.float32)


def scipy_loop(values: Floats) -> Floats:
    """Cubic, 0 outside the hull."""
    x, y = np.meshgrid(AXIS, AXIS)
    return np.stack([griddata(PLACES, row, (x, y), method="cubic", fill_value=0) for row in values])


def mne_loop(values: Floats) -> Floats:
    """As ``plot_topomap`` with its defaults of interpolation, nothing drawn."""
    grid = importlib.import_module("mne.viz.topomap")._GridData(
        PLACES, "cubic", "local", (0, 0), (1, 1), "mean"
    )
    x, y = np.meshgrid(AXIS, AXIS)
    grid.set_locations(x, y)
    return np.stack([grid.set_values(row)() for row in values])


PEERS: dict[str, Callable[[Floats], Floats]] = {
    "scipy griddata, map by map": scipy_loop,
    "mne, map by map": mne_loop,
}


@pytest.mark.parametrize("interpolation", ["thin_plate", "cubic"])
def bench_maps(benchmark, interpolation):
    """100,000 maps of 32 x 32 from 32 electrodes; the matrix is made in the first round."""

    def ours() -> Floats:
        return topographic_maps(VALUES, ch_names=NAMES, size=SIZE, interpolation=interpolation)

    began = time.process_time()
    ours()
    benchmark.extra_info["first_cpu_s"] = round(time.process_time() - began, 3)
    benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
    assert benchmark.stats.stats.min < 2


@pytest.mark.parametrize("peer", PEERS)
def bench_beside_a_peer(benchmark, peer):
    """Time a map, ours and the peer's by turns, in the process's own time."""
    spent: dict[str, list[float]] = {"ours": [], "peer": []}
    topographic_maps(VALUES, ch_names=NAMES, size=SIZE, interpolation="cubic")
    for _ in range(5):
        for who, make, values in (
            ("ours", lambda v: topographic_maps(v, ch_names=NAMES, size=SIZE, interpolation="cubic"), VALUES),
            ("peer", PEERS[peer], VALUES[:N_PEER]),
        ):
            began = time.process_time()
            make(values)
            spent[who].append((time.process_time() - began) / len(values))
    ours, theirs = (float(np.median(times)) for times in spent.values())
    benchmark.extra_info |= {
        "us_a_map": round(1e6 * ours, 2),
        "peer_us_a_map": round(1e6 * theirs, 2),
        "times_faster": round(theirs / ours, 1),
    }
    benchmark.pedantic(PEERS[peer], args=(VALUES[:N_PEER],), rounds=1)
    found = topographic_maps(VALUES[:50], ch_names=NAMES, size=SIZE, interpolation="cubic")
    expected = PEERS[peer](VALUES[:50])
    is_inner = np.isfinite(found[0]) & (np.hypot(AXIS, AXIS[:, None]) < 0.5)
    assert np.corrcoef(found[:, is_inner].ravel(), expected[:, is_inner].ravel())[0, 1] > 0.99


@pytest.mark.parametrize("interpolation", ["thin_plate", "cubic"])
def bench_matrix(benchmark, interpolation):
    """The matrix alone, once a montage."""
    benchmark.pedantic(
        interpolation_matrix,
        args=(PLACES,),
        kwargs={"size": SIZE, "interpolation": interpolation},
        rounds=5,
        warmup_rounds=1,
    )
