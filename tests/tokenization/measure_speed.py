"""Measure the tokenizer: `python tests/tokenization/measure_speed.py VOCAB_TXT REVIEWS_CSV`.

Prints tokens a CPU second over batches of 512 reviews, eagerly and in one process, and the time of one review of 150 to
200 characters in a concrete function, each the best of several runs.
"""

import sys
import time

import tensorflow as tf

from tfbert import BertTokenizer
from tfbert.data import read_reviews


def main(vocabulary: str, csv: str) -> None:
    """Print both figures."""
    tokenizer = BertTokenizer(vocabulary)
    texts = list(read_reviews(csv).texts)
    batches = [tf.constant(texts[start : start + 512]) for start in range(0, len(texts), 512)]
    tokens = sum(int(tf.size(tokenizer.tokenize(batch).values)) for batch in batches)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        for batch in batches:
            tokenizer.tokenize(batch)
        seconds.append(time.process_time() - start)
    print(f"batches of 512: {tokens / min(seconds):,.0f} tokens a CPU second")
    one = tf.constant([next(text for text in texts if 150 < len(text) < 200)])
    function = tf.function(lambda text: tokenizer.tokenize(text).values)
    concrete = function.get_concrete_function(tf.TensorSpec([None], tf.string))
    seconds = []
    for _ in range(500):
        start = time.perf_counter()
        concrete(one)
        seconds.append(time.perf_counter() - start)
    print(f"one review: {1e3 * min(seconds):.2f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
