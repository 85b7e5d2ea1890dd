"""The model card of a checkpoint folder."""

from typing import TYPE_CHECKING

from tfbert.checkpoints.model_tensors import Model, encoder_of
from tfbert.models.classifier import BertClassifier
from tfbert.models.pretrainer import BertPretrainer

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer


def model_card(model: Model, tokenizer: "BertTokenizer | None") -> str:
    """Return a card in Markdown: what the folder holds and how to load it."""
    config = encoder_of(model).config
    rows = {
        "layers": config.num_layers,
        "hidden units": config.hidden_dim,
        "attention heads": config.num_heads,
        "feed-forward units": config.intermediate_dim,
        "longest sequence": config.max_sequence_length,
        "word embeddings": config.vocabulary_size,
        "activation": config.activation,
        "parameters": f"{model.count_params():,}",
    }
    if isinstance(model, BertClassifier):
        title, loader = "BERT classifier", "load_classifier"
        rows["classes"] = ", ".join(model.labels)
    elif isinstance(model, BertPretrainer):
        title, loader = "BERT with its pre-training heads", "load_pretrainer"
        rows["heads"] = "masked words, next sentence" if model.next_sentence else "masked words"
    else:
        title, loader = "BERT encoder", "load_encoder"
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    use = ["import tfbert", f'model = tfbert.checkpoints.{loader}("FOLDER")']
    if tokenizer is not None:
        case = "uncased, accents removed" if tokenizer.lowercase else "cased"
        lines.append(f"| vocabulary | {tokenizer.vocabulary_size:,} tokens, {case} |")
        use.append('tokenizer = tfbert.BertTokenizer.from_folder("FOLDER")')
    table = "\n".join(["| | |", "|---|---|", *lines])
    return f"# {title}\n\nWritten by tfbert.\n\n{table}\n\n```python\n" + "\n".join(use) + "\n```\n"
