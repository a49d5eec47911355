"""Statistics of scores: intervals, comparisons, permutation, power and calibration."""

from physioaffect.evaluation.statistics.calibration import (
    calibrated_error,
    calibration_scores,
    expected_calibration_error,
    reliability,
)
from physioaffect.evaluation.statistics.comparison import (
    Comparison,
    compare_models,
    compare_paired,
    holm,
)
from physioaffect.evaluation.statistics.critical_difference import (
    CriticalDifference,
    critical_difference,
    nemenyi,
)
from physioaffect.evaluation.statistics.exchange import (
    Exchange,
    exchange_of,
    level_for,
    permuted_labels,
)
from physioaffect.evaluation.statistics.intervals import (
    ESTIMAND,
    Interval,
    mean_interval,
    mean_intervals,
)
from physioaffect.evaluation.statistics.permutation import permute_predictions
from physioaffect.evaluation.statistics.power import (
    detectable_difference,
    power_of,
    power_sentence,
    subjects_needed,
)
from physioaffect.evaluation.statistics.probability_scores import brier_score, log_loss
from physioaffect.evaluation.statistics.refitting import permute_fits
from physioaffect.evaluation.statistics.symmetry import sign_flip, signed_rank
from physioaffect.evaluation.statistics.tabulation import compare_in, with_intervals

__all__ = [
    "ESTIMAND",
    "Comparison",
    "CriticalDifference",
    "Exchange",
    "Interval",
    "brier_score",
    "calibrated_error",
    "calibration_scores",
    "compare_in",
    "compare_models",
    "compare_paired",
    "critical_difference",
    "detectable_difference",
    "exchange_of",
    "expected_calibration_error",
    "holm",
    "level_for",
    "log_loss",
    "mean_interval",
    "mean_intervals",
    "nemenyi",
    "permute_fits",
    "permute_predictions",
    "permuted_labels",
    "power_of",
    "power_sentence",
    "reliability",
    "sign_flip",
    "signed_rank",
    "subjects_needed",
    "with_intervals",
]
