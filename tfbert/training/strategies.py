"""Which devices train, and in which precision."""

import dataclasses
import functools
from pathlib import Path

import tensorflow as tf

from tfbert.errors import InputError
from tfbert.training.workers import Workers, name_workers

STRATEGIES = ("auto", "cpu", "gpu", "mirrored", "multi_worker")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
ALL_REDUCES = ("auto", "ring", "nccl")


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where and how a model trains: build the model inside `strategy.scope()` with `dtype_policy`."""

    strategy: tf.distribute.Strategy
    dtype_policy: str
    description: str


def pick_placement(
    strategy: str = "auto",
    precision: str = "auto",
    *,
    all_reduce: str = "auto",
    all_reduce_timeout_seconds: float | None = None,
) -> Placement:
    """Pick the strategy and the dtype policy, and say what was picked and why.

    Args:
        strategy: "auto": every GPU mirrored if there are several, else the one GPU, else the CPU; "cpu"; "gpu": the
            first; "mirrored": all GPUs, or all logical CPU devices where there is no GPU; "multi_worker": the workers
            that TF_CONFIG or a Slurm step names. A process must pick it before TensorFlow computes anything.
        precision: "auto": bfloat16 where the hardware multiplies it, else float32; "float32", "bfloat16", "float16".
            Weights, layer norm, softmax and losses are float32 in every precision.
        all_reduce: how workers sum their gradients: "auto", "ring" (over gRPC) or "nccl" (between GPUs).
        all_reduce_timeout_seconds: end with an error where a sum takes longer, because a worker hangs; None waits. The
            first step of a worker that compiles long counts too.

    Raises:
        InputError: for an unknown word, a GPU that is not there, workers that nothing names, or options of an
            all-reduce between workers where there are none.
    """
    for word, words, flag in (
        (strategy, STRATEGIES, "strategy"),
        (precision, PRECISIONS, "precision"),
        (all_reduce, ALL_REDUCES, "all_reduce"),
    ):
        if word not in words:
            raise InputError(f"{flag} must be one of {', '.join(words)}; received {word!r}.")
    if strategy != "multi_worker" and (all_reduce, all_reduce_timeout_seconds) != ("auto", None):
        raise InputError(
            "all_reduce and all_reduce_timeout_seconds are about several workers and need strategy multi_worker; "
            f"received all_reduce={all_reduce!r}, all_reduce_timeout_seconds={all_reduce_timeout_seconds} for strategy "
            f"{strategy!r}."
        )
    picked: tf.distribute.Strategy
    if strategy == "multi_worker":
        if all_reduce == "nccl" and not tf.config.list_physical_devices("GPU"):
            raise InputError("all_reduce nccl needs GPUs and TensorFlow sees none: use auto or ring.")
        name_workers()
        # Before the devices are listed: that starts TensorFlow, after which workers can no longer be joined.
        picked = tf.distribute.MultiWorkerMirroredStrategy(
            communication_options=tf.distribute.experimental.CommunicationOptions(
                implementation=tf.distribute.experimental.CommunicationImplementation[all_reduce.upper()],
                timeout_seconds=all_reduce_timeout_seconds,
            )
        )
    gpus = tf.config.list_logical_devices("GPU")
    cpus = tf.config.list_logical_devices("CPU")
    if strategy == "gpu" and not gpus:
        raise InputError("strategy gpu needs a GPU and TensorFlow sees none: pip install 'tfbert[gpu]', or use cpu.")
    if strategy == "auto":
        strategy = "mirrored" if len(gpus) > 1 else "gpu" if gpus else "cpu"
    if strategy == "mirrored":
        picked = _mirrored(tuple(device.name for device in gpus or cpus))
        where = f"{picked.num_replicas_in_sync} {'GPUs' if gpus else 'logical CPU devices'}, mirrored"
    elif strategy == "multi_worker":
        where = f"{picked.num_replicas_in_sync} replicas of {Workers(picked).count} workers"
    else:
        device = gpus[0] if strategy == "gpu" else cpus[0]
        picked = tf.distribute.OneDeviceStrategy(device.name)
        where = f"one {device.device_type}"
    if precision == "auto":
        fast, reason = _gpu_bfloat16() if gpus and strategy != "cpu" else _cpu_bfloat16()
        precision = "bfloat16" if fast else "float32"
        how = f"{precision} ({reason})"
    else:
        how = f"{precision} (as asked)"
    policy = "float32" if precision == "float32" else f"mixed_{precision}"
    return Placement(picked, policy, f"{where}, {how}")


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    # One for the process: each new one numbers its all-reduces from the same start, and the runtime then takes them for
    # those of the one before ("Shape mismatch in the collective instance").
    return tf.distribute.MirroredStrategy(devices)


def _gpu_bfloat16() -> tuple[bool, str]:
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    lowest = min(capabilities)
    return lowest >= (8, 0), f"compute capability {lowest[0]}.{lowest[1]}, bfloat16 needs 8.0"


def _cpu_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[bool, str]:
    if not cpuinfo.exists():
        return False, "this system does not tell whether its CPU multiplies bfloat16"
    flags = set(cpuinfo.read_text().split())
    fast = bool(flags & {"amx_bf16", "avx512_bf16", "bf16"})
    return fast, f"the CPU multiplies {'bfloat16' if fast else 'no bfloat16'} in hardware"
