"""What drawing pairs and masks costs beside a training step of the 6 x 384 model, 32 rows of 128 tokens a batch.

    python tests/data/measure_inputs.py [TEXT ...]

TEXT are plain text files with a blank line between documents; without any, the bundled sample. Times are CPU seconds of
all threads, tracing left out.
"""

import sys
import tempfile
import time

import numpy as np

from tfbert import data
from tfbert.config import BertConfig
from tfbert.data.inputs import PretrainingInputs
from tfbert.data.masking import Masking
from tfbert.data.sentence_pairs import SentencePairs
from tfbert.models import BertEncoder, BertPretrainer
from tfbert.tokenization import BertTokenizer
from tfbert.training import BertAdamW

ROWS, LENGTH = 32, 128


def seconds_per_call(call, calls, warm_up=3):
    for _ in range(warm_up):
        call()
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) / calls


def main(sources):
    tokenizer = BertTokenizer(data.sample_vocabulary())
    with tempfile.TemporaryDirectory() as folder:
        corpus = data.prepare_corpus(
            data.DocumentFiles(sources or ["sample"]), tokenizer, f"{folder}/corpus", sequence_lengths=(LENGTH,)
        )
        inputs = PretrainingInputs(
            corpus, SentencePairs(tokenizer.vocabulary, LENGTH), Masking(tokenizer.vocabulary), ROWS
        )
        batches = iter(inputs.dataset(0, 1000))
        per_batch = seconds_per_call(lambda: next(batches), calls=500)

    config = BertConfig(vocabulary_size=30_522, hidden_dim=384, num_layers=6, num_heads=12, intermediate_dim=1536)
    model = BertPretrainer(BertEncoder(config))
    model.compile(BertAdamW(1e-4))
    generator = np.random.default_rng(0)
    batch = {
        "token_ids": generator.integers(5, 30_000, (ROWS, LENGTH)),
        "segment_ids": np.zeros((ROWS, LENGTH)),
        "padding_mask": np.ones((ROWS, LENGTH)),
        "mask_positions": np.tile(np.arange(1, 21), (ROWS, 1)),
        "mask_ids": generator.integers(5, 30_000, (ROWS, 20)),
        "next_sentence_labels": generator.integers(0, 2, ROWS),
    }
    batch = {name: value.astype(np.int32) for name, value in batch.items()}
    batch["mask_weights"] = np.ones((ROWS, 20), np.float32)
    per_step = seconds_per_call(lambda: model.train_on_batch(batch), calls=10)
    print(f"pairs and masks {1000 * per_batch:.1f} ms of CPU a batch of {ROWS} rows of at most {LENGTH} tokens")
    print(f"training step   {1000 * per_step:.1f} ms of CPU, 6 x 384, {ROWS} x {LENGTH}, 20 masks, dropout 0.1")
    print(f"share           {per_batch / per_step:.2%}")


if __name__ == "__main__":
    main(sys.argv[1:])
