"""New rows for new tokens, and nothing else changed."""

import keras
import numpy as np
import pytest

import tfbert
from tfbert.checkpoints import extend_model, load_pretrainer, save
from tfbert.checkpoints.model_tensors import OUTPUT_BIAS, WORD_EMBEDDINGS, model_places
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

PIECES = {7: (5, 6), 8: (1,), 9: (6, 6, 2)}


def make_pretrainer():
    keras.utils.set_random_seed(0)
    config = tfbert.BertConfig(7, 12, 2, 3, 20, max_sequence_length=16, dropout_rate=0.0)
    pretrainer = tfbert.BertPretrainer(tfbert.BertEncoder(config), next_sentence_weight=0.5)
    for weight in pretrainer.weights:
        weight.assign(np.random.default_rng(3).normal(0, 0.3, weight.shape))
    return pretrainer


def batch(rows):
    ids = np.array(rows, "int32")
    positions = np.tile(np.arange(ids.shape[1], dtype="int32"), (len(rows), 1))
    return {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1, "mask_positions": positions}


def test_new_rows_are_means_and_the_rest_is_the_same():
    pretrainer = make_pretrainer()
    extended = extend_model(pretrainer, PIECES)
    assert extended.encoder.config.vocabulary_size == 10
    assert (extended.next_sentence_weight, extended.encoder.config.dropout_rate) == (0.5, 0.0)
    old = {name: place.value() for name, place in model_places(pretrainer).items()}
    for name, place in model_places(extended).items():
        value = place.value()
        if name in (WORD_EMBEDDINGS, OUTPUT_BIAS):
            for new, pieces in PIECES.items():
                expected = sum(old[name][piece].astype("float64") for piece in pieces) / len(pieces)
                np.testing.assert_allclose(value[new], expected, rtol=0, atol=1e-7)
            value = value[:7]
        np.testing.assert_array_equal(value, old[name], err_msg=name)


def test_texts_without_new_tokens_are_read_as_before_and_new_logits_are_means():
    pretrainer = make_pretrainer()
    extended = extend_model(pretrainer, PIECES)
    inputs = batch([[2, 5, 6, 1, 3], [2, 1, 1, 4, 3]])
    before, after = pretrainer(inputs), extended(inputs)
    old, new = (np.asarray(outputs["masked_lm_logits"]) for outputs in (before, after))
    np.testing.assert_allclose(new[..., :7], old, rtol=0, atol=1e-5)
    for token, pieces in PIECES.items():
        np.testing.assert_allclose(new[..., token], old[..., list(pieces)].mean(-1), rtol=0, atol=1e-5)
    np.testing.assert_allclose(after["next_sentence_logits"], before["next_sentence_logits"], rtol=0, atol=1e-5)


def test_what_was_unknown_is_read_as_before():
    pretrainer = make_pretrainer()
    extended = extend_model(pretrainer, PIECES)
    before, after = (
        np.asarray(model.encoder(batch([[2, 5, token, 3]]))["sequence_output"])
        for model, token in ((pretrainer, 1), (extended, 8))
    )
    np.testing.assert_array_equal(before, after)


def test_rows_in_the_table_are_filled_without_growing():
    pretrainer = make_pretrainer()
    extended = extend_model(pretrainer.encoder, {5: (6,), 7: (5,)})
    old, new = (np.array(model.embeddings.word_embeddings) for model in (pretrainer.encoder, extended))
    np.testing.assert_array_equal(new, old[[0, 1, 2, 3, 4, 6, 6, 5]])  # 7 was 5, as it had been


def test_a_classifier_keeps_its_labels_and_frozen_layers():
    encoder = tfbert.BertEncoder(tfbert.BertConfig(7, 12, 2, 3, 20), dtype="mixed_bfloat16")
    classifier = tfbert.BertClassifier(encoder, ("a", "b", "c"), dropout_rate=0.3)
    classifier.freeze(embeddings=True, layers=1)
    extended = extend_model(classifier, PIECES)
    assert (extended.labels, extended.dropout_rate) == (("a", "b", "c"), 0.3)
    assert extended.dtype_policy.name == "mixed_bfloat16"
    assert (extended.encoder.embeddings.trainable, extended.encoder.blocks[0].trainable) == (False, False)
    np.testing.assert_array_equal(extended.head.kernel, classifier.head.kernel)


@pytest.mark.parametrize("pieces", [{7: ()}, {7: (7,)}, {8: (1,)}, {7: (-1,)}])
def test_pieces_of_another_vocabulary(pieces):
    with pytest.raises(InputError, match="Extend the vocabulary that belongs to the model"):
        extend_model(make_pretrainer(), pieces)


def test_saved_with_its_vocabulary(tmp_path):
    extended = extend_model(make_pretrainer(), PIECES)
    tokens = [*SPECIAL_TOKENS, "a", "b", "ab", "😀", "bb"]
    save(extended, tmp_path / "extended", tokenizer=BertTokenizer(tokens))
    assert load_pretrainer(tmp_path / "extended").encoder.config.vocabulary_size == 10
    assert BertTokenizer.from_folder(tmp_path / "extended").tokenize("ab 😀").numpy().tolist() == [7, 8]
