"""A result as one HTML page that needs nothing from the network."""

from physioaffect.evaluation.report.render import render, write_report

__all__ = ["render", "write_report"]
