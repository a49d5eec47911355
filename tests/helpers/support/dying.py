"""A model whose first fit kills its process, as a machine that fails would."""

import os
import signal
from pathlib import Path
from typing import Any

from sklearn.linear_model import LogisticRegression


class DyingOnce(LogisticRegression):  # type: ignore[misc]
    """Logistic regression; ``marker`` is made before the process dies, and spares the next."""

    def __init__(self, marker: str = "") -> None:
        super().__init__()
        self.marker = marker

    def fit(self, X: Any, y: Any) -> Any:
        try:
            Path(self.marker).open("x").close()
        except FileExistsError:
            return super().fit(X, y)
        os.kill(os.getpid(), signal.SIGKILL)
        return self
