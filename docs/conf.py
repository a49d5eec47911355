"""Settings of the documentation: `make docs` builds it into build/docs without the network."""

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_site"))

import commands  # noqa: E402  They lie beside this file.
import data_sets  # noqa: E402
import formulas  # noqa: E402
import linking  # noqa: E402
import make_pages  # noqa: E402
import references  # noqa: E402
import signatures  # noqa: E402
import tutorials  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

from physioaffect import __version__  # noqa: E402

project = "physioaffect"
author = "The physioaffect developers"
copyright = "The physioaffect developers, BSD-3-Clause"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
]
exclude_patterns = ["_site", "reports", "**/.ipynb_checkpoints"]
nitpicky = True
# What other packages define has no page here; a name in single backticks is code where it has none either.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!physioaffect\.).*"),
    (r"py:.*", r"physioaffect\.(.*\.)?_.*"),
]
default_role = "py:obj"

# Other packages' pages are linked where the network is there: make docs SPHINX_OPTIONS='-t network'.
intersphinx_mapping: dict[str, tuple[str, None]] = {}
if "tags" in globals() and tags.has("network"):  # type: ignore[name-defined]  # noqa: F821  Sphinx gives it.
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "mne": ("https://mne.tools/stable", None),
        "xarray": ("https://docs.xarray.dev/en/stable", None),
    }

autosummary_generate = False  # The pages are made by references.py.
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
add_module_names = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
toc_object_entries = False

nb_execution_mode = "off"  # tools/run_notebooks.py executes them.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "physioaffect"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options: dict[str, Any] = {
    "collapse_navigation": True,  # Each page lists its own branch: a quarter of the size.
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


make_pages.write(HERE / "reference" / "generated", references.pages() | {"commands.md": commands.page()})
make_pages.write(HERE / "data-sets" / "generated", dict(data_sets.pages()))
make_pages.write(HERE / "tutorials" / "generated", tutorials.pages())


def setup(app: Sphinx) -> None:
    """Connect what needs code."""
    for part in (formulas, linking, signatures):
        part.connect(app)
