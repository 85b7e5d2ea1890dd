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
from tfbert.evaluation.mistakes import Mistake, most_confident_mistakes
from tfbert.evaluation.report import write_metrics, write_report
from tfbert.evaluation.review_report import BaselineResult, ReviewReport, SeedResult
from tfbert.evaluation.seed_evaluation import SeedEvaluation, evaluate_seed, predict_logits
from tfbert.evaluation.terminal_summary import terminal_summary

__all__ = [
    "MAX_TEMPERATURE",
    "MIN_TEMPERATURE",
    "BaselineResult",
    "ClassMetrics",
    "ClassificationMetrics",
    "Mistake",
    "ReliabilityBin",
    "ReviewReport",
    "SeedEvaluation",
    "SeedResult",
    "Spread",
    "TfidfBaseline",
    "evaluate_classification",
    "evaluate_seed",
    "expected_calibration_error",
    "fit_temperature",
    "majority_baseline",
    "most_confident_mistakes",
    "predict_logits",
    "reliability_bins",
    "softmax",
    "summarize_seeds",
    "temperature_warning",
    "terminal_summary",
    "write_metrics",
    "write_report",
]
