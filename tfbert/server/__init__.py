"""An embedded server that speaks TensorFlow Serving's REST and gRPC interfaces."""

from tfbert.server.batching import BatchingParameters, find_batching_config, read_batching_parameters
from tfbert.server.limits import Limits
from tfbert.server.metrics import PATH as METRICS_PATH
from tfbert.server.model_configs import ModelConfig, read_model_configs

__all__ = [
    "METRICS_PATH",
    "BatchingParameters",
    "Limits",
    "ModelConfig",
    "find_batching_config",
    "read_batching_parameters",
    "read_model_configs",
]
