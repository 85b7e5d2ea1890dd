"""A small training as one worker of several, or alone where TF_CONFIG is not set.

    python workers_job.py FOLDER EPOCHS DROPOUT OWN

Prints what it learnt as its last line, as JSON. With OWN "own", the workers after the first look for the state in a
folder that they do not share.
"""

import json
import os
import sys

import keras
import numpy as np
import toy

from tfbert.training import pick_placement
from tfbert.training.resume import fit_resumable
from tfbert.training.workers import Workers

STEPS_PER_EPOCH = 25


class Steps(keras.callbacks.Callback):
    """Keeps the running loss of every step."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        if logs:
            self.losses.append(logs["loss"])


def main(folder, epochs, dropout, own):
    placement = pick_placement("multi_worker" if os.environ.get("TF_CONFIG") else "cpu", "float32", **(
        {"all_reduce": "ring", "all_reduce_timeout_seconds": 60.0} if os.environ.get("TF_CONFIG") else {}
    ))  # fmt: skip
    workers = Workers(placement.strategy)
    model = toy.model(placement.strategy, dropout=float(dropout))
    steps = Steps()
    folder = folder if workers.is_chief or not own else folder + "-own"
    # The last batch of each epoch is short, and no batch divides by the workers.
    history = fit_resumable(
        model,
        toy.rows(7 * (STEPS_PER_EPOCH - 1) + 5),
        epochs=int(epochs),
        folder=folder,
        validation=toy.rows(20, seed=1),
        save_every_seconds=0.0,
        callbacks=(steps,),
    )
    weights = np.concatenate([weight.ravel() for weight in toy.weights(model)]).tolist()
    print(json.dumps({"losses": steps.losses, "history": history, "weights": weights}))


if __name__ == "__main__":
    main(*sys.argv[1:])
