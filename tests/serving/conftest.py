"""A classifier and a pretrainer of random weights, exported into one serving folder; `token_models` lies beside."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for what test modules share; tests are no package


@pytest.fixture(scope="session")
def tokenizer():
    import tfbert
    from tfbert.data import sample_vocabulary

    return tfbert.BertTokenizer(sample_vocabulary())


def _filled(make, strategy):
    """What `make` makes, under a strategy, with weights of some size."""
    import tensorflow as tf

    with (strategy or tf.distribute.get_strategy()).scope():
        built = make()
    rng = np.random.default_rng(0)
    built.set_weights([rng.normal(0, 0.6, w.shape).astype("float32") for w in built.get_weights()])
    return built


@pytest.fixture(scope="session")
def make_classifier(tokenizer):
    import tfbert

    def make(strategy=None, labels=("bad", "so-so", "good")):
        config = tfbert.BertConfig(tokenizer.vocabulary_size, 24, 2, 3, 40)
        return _filled(lambda: tfbert.BertClassifier(tfbert.BertEncoder(config), labels=labels), strategy)

    return make


@pytest.fixture(scope="session")
def make_pretrainer(tokenizer):
    """Makes a pretrainer whose table has a few rows more than the vocabulary."""
    import tfbert
    from tfbert.models import BertPretrainer

    def make(strategy=None, spare_rows=7, **options):
        config = tfbert.BertConfig(tokenizer.vocabulary_size + spare_rows, 24, 2, 3, 40)
        return _filled(lambda: BertPretrainer(tfbert.BertEncoder(config), **options), strategy)

    return make


@pytest.fixture(scope="session")
def serving(tmp_path_factory):
    """The folder of both exports."""
    return tmp_path_factory.mktemp("exports") / "serving"


@pytest.fixture(scope="session")
def exported(tokenizer, make_classifier, serving):
    """A classifier and its export, with a temperature of 1.7, at most 64 tokens, pairs too."""
    from tfbert.serving import export

    model = make_classifier()
    figures = {"Test rows": {"accuracy": 0.69512, "rows": 1295}}
    options = {"max_length": 64, "temperature": 1.7, "pairs": True, "figures": figures}
    return model, export(model, tokenizer, serving / "reviews", **options)


@pytest.fixture(scope="session")
def exported_pretrainer(tokenizer, make_pretrainer, serving):
    """A pretrainer and its export, with at most 40 tokens and 3 proposals for a mask."""
    from tfbert.serving import export_pretrainer
    from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

    model = make_pretrainer()
    # Else the special tokens and the rows beyond the vocabulary would hardly ever win.
    bias = model.masked_lm_head.bias.numpy()
    bias[[*map(tokenizer.token_to_id, SPECIAL_TOKENS), *range(tokenizer.vocabulary_size, len(bias))]] += 12
    model.masked_lm_head.bias.assign(bias)
    return model, export_pretrainer(model, tokenizer, serving / "bert", max_length=40, top_k=3)
