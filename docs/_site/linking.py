"""Links that work on a Git host and on the site, and names in docstrings."""

import re
from pathlib import Path
from typing import Any

import references
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import find_pending_xref_condition, make_refnode

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

    near = sorted(references.names().get(name, ()), key=shared, reverse=True)
    if not near or (len(near) > 1 and shared(near[0]) == shared(near[1])):
        return None
    return near[0]


def _full_names(_app: Sphinx, doctree: nodes.document) -> None:
    """Write out names that docstrings have without their module, so that none leads to a namesake."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        target = node.get("reftarget", "")
        if node.get("refdomain") != "py":
            continue
        if not node.get("refspecific"):  # Sphinx takes False for true, and searches all names.
            node.attributes.pop("refspecific", None)
        if target not in references.names():
            continue
        if path := _nearest(target, node.get("py:module") or ""):
            node["reftarget"] = path
            node.attributes.pop("refspecific", None)
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


def _only_our_own(_app: Sphinx, _what: str, name: str, thing: Any, _skip: bool, _options: Any) -> bool | None:
    """Leave out what others add to classes: named tuples to each field, scikit-learn to each estimator."""
    is_field = (getattr(thing, "__doc__", None) or "").startswith("Alias for field number")
    return True if is_field or _ADDED.fullmatch(name) else None


def connect(app: Sphinx) -> None:
    """Connect all of it."""
    app.connect("source-read", _relative_links)
    app.connect("missing-reference", _elsewhere)
    app.connect("doctree-read", _full_names)
    app.connect("autodoc-skip-member", _only_our_own)
