"""A title, a table and a line below, as HTML for notebooks: all text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fragment"]


def fragment(title: str, table: pd.DataFrame, below: Sequence[str] = ()) -> str:
    """Write what a value shows of itself in a notebook; no scripts, no styles.

    Parameters
    ----------
    title : str
        Above the table.
    table : pandas.DataFrame
        Shown whole, without its index; nothing if it has no rows.
    below : sequence of str
        A paragraph each.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> fragment("<S01>", pd.DataFrame(), ["1 & 2"])
    '<div><p><b>&lt;S01&gt;</b></p><p>1 &amp; 2</p></div>'
    """
    import pandas as pd  # noqa: PLC0415  Pages are written without it.

    with pd.option_context("display.max_colwidth", None):
        shown = table.to_html(index=False, border=0, escape=True) if len(table) else ""
    lines = "".join(f"<p>{escape(line)}</p>" for line in below)
    return f"<div><p><b>{escape(title)}</b></p>{shown}{lines}</div>"
