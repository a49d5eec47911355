"""Types of arrays in signatures by the names that numpy gives them, not by what those stand for."""

import re

from numpy.typing import ArrayLike, NDArray
from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_annotation

# As autodoc writes them with autodoc_typehints_format = "short".
_ARRAY_LIKE = stringify_annotation(ArrayLike, "smart")
_ARRAY = re.compile(
    re.escape(stringify_annotation(NDArray[bool], "smart")).replace("bool", r"((?:[^\[\]]|\[[^\[\]]*\])+)")
)


def _named(text: str | None) -> str | None:
    if not text:
        return text
    return _ARRAY.sub(r"~numpy.typing.NDArray[\1]", text.replace(_ARRAY_LIKE, "~numpy.typing.ArrayLike"))


def _process(
    _app: Sphinx,
    _what: str,
    _name: str,
    _thing: object,
    _options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    return _named(signature), _named(returned)


def connect(app: Sphinx) -> None:
    """Connect it."""
    app.connect("autodoc-process-signature", _process)
