"""The base class of tfbert's models: Keras's, with tfbert's own train step where TensorFlow is the backend."""

import keras

if keras.backend.backend() == "tensorflow":
    from tfbert.training.step import GlobalBatchModel as BertModel
else:
    from keras import Model as BertModel  # type: ignore[no-redef]

__all__ = ["BertModel"]
