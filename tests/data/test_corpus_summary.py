from tfbert.data.corpus_summary import corpus_summary
from tfbert.data.records import Corpus


def test_counts_shares_and_padding(tmp_path):
    train = {
        "documents": 1200,
        "sentences": 5000,
        "tokens": 20000,
        "unknown_tokens": 30,
        "rows": {"16": 2000},
        "rows_with_two_sentences": {"16": 1500},
        "row_tokens": {"16": 24000},
    }
    manifest = {"sequence_lengths": [16], "train": train, "held_out": {}}
    assert corpus_summary(Corpus(tmp_path, manifest, {})).splitlines() == [
        "                                    training      held out",
        "documents                              1,200             0",
        "sentences                              5,000             0",
        "tokens                                20,000             0",
        "[UNK] among the tokens                  0.1%             -",
        "rows of 16 tokens                      2,000             0",
        "  with two sentences or more           75.0%             -",
        "  padding, if filled to 16             25.0%             -",
    ]


def test_what_was_left_out_is_told_where_something_could_be(tmp_path):
    manifest = {"sequence_lengths": [], "train": {}, "held_out": {}, "dropped": {"short": 1234, "duplicate": 0}}
    assert corpus_summary(Corpus(tmp_path, manifest, {})).splitlines()[-2:] == [
        "left out: short                        1,234",
        "left out: occur again                      0",
    ]
