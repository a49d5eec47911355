"""Links that work on a Git host and on the site, names in docstrings, mathematics without the network."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import references
from docutils import nodes
from matplotlib.mathtext import MathTextParser
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.nodes import find_pending_xref_condition, make_refnode

_LOGGER = logging.getLogger(__name__)
# Pages of the repository that the site shows under another name.
_SHOWN_AS = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
}
# A table of contents that a Git host would show as code.
_BELOW = {"networks/README": (":hidden:", "[a-z]*"), "decisions/README": (":maxdepth: 1", "0*")}
# What scikit-learn adds to every estimator, with references to its own manual.
_ADDED = re.compile(r"set_\w+_request|get_metadata_routing")
_LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)")


def _relative_links(app: Sphinx, docname: str, content: list[str]) -> None:
    """Turn links out of docs/ into links to the page of the site that shows the same, or into downloads."""
    if Path(app.env.doc2path(docname)).suffix != ".md":
        return
    here = Path(app.srcdir) / docname
    root = Path(app.srcdir).parent

    def target(match: re.Match[str]) -> str:
        path = (here.parent / match[2]).resolve()
        if root in path.parents and Path(app.srcdir) not in path.parents and path.name in _SHOWN_AS:
            return f"{match[1]}/{_SHOWN_AS[path.name]}"
        return match[0]

    content[0] = _LINK.sub(target, content[0])
    if docname in _BELOW:
        option, pattern = _BELOW[docname]
        content[0] += f"\n```{{toctree}}\n:glob:\n{option}\n\n{pattern}\n```\n"


def _nearest(name: str, module: str) -> str | None:
    """Path of the public thing of that name that is nearest to a module; None if none is."""

    def shared(path: str) -> int:
        parts = zip(path.split("."), module.split("."), strict=False)
        return next(
            (n for n, (a, b) in enumerate(parts) if a != b), min(path.count("."), module.count(".") + 1)
        )

    paths = {thing.path for thing in references.documented().values() if thing.name == name}
    near = sorted(paths, key=shared, reverse=True)
    if not near or (len(near) > 1 and shared(near[0]) == shared(near[1])):
        return None
    return near[0]


def _full_names(_app: Sphinx, doctree: nodes.document) -> None:
    """Write out names that docstrings have without their module, so that none leads to a namesake."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        target = node.get("reftarget", "")
        if node.get("refdomain") != "py" or not target.isidentifier():
            continue
        if not any(thing.name == target for thing in references.documented().values()):
            continue
        if path := _nearest(target, node.get("py:module") or ""):
            node["reftarget"] = path
            node["refspecific"] = False
        else:
            shown = find_pending_xref_condition(node, "resolved")  # The short name, where there are two.
            node.replace_self(node.children if shown is None else shown.children)


def _elsewhere(
    app: Sphinx, _env: Any, node: addnodes.pending_xref, contnode: nodes.Node
) -> nodes.Node | None:
    """Lead to where a thing is documented that is named by the module that defines it."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("physioaffect."):
        return None
    module, _, name = target.rpartition(".")
    known = references.modules()
    if target in known and not references.has_page(target):
        return _to(app, node, references.page_of_module(module), contnode)
    if module in known and name in references.public_names(known[module]):
        objects = app.env.domains.python_domain.objects
        entry = objects.get(references.where(module, name))
        return entry and make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode)
    # Public in no module, but there: a name in an annotation, such as an alias of a type.
    return contnode if module in known and hasattr(known[module], name) else None


def _to(app: Sphinx, node: addnodes.pending_xref, page: str, contnode: nodes.Node) -> nodes.Node:
    return make_refnode(app.builder, node["refdoc"], f"reference/generated/{page}", None, contnode)


_HALF = re.compile(r"\\t?frac(\d)(\d)")
_LESS_OR_EQUAL = re.compile(r"\\([lg])e\b")


def _plain(latex: str) -> str:
    """What matplotlib draws of what LaTeX has shorter names for."""
    latex = _HALF.sub(r"\\frac{\1}{\2}", " ".join(latex.split()))
    return _LESS_OR_EQUAL.sub(r"\\\1eq", latex).replace(r"\tfrac", r"\frac")


def _drawn(latex: str) -> bool:
    try:
        MathTextParser("path").parse(f"${latex}$")
    except (ValueError, RuntimeError):
        return False
    return True


def _formulas(doctree: nodes.document) -> Iterator[nodes.math | nodes.math_block]:
    yield from list(doctree.findall(nodes.math))
    yield from list(doctree.findall(nodes.math_block))


def _drawn_formulas(_app: Sphinx, doctree: nodes.document) -> None:
    """Let matplotlib draw formulas: MathJax would come from the network."""
    from matplotlib.sphinxext.mathmpl import latex_math  # noqa: PLC0415  conf.py loads it as an extension.

    for formula in _formulas(doctree):
        latex = _plain(formula.astext())
        if not _drawn(latex):
            _LOGGER.warning("matplotlib cannot draw the formula %s", latex, location=formula)
            continue
        drawn = latex_math("")
        drawn["latex"] = latex  # It adds the dollars itself.
        drawn["fontset"], drawn["fontsize"] = "cm", 10.0
        is_line = isinstance(formula, nodes.math_block)
        formula.replace_self(nodes.paragraph("", "", drawn) if is_line else drawn)


def _only_our_own(_app: Sphinx, _what: str, name: str, thing: Any, _skip: bool, _options: Any) -> bool | None:
    """Leave out what others add to classes: named tuples to each field, scikit-learn to each estimator."""
    is_field = (getattr(thing, "__doc__", None) or "").startswith("Alias for field number")
    return True if is_field or _ADDED.fullmatch(name) else None


def connect(app: Sphinx) -> None:
    """Connect all of it."""
    app.connect("source-read", _relative_links)
    app.connect("missing-reference", _elsewhere)
    app.connect("doctree-read", _drawn_formulas)
    app.connect("doctree-read", _full_names)
    app.connect("autodoc-skip-member", _only_our_own)
