"""A folder of each format goes into fine-tuning, with its vocabulary and to the same start."""

import numpy as np
import pytest
from folders import make_model

from tfbert.checkpoints import load_tokenizer, save
from tfbert.data import sample_vocabulary
from tfbert.evaluation import predict_logits
from tfbert.tokenization import BertTokenizer
from tfbert.training import pick_placement
from tfbert.training.text_classification import TextClassification

TEXTS = ["I love it", "It crashes", "Great app, thank you", "Does not open anymore"] * 4


@pytest.mark.slow
def test_every_format_starts_alike_and_trains(tmp_path):
    tokenizer = BertTokenizer(sample_vocabulary())
    encoder = make_model("encoder", vocabulary_size=tokenizer.vocabulary_size, num_layers=1)
    logits = {}
    for format in ("native", "huggingface", "google", "keras_hub"):
        save(encoder, tmp_path / format, format=format, tokenizer=tokenizer)
        task = TextClassification(
            load_tokenizer(tmp_path / format),
            ("bad", "good"),
            str(tmp_path / format),
            pick_placement("cpu", "float32"),
            max_length=10,
            batch_size=8,
            epochs=1,
        )
        rows = task.rows(TEXTS, np.array([1, 0] * 8))
        logits[format] = predict_logits(task.classifier(seed=0), rows)
        np.testing.assert_array_equal(logits[format], logits["native"])
    trained, _ = task.train(0, rows, rows, tmp_path / "run")
    assert np.abs(predict_logits(trained, rows) - logits["native"]).max() > 1e-6
