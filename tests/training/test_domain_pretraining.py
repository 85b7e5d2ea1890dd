import keras
import numpy as np
import pytest

from tfbert import BertConfig, BertEncoder, BertTokenizer, checkpoints
from tfbert.data import load_reviews, sample_vocabulary
from tfbert.data.records import Corpus
from tfbert.errors import InputError
from tfbert.training import pick_placement
from tfbert.training.domain_pretraining import pretrain_on_texts


@pytest.fixture(scope="module")
def texts():
    return load_reviews("sample").texts[:120]


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(sample_vocabulary())


@pytest.fixture(scope="module")
def encoder(tmp_path_factory, tokenizer):
    """A checkpoint without heads."""
    keras.utils.set_random_seed(0)
    config = BertConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        hidden_dim=12,
        num_layers=1,
        num_heads=2,
        intermediate_dim=20,
        max_sequence_length=64,
    )
    folder = tmp_path_factory.mktemp("encoder") / "bert"
    checkpoints.save(BertEncoder(config), folder, tokenizer=tokenizer)
    return folder


def pretrained(texts, tokenizer, encoder, folder, epochs=2, **options):
    placement = pick_placement("cpu", "float32")
    options = {"epochs": epochs, "sequence_length": 32, "learning_rate": 1e-2, **options}
    return pretrain_on_texts(texts, tokenizer, str(encoder), placement, folder, **options)


@pytest.mark.slow
def test_texts_become_a_checkpoint_that_knows_them_better(texts, tokenizer, encoder, tmp_path, capsys):
    checkpoint, last = pretrained(texts, tokenizer, encoder, tmp_path)
    printed = capsys.readouterr().out
    assert "training  " in printed
    assert "evaluation 2/2" in printed
    assert checkpoint == tmp_path / "checkpoint"

    # Every text was a document, some held out; each row was seen twice, an evaluation after each pass.
    corpus = Corpus.open(tmp_path / "corpus")
    held_out, train = (corpus.manifest[split]["documents"] for split in ("held_out", "train"))
    assert held_out + train == len(texts)
    assert 0 < held_out < train
    steps = -(-2 * corpus.num_rows("train", 32) // 32)
    assert steps <= last["step"] <= steps + 3
    assert last["val_masked_lm_loss"] < np.log(tokenizer.vocabulary_size) - 0.3
    assert 0 <= last["val_next_sentence_balanced_accuracy"] <= 1

    # It holds the encoder's weights, trained, its heads and the tokenizer.
    before, after = (checkpoints.load_encoder(folder) for folder in (encoder, checkpoint))
    assert before.config == after.config
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before.get_weights(), after.get_weights(), strict=True))
    assert checkpoints.load_pretrainer(checkpoint).count_params() > before.count_params()
    assert checkpoints.load_tokenizer(checkpoint).vocabulary.tokens == tokenizer.vocabulary.tokens

    # What is done is not done again.
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert pretrained(texts, tokenizer, encoder, tmp_path) == (checkpoint, last)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == files
    assert "evaluation" not in capsys.readouterr().out


@pytest.mark.parametrize(("from_scratch", "rate"), [(True, 1e-3), (False, 1e-4)])
def test_the_rate_suits_what_is_gone_on_from(texts, tokenizer, encoder, tmp_path, from_scratch, rate, monkeypatch):
    import tfbert.training.domain_pretraining as module

    class Made(Exception):
        pass

    class Task(module.Pretraining):
        def train(self, *arguments):
            raise Made(self.peak_learning_rate)

    monkeypatch.setattr(module, "Pretraining", Task)
    with pytest.raises(Made, match=str(rate)):
        pretrained(texts, tokenizer, "tiny" if from_scratch else encoder, tmp_path, learning_rate=None)


def test_what_cannot_be_trained_is_refused(texts, tokenizer, encoder, tmp_path):
    with pytest.raises(InputError, match="two training documents or more; received 1"):
        pretrained(texts[:1], tokenizer, encoder, tmp_path / "one")
    with pytest.raises(InputError, match="64 positions; received 128"):
        pretrained(texts, tokenizer, encoder, tmp_path / "long", sequence_length=128)
