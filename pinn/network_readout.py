"""From the trained trunk to a converged last layer: what `identify` finds goes back into the network."""

from __future__ import annotations

import numpy as np
import torch

from .network_inputs import Rows
from .network_module import Batch, PINNModule
from .network_physics import Identified, identify
from .sudomotor import AffineEDA

__all__ = ["converge"]


def converge(network: PINNModule, rows: Rows, batch: Batch) -> Identified:
    """Solve the last layer and the constants, and put them into the network.

    Parameters
    ----------
    network : PINNModule
        Trained; changed in place.
    rows : Rows
        Training windows.
    batch : Batch
        The same as tensors, on the network's device.

    Returns
    -------
    Identified
    """
    settings = network.settings
    with torch.no_grad():
        features, slopes = network.features_and_slopes(batch.inputs, torch.nan_to_num(batch.tangent))
    is_known = np.asarray(np.isfinite(batch.tangent.cpu().numpy()).all(axis=1))
    n, n_reports = len(rows.time), network.n_reports
    none = np.zeros(n, dtype=np.intp)
    names = rows.groups if rows.groups is not None else rows.conditions
    readout, found = identify(
        features=features.cpu().numpy(),
        slopes=np.where(is_known[:, None], slopes.cpu().numpy(), np.nan),
        reports=rows.reports,
        eda=rows.eda,
        time=rows.time,
        person=batch.person.cpu().numpy() if settings.person_sd is not None else none,
        condition=batch.condition.cpu().numpy() if settings.start_sd is not None else none,
        cluster=np.unique(names, return_inverse=True)[1] if names is not None else none,
        weight=settings.physics_weight,
        person_sd=settings.person_sd,
        start_sd=settings.start_sd,
        reports_mean=network.inputs_mean.cpu().numpy()[rows.inputs.shape[1] - n_reports :],
        reports_sd=network.inputs_sd.cpu().numpy()[rows.inputs.shape[1] - n_reports :],
        eda_mean=float(network.eda_mean),
        eda_sd=float(network.eda_sd),
        confidence=settings.confidence,
    )
    before = network.equation
    alpha_0, gamma = found.rate / before.gamma, before.gamma
    b = before.b
    network.equation = AffineEDA(
        alpha_0=alpha_0,
        gamma=gamma,
        beta=tuple(found.drive / gamma),
        E_0=(found.level / gamma - b) / alpha_0,
        b=b,
    )
    assert network.eda_head is not None
    with torch.no_grad():
        weights = torch.as_tensor(readout.weights).to(network.eda_head.weight)
        network.eda_head.weight.copy_(weights[None, :-1])
        network.eda_head.bias.copy_(weights[-1:])
        network.person_effects.copy_(torch.as_tensor(readout.people))
        network.start_effects.copy_(torch.as_tensor(readout.starts))
    return found
