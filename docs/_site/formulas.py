"""Formulas as MathML, which browsers draw themselves: MathJax would come from the network."""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_LOGGER = logging.getLogger(__name__)


def _write(translator: HTML5Translator, formula: nodes.math | nodes.math_block) -> None:
    is_line = isinstance(formula, nodes.math_block)
    try:
        translator.body.append(tex2mathml(formula.astext(), as_block=is_line))
    except MathError as error:
        _LOGGER.warning("No MathML for the formula %s: %s", formula.astext(), error, location=formula)
    raise nodes.SkipNode


def connect(app: Sphinx) -> None:
    """Make it the way to write formulas that conf.py names."""
    app.add_html_math_renderer("mathml", (_write, None), (_write, None))
