"""The most that this machine can do: products of large square matrices, by TensorFlow."""

from pathlib import Path

from tfbert.benchmarks.task import Built, Setup, System, Work, answerless

_SIZE = 2048
_CASES = ("float32", "bfloat16")


def write(folder: Path, setup: Setup) -> dict[str, Work]:
    """There is nothing to write."""
    return dict.fromkeys(_CASES, Work("product", 1, 2.0 * _SIZE**3, "operations", 2.0 * _SIZE**3))


def _tensorflow(folder: Path, setup: Setup) -> Built:
    import tensorflow as tf

    @tf.function
    def product(first, second):
        return tf.linalg.matmul(first, second)

    def of_type(dtype):
        first, second = (tf.cast(tf.random.stateless_normal([_SIZE, _SIZE], [0, n]), dtype) for n in range(2))
        return answerless(lambda: product(first, second)[0, 0].numpy())

    return Built({case: of_type(case) for case in _CASES})


SYSTEMS = {"tfbert": System(_tensorflow, ("tensorflow",), ("float32",))}
