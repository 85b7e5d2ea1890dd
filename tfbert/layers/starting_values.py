"""The values that weights start from."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras

_SPARED = contextvars.ContextVar("spared", default=False)


@keras.saving.register_keras_serializable(package="tfbert")
class StartingValues(keras.initializers.TruncatedNormal):
    """A normal distribution cut at two deviations (Devlin et al. 2019, appendix A.2); zeros inside `spared`."""

    def __call__(self, shape, dtype=None, **kwargs):
        """Return the values."""
        return keras.ops.zeros(shape, dtype) if _SPARED.get() else super().__call__(shape, dtype, **kwargs)


@contextlib.contextmanager
def spared() -> Iterator[None]:
    """Draw no values for the weights of models made inside, which get all of theirs from a file.

    Drawing those of BERT-base takes longer than reading them. The seeds that are handed out stay the same.
    """
    token = _SPARED.set(True)
    try:
        yield
    finally:
        _SPARED.reset(token)
