"""Training in several processes: how each finds the others, which of them writes, and what all must agree on."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfbert.errors import InputError

# Below the ports that Linux gives to clients.
_FIRST_PORT, _NUM_PORTS = 10_000, 20_000


class Workers:
    """All workers of a strategy; with a strategy of one process, that process alone.

    Every worker must call the methods in the same order. They wait for each other.

    Attributes:
        count: how many processes there are.
        is_chief: whether this is the one that writes files; the others read them.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        self.count = len(strategy.cluster_resolver.cluster_spec().job_tasks("worker")) if several else 1
        self.is_chief = strategy.extended.should_checkpoint
        self._strategy = strategy
        self._gather = self._gatherer(tf.distribute.experimental.CommunicationOptions())
        self._gather_at_last = self._gatherer(tf.distribute.experimental.CommunicationOptions(timeout_seconds=0))

    def chiefs(self, number: float) -> float:
        """Return the chief's `number`."""
        return float(self._numbers(number)[0])

    def any(self, flag: bool) -> bool:
        """Return whether a worker has `flag` set."""
        return bool(self._numbers(flag).any())

    def wait(self) -> None:
        """Wait until every worker is here, however long that takes."""
        if self.count > 1:
            self._gather_at_last(tf.zeros([], tf.float64))

    @contextlib.contextmanager
    def chief_prints(self) -> Iterator[None]:
        """Within the block the other workers print nothing on standard output."""
        with contextlib.ExitStack() as stack:
            if not self.is_chief:
                stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
            yield

    def of_all_replicas(self, parts: Sequence[Sequence[tf.Tensor]]) -> list[np.ndarray]:
        """Return the parts of every replica of every worker.

        Args:
            parts: for each of some numbers or tensors, what each replica of this worker holds of it.

        Returns:
            For each the parts of all replicas, in their order, stacked; of the same dtype.
        """
        flat = [
            tf.concat([tf.reshape(tf.cast(part, tf.float64), [-1]) for part in own], 0)
            for own in zip(*parts, strict=True)
        ]
        rows = self._gathered(flat) if self.count > 1 else np.stack(flat)
        columns = np.split(rows, np.cumsum([tf.size(each[0]) for each in parts])[:-1], axis=1)
        return [
            column.reshape(-1, *each[0].shape).astype(each[0].dtype.as_numpy_dtype)
            for column, each in zip(columns, parts, strict=True)
        ]

    @property
    def own_replicas(self) -> range:
        """Which of all replicas are this worker's."""
        own = self._strategy.num_replicas_in_sync // self.count
        first = own * self._strategy.cluster_resolver.task_id if self.count > 1 else 0
        return range(first, first + own)

    def _numbers(self, number: float) -> np.ndarray:
        own = [tf.constant(number, tf.float64)] * len(self.own_replicas)
        return self._gathered(own) if self.count > 1 else np.stack(own)

    def _gathered(self, own: Sequence[tf.Tensor]) -> np.ndarray:
        """Stack the float64 tensors of all replicas; `own` are those of the replicas here."""
        values = self._strategy.experimental_distribute_values_from_function(
            lambda context: own[context.replica_id_in_sync_group % len(own)]
        )
        return self._strategy.experimental_local_results(self._gather(values))[0].numpy()

    def _gatherer(self, options):
        def on_replica(tensor):
            context = tf.distribute.get_replica_context()
            return context.all_gather(tf.expand_dims(tensor, 0), axis=0, options=options)

        # Compiled: under several workers TensorFlow is slow outside of a graph, and says so at each call.
        return tf.function(lambda tensor: self._strategy.run(on_replica, (tensor,)), autograph=False)


def name_workers() -> None:
    """See to it that TF_CONFIG names all workers and which this is: where it does not, the Slurm step does.

    Raises:
        InputError: TF_CONFIG cannot be read as such, or neither names any workers.
    """
    if os.environ.get("TF_CONFIG"):
        _check(os.environ["TF_CONFIG"])
    elif "SLURM_STEP_NODELIST" in os.environ:
        os.environ["TF_CONFIG"] = json.dumps(_slurm_cluster())
    else:
        raise InputError(
            "strategy multi_worker needs workers: `tfbert launch` starts them on this machine, `srun` on several "
            "(SLURM_STEP_NODELIST is not set), and elsewhere the environment variable TF_CONFIG names them (not set)."
        )


def _check(tf_config: str) -> None:
    try:
        config = json.loads(tf_config)
        workers, index = config["cluster"]["worker"], config["task"]["index"]
        named = (
            config["task"]["type"] == "worker"
            and [*config["cluster"]] == ["worker"]
            and index in range(len(workers))
            and all(":" in worker for worker in workers)
        )
    except (ValueError, TypeError, LookupError):
        named = False
    if not named:
        raise InputError(
            "TF_CONFIG must name the workers and which this is, such as "
            '{"cluster": {"worker": ["host1:5000", "host2:5000"]}, "task": {"type": "worker", "index": 0}}; received '
            f"{tf_config}."
        )


def _slurm_cluster() -> dict:
    """Return TF_CONFIG for this task of a Slurm step.

    The addresses are those of `SlurmClusterResolver`. Which of them is this task's is not, since it takes the hosts
    sorted by name and the tasks as Slurm counts them, which differ from node9 to node10; nor are the GPUs, since it
    fails on nodes without any.
    """
    environment = os.environ
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        port_base=_FIRST_PORT + int(environment["SLURM_JOB_ID"]) % _NUM_PORTS,
        gpus_per_node=int(environment["SLURM_STEP_NUM_TASKS"]),
        gpus_per_task=1,
        auto_set_gpu=False,
    )
    workers = resolver.cluster_spec().as_dict()["worker"]
    on_host = [worker for worker in workers if worker.split(":")[0] == environment["SLURMD_NODENAME"]]
    own = on_host[int(environment["SLURM_LOCALID"])]
    return {"cluster": {"worker": workers}, "task": {"type": "worker", "index": workers.index(own)}}
