"""Everything that people look at, each as a matplotlib Figure in one style.

Each function returns a figure that a notebook shows when it is the last value of a cell, and that is kept
with ``figure.savefig("de.png", dpi=300)``. It is not pyplot's: nothing stays open, and no setting of yours is
changed. Colours are told apart by people who see red and green alike, and letters are of a size that is read
on a printed page.

Nothing is imported before it is used. Graphs and networks need torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physioaffect.distill import (
        plot_prototype_map,
        plot_prototype_similarity,
        plot_prototype_stability,
        plot_prototypes,
    )
    from physioaffect.eda_plots import plot_eda, plot_eda_masks, plot_parameters, plot_residual
    from physioaffect.graphs import (
        plot_adjacency,
        plot_attention,
        plot_filters,
        plot_graph,
        plot_hierarchy,
        plot_importance,
    )
    from physioaffect.plots.asymmetry import plot_asymmetry
    from physioaffect.plots.bands import plot_bands
    from physioaffect.plots.confusion import plot_confusion
    from physioaffect.plots.connectivity import plot_connectivity
    from physioaffect.plots.course import plot_course
    from physioaffect.plots.covariance import plot_covariance
    from physioaffect.plots.protocol import plot_protocol
    from physioaffect.plots.reliability import plot_reliability
    from physioaffect.plots.signals import plot_signals
    from physioaffect.plots.subjects import plot_subjects

__all__ = [
    "plot_adjacency",
    "plot_asymmetry",
    "plot_attention",
    "plot_bands",
    "plot_confusion",
    "plot_connectivity",
    "plot_course",
    "plot_covariance",
    "plot_eda",
    "plot_eda_masks",
    "plot_filters",
    "plot_graph",
    "plot_hierarchy",
    "plot_importance",
    "plot_parameters",
    "plot_protocol",
    "plot_prototype_map",
    "plot_prototype_similarity",
    "plot_prototype_stability",
    "plot_prototypes",
    "plot_reliability",
    "plot_residual",
    "plot_signals",
    "plot_subjects",
]

_PLACES = {
    "plot_adjacency": "physioaffect.graphs",
    "plot_asymmetry": "physioaffect.plots.asymmetry",
    "plot_attention": "physioaffect.graphs",
    "plot_bands": "physioaffect.plots.bands",
    "plot_confusion": "physioaffect.plots.confusion",
    "plot_connectivity": "physioaffect.plots.connectivity",
    "plot_course": "physioaffect.plots.course",
    "plot_covariance": "physioaffect.plots.covariance",
    "plot_eda": "physioaffect.eda_plots",
    "plot_eda_masks": "physioaffect.eda_plots",
    "plot_filters": "physioaffect.graphs",
    "plot_graph": "physioaffect.graphs",
    "plot_hierarchy": "physioaffect.graphs",
    "plot_importance": "physioaffect.graphs",
    "plot_parameters": "physioaffect.eda_plots",
    "plot_protocol": "physioaffect.plots.protocol",
    "plot_prototype_map": "physioaffect.distill",
    "plot_prototype_similarity": "physioaffect.distill",
    "plot_prototype_stability": "physioaffect.distill",
    "plot_prototypes": "physioaffect.distill",
    "plot_reliability": "physioaffect.plots.reliability",
    "plot_residual": "physioaffect.eda_plots",
    "plot_signals": "physioaffect.plots.signals",
    "plot_subjects": "physioaffect.plots.subjects",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
