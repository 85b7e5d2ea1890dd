import tensorflow as tf

import tfbert
from tfbert.serving import encode_masked

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "##ness", "!", "app", "[", "mask", "]"]


def encode(texts, max_length=12, lowercase=True):
    return encode_masked(tfbert.BertTokenizer(TOKENS, lowercase), tf.constant(texts, tf.string), max_length)


def test_masks_stand_where_the_text_has_them():
    texts = ["Good [MASK] app", "[MASK]", "goodness", "", "good[MASK]ness[MASK]", "[MASK][MASK] !"]
    inputs = encode(texts)
    assert inputs["token_ids"].numpy().tolist() == [
        [2, 5, 4, 8, 3, 0],
        [2, 4, 3, 0, 0, 0],
        [2, 5, 6, 3, 0, 0],
        [2, 3, 0, 0, 0, 0],
        [2, 5, 4, 1, 4, 3],  # "ness" begins a word of its own
        [2, 4, 4, 7, 3, 0],
    ]
    assert inputs["padding_mask"].numpy().sum(-1).tolist() == [5, 3, 4, 2, 6, 5]
    assert not inputs["segment_ids"].numpy().any()
    assert {ids.dtype for ids in inputs.values()} == {tf.int32}


def test_only_the_literal_is_a_mask():
    assert encode(["[mask] [MASK"])["token_ids"].numpy().tolist() == [[2, 9, 10, 11, 9, 10, 3]]


def test_what_is_too_long_is_cut_masks_too():
    assert encode(["good [MASK] app [MASK]"], max_length=4)["token_ids"].numpy().tolist() == [[2, 5, 4, 3]]


def test_texts_without_masks_are_as_the_tokenizer_has_them():
    tokenizer = tfbert.BertTokenizer(TOKENS)
    texts = tf.constant(["Goodness! app", "", "app app app app app"])
    for name, ids in tokenizer.encode(texts, max_length=5).items():
        assert (encode_masked(tokenizer, texts, 5)[name].numpy() == ids.numpy()).all()


def test_no_texts():
    assert encode([])["token_ids"].shape == (0, 2)
