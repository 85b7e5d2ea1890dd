"""Training on one or several replicas: step, optimizer, schedule, resuming, fine-tuning."""

from tfbert.training.lamb import BertLamb
from tfbert.training.optimizers import BertAdamW, ClipAfterAllReduce
from tfbert.training.schedules import LinearWarmupDecay
from tfbert.training.step import GlobalBatchFunctional, GlobalBatchModel
from tfbert.training.strategies import Placement, pick_placement

__all__ = [
    "BertAdamW",
    "BertLamb",
    "ClipAfterAllReduce",
    "GlobalBatchFunctional",
    "GlobalBatchModel",
    "LinearWarmupDecay",
    "Placement",
    "pick_placement",
]
