"""Write tests/data/torcheeg_dgcnn.json: what TorchEEG's DGCNN makes of weights and windows from a formula.

Needs TorchEEG, which asks for old versions of what physioaffect needs, so it goes in without them::

    pip install --no-deps torcheeg==1.1.3 && pip install torch
    python tools/make_dgcnn_reference.py
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "torcheeg_dgcnn.json"
N_BATCH, N_CHANNELS, N_BANDS, N_FILTERS, N_CLASSES = 5, 6, 4, 3, 3
FORMULA = "array number j, with n elements: 0.4 sin((k + 9 j)^2) for k from 0 to n - 1, in C order"


def wave(number: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers of both signs without a generator behind them; see FORMULA."""
    return 0.4 * np.sin((np.arange(np.prod(shape)) + 9 * number) ** 2).reshape(shape)


def peer() -> ModuleType:
    """TorchEEG's file alone: its package imports what does not install today."""
    package = find_spec("torcheeg")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("Install TorchEEG first: pip install --no-deps torcheeg==1.1.3")
    path = Path(package.submodule_search_locations[0]) / "models" / "gnn" / "dgcnn.py"
    spec = spec_from_file_location("dgcnn", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be imported.")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outputs(module: ModuleType, n_layers: int) -> dict[str, Any]:
    """Outputs in and after training, and the gradient of the graph."""
    network = module.DGCNN(N_BANDS, N_CHANNELS, n_layers, N_FILTERS, N_CLASSES).double()
    weights = sorted(name for name, _ in network.named_parameters())
    with torch.no_grad():
        for number, name in enumerate(weights):
            weight = network.get_parameter(name)
            weight.copy_(torch.from_numpy(wave(number, tuple(weight.shape))))
    x = torch.from_numpy(5 * wave(100, (N_BATCH, N_CHANNELS, N_BANDS)) + 1)
    training = network.train()(x)
    training.square().sum().backward()
    return {
        "shapes": {name: list(network.get_parameter(name).shape) for name in weights},
        "training": training.tolist(),
        "gradient_of_A": network.A.grad.tolist(),
        "running_mean": network.BN1.running_mean.tolist(),
        "running_var": network.BN1.running_var.tolist(),
        "after_training": network.eval()(x).tolist(),
    }


def main() -> None:
    """Let TorchEEG compute, and write what it found."""
    torch.set_default_dtype(torch.float64)  # It makes identities of the default type on the way.
    module = peer()
    contents = {
        "what": "Outputs of TorchEEG's DGCNN, in double precision; the gradient is that of the sum of the "
        "squared outputs in training.",
        "made_by": "tools/make_dgcnn_reference.py",
        "versions": {name: version(name) for name in ("torcheeg", "torch", "numpy")}
        | {"python": platform.python_version()},
        "weights": f"{FORMULA}; numbered from 0 in the order of their sorted names",
        "windows": "5 times array 100 of the same formula, plus 1",
        "n_layers": {str(n_layers): outputs(module, n_layers) for n_layers in (2, 3, 4)},
    }
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in contents.items())
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"Wrote {OUT}.")


if __name__ == "__main__":
    main()
