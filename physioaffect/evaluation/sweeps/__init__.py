"""Many evaluations: experiment files, their runs, and comparisons of what they found."""

from physioaffect.evaluation.sweeps.compare import Comparisons, compare
from physioaffect.evaluation.sweeps.compare_page import write_comparisons
from physioaffect.evaluation.sweeps.experiment_plan import Experiment
from physioaffect.evaluation.sweeps.sweep import run_experiment

__all__ = ["Comparisons", "Experiment", "compare", "run_experiment", "write_comparisons"]
