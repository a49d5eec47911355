"""What all HTML pages of this package share: their style, sorting of tables, words and security policy."""

from physioaffect.page.assembling import environment, render_page
from physioaffect.page.words import counted, listed, number, percent, sentence

__all__ = ["counted", "environment", "listed", "number", "percent", "render_page", "sentence"]
