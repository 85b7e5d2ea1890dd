"""Evaluation: metrics by label name, calibration, baselines, and the report a reader gets."""

from tfbert.evaluation.baselines import TfidfBaseline, majority_baseline
from tfbert.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    ReliabilityBin,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    softmax,
    temperature_warning,
)
from tfbert.evaluation.classification import (
    ClassificationMetrics,
    ClassMetrics,
    Spread,
    evaluate_classification,
    summarize_seeds,
)
from tfbert.evaluation.held_out_baselines import HeldOutBaselines, rows_summary
from tfbert.evaluation.mistakes import Mistake, most_confident_mistakes
from tfbert.evaluation.pair_accuracy import PairAccuracy
from tfbert.evaluation.pair_and_mask_statistics import Measured, PairAndMaskStatistics
from tfbert.evaluation.pretraining_baselines import (
    balanced_accuracy_interval,
    majority_accuracy,
    unigram_cross_entropy,
)
from tfbert.evaluation.pretraining_health import Finding, health
from tfbert.evaluation.pretraining_report import PretrainingReport
from tfbert.evaluation.report import write_metrics, write_pretraining_report, write_report
from tfbert.evaluation.review_report import BaselineResult, ReviewReport, SeedResult
from tfbert.evaluation.seed_evaluation import SeedEvaluation, evaluate_seed, predict_logits
from tfbert.evaluation.terminal_summary import pretraining_summary, terminal_summary

__all__ = [
    "MAX_TEMPERATURE",
    "MIN_TEMPERATURE",
    "BaselineResult",
    "ClassMetrics",
    "ClassificationMetrics",
    "Finding",
    "HeldOutBaselines",
    "Measured",
    "Mistake",
    "PairAccuracy",
    "PairAndMaskStatistics",
    "PretrainingReport",
    "ReliabilityBin",
    "ReviewReport",
    "SeedEvaluation",
    "SeedResult",
    "Spread",
    "TfidfBaseline",
    "balanced_accuracy_interval",
    "evaluate_classification",
    "evaluate_seed",
    "expected_calibration_error",
    "fit_temperature",
    "health",
    "majority_accuracy",
    "majority_baseline",
    "most_confident_mistakes",
    "predict_logits",
    "pretraining_summary",
    "reliability_bins",
    "rows_summary",
    "softmax",
    "summarize_seeds",
    "temperature_warning",
    "terminal_summary",
    "unigram_cross_entropy",
    "write_metrics",
    "write_pretraining_report",
    "write_report",
]
