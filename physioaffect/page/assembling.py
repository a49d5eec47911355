"""From templates, style sheets and scripts to one file that needs nothing from the network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from physioaffect.page import words

__all__ = ["environment", "render_page"]


def _hash(text: str) -> str:
    """Allow exactly this text in the page's content security policy."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def environment(package: str, filters: Mapping[str, Any] | None = None) -> Environment:
    """Make the templates in a package's folder, and the shared ones, ready: whatever goes in is escaped.

    They are compiled once for all pages, which takes longer than to fill most of them.

    Examples
    --------
    >>> environment("physioaffect.quality_report").from_string("{{ x }}").render(x="<b>")
    '&lt;b&gt;'
    """
    # The same name may be another folder by now.
    return _environment(package, str(files(package)), tuple((filters or {}).items()))


@lru_cache(maxsize=16)
def _environment(
    package: str,
    folder_now: str,  # noqa: ARG001
    filters: tuple[tuple[str, Any], ...],
) -> Environment:
    parent, _, folder = package.rpartition(".")
    made = Environment(
        loader=ChoiceLoader([PackageLoader(parent, folder), PackageLoader("physioaffect", "page")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": words.number, "percent": words.percent} | dict(filters)
    made.tests["nan"] = lambda value: isinstance(value, float) and math.isnan(value)
    made.globals["counted"] = words.counted
    return made


def render_page(
    package: str,
    template: str,
    *,
    style: str,
    filters: Mapping[str, Any] | None = None,
    **values: Any,
) -> str:
    """Fill a template of a package.

    Parameters
    ----------
    package : str
        Its folder holds the template.
    template, style : str
        Names of files in that folder. The style comes after the one that all pages share.
    filters : mapping, optional
        More filters for the template, by name.
    values
        For the template, which also gets ``style``, ``script``, ``style_hash`` and ``script_hash``.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> import sys
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     own = Path(folder, "our_lab", "page")
    ...     own.mkdir(parents=True)
    ...     _ = (own / "hello.html").write_text("<style>{{ style }}</style><h1>{{ title }}</h1>")
    ...     _ = (own / "hello.css").write_text("h1 { color: teal; }")
    ...     sys.path.insert(0, folder)
    ...     html = render_page("our_lab.page", "hello.html", style="hello.css", title="Calm & tense")
    ...     sys.path.remove(folder)
    >>> html.endswith("h1 { color: teal; }</style><h1>Calm &amp; tense</h1>")
    True
    """
    shared = files("physioaffect.page")
    sheet = (shared / "page.css").read_text(encoding="utf-8")
    sheet += (files(package) / style).read_text(encoding="utf-8")
    script = (shared / "page.js").read_text(encoding="utf-8")
    return (
        environment(package, filters)
        .get_template(template)
        .render(
            style=Markup(sheet),
            script=Markup(script),
            style_hash=_hash(sheet),
            script_hash=_hash(script),
            **values,
        )
    )
