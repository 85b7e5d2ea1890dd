import pytest
import tensorflow as tf

from tfbert.serving import export


def card_of(path):
    return (path / "model_card.md").read_text(encoding="utf-8")


def test_the_card_states_the_model_and_the_figures_that_were_given(exported, exported_pretrainer, tokenizer):
    card = card_of(exported[1])
    assert card.startswith("# reviews, version 1\n\n## Model\n")
    for row in (
        "| kind | BERT classifier |",
        "| classes | bad, so-so, good |",
        "| encoder | 2 layers, 24 hidden units, 3 heads |",
        f"| parameters | {exported[0].count_params():,} |",
        f"| vocabulary | {tokenizer.vocabulary_size:,} tokens, uncased |",
        "| tokens at which a text is cut | 64 |",
        "| temperature | 1.7 |",
        "| weights | float32 |",
        f"TensorFlow {tf.__version__} |",
    ):
        assert row in card, row
    assert card.endswith("## Test rows\n\n| | |\n|---|---|\n| accuracy | 0.6951 |\n| rows | 1295 |\n")
    without = card_of(exported_pretrainer[1])
    assert "| heads | masked words, next sentence |" in without
    assert without.endswith("| figures | none were handed to the export |\n")
    assert "ccuracy" not in without


def test_figures_without_sections(make_classifier, tokenizer, tmp_path):
    with pytest.raises(TypeError, match="sections"):
        export(make_classifier(), tokenizer, tmp_path / "m", figures={"accuracy": 0.7})
    assert not list(tmp_path.iterdir())
