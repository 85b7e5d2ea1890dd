"""A small pre-training run as a process of its own, which tests kill, mirror and spread over workers.

    python pretraining_job.py CORPUS ENCODER FOLDER STRATEGY WAIT_AT

Prints `step` after each step, waits for ever after step WAIT_AT (to be killed there), and at the end writes the weights
to FOLDER/end.npz and prints the history as JSON.
"""

import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfbert.config import BertConfig
from tfbert.data.records import Corpus
from tfbert.training import pick_placement
from tfbert.training.pretraining import Pretraining

STEPS = 50


class Steps(keras.callbacks.Callback):
    """Keeps the running loss of every step."""

    def __init__(self, wait_at=0):
        super().__init__()
        self.losses = []
        self.wait_at = wait_at

    def on_train_batch_end(self, batch, logs=None):
        if logs:
            self.losses.append(logs["masked_lm_loss"] + logs["next_sentence_loss"])
            if self.wait_at:
                print("step", flush=True)
            while len(self.losses) == self.wait_at:
                time.sleep(1)


def small_config(vocabulary_size, dropout):
    return BertConfig(
        vocabulary_size=vocabulary_size,
        hidden_dim=16,
        num_layers=2,
        num_heads=2,
        intermediate_dim=24,
        max_sequence_length=64,
        dropout_rate=dropout,
        attention_dropout_rate=dropout,
    )


def make_task(corpus, encoder, strategy, **options):
    settings = {"batch_size": 6, "micro_batches": 1, "evaluations": 5, "learning_rate": 1e-3, "seed": 3}
    placement = pick_placement(strategy, "float32")
    return Pretraining(Corpus.open(corpus), str(encoder), placement, sequence_length=32, **{**settings, **options})


def main(corpus, encoder, folder, strategy, wait_at):
    steps = Steps(int(wait_at))
    pretrainer, history = make_task(corpus, encoder, strategy, save_every_seconds=0.0).train(
        STEPS, Path(folder), [steps]
    )
    # Of several workers the chief alone has written here.
    Path(folder).mkdir(parents=True, exist_ok=True)
    np.savez(Path(folder) / "end.npz", *[weight.numpy() for weight in pretrainer.weights])
    for record in history:
        del record["seconds"]
    print(json.dumps({"history": history, "losses": steps.losses}))


if __name__ == "__main__":
    if sys.argv[4] == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    main(*sys.argv[1:])
