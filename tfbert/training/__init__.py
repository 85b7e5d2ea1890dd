"""Training on one or several replicas: step, optimizer, schedule."""

from tfbert.training.optimizers import BertAdamW, ClipAfterAllReduce
from tfbert.training.schedules import LinearWarmupDecay
from tfbert.training.step import GlobalBatchFunctional, GlobalBatchModel

__all__ = ["BertAdamW", "ClipAfterAllReduce", "GlobalBatchFunctional", "GlobalBatchModel", "LinearWarmupDecay"]
