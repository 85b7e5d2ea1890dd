import numpy as np

import tfbert
from tfbert.serving.token_comparison import ROWS_TOGETHER, compare


def test_answers_and_times_of_two_programs():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "app"]
    tokenizer = tfbert.BertTokenizer(words)
    texts = ["good " * (1 + number % 9) + "app" * (number == 3) for number in range(40)]
    shapes = {"one": [], "two": []}

    def program(name, far):
        def answers(inputs):
            ids, mask = inputs["token_ids"], inputs["padding_mask"]
            shapes[name].append(ids.shape)
            assert {ids.dtype, inputs["segment_ids"].dtype, mask.dtype} == {np.dtype("int32")}
            # In step with each other but on the row with "app", where `far` turns the label.
            first = 0.5 + 0.01 * (mask.sum(axis=-1) % 3 + 1) - far * (ids == 6).any(axis=-1)
            return np.stack([first, 1 - first], axis=-1)

        return answers

    found = compare({"one": program("one", 0.0), "two": program("two", 0.25)}, tokenizer, texts, 8)
    assert found.num_rows == 40
    np.testing.assert_allclose(found.largest_difference, 0.25)
    assert found.same_labels == 39 / 40
    # Sorted by length, cut at 8 tokens, 32 together; no batch is padded further than its longest row.
    assert shapes["one"][:2] == [(ROWS_TOGETHER, 8), (8, 8)]
    assert shapes["one"] == shapes["two"]
    assert found.lengths == (8, 8)
    # One row and 32 were timed, the same for both.
    assert {rows for rows, _ in shapes["one"][2:]} == {1, ROWS_TOGETHER}
    assert {name: len(times) for name, times in found.milliseconds.items()} == {"one": 2, "two": 2}
    assert all(time > 0 for times in found.milliseconds.values() for time in times)
