"""Learn a WordPiece vocabulary from texts, or add their words and emoji to the vocabulary of a checkpoint.

  python recipes/train_vocabulary.py                                       1,000 tokens from the bundled sample
  python recipes/train_vocabulary.py --data "text/*.txt.gz" --size 30000
  python recipes/train_vocabulary.py --data reviews.csv --extend FOLDER    FOLDER's model with 1,000 more tokens

Without --extend the output folder holds vocab.txt, its case and report.json. With it, it is a checkpoint: FOLDER's
model, heads included, in which each new token starts from the mean of its old pieces. Seconds on the sample; a million
different words take minutes.
"""

import dataclasses
import json
from pathlib import Path

from tfbert.cli import run_recipe, setting
from tfbert.errors import InputError


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run depends on."""

    data: str = setting("sample", "sample, or files and patterns such as text/*.txt.gz, comma-separated")
    layout: str = setting("auto", "auto, blank_line (between documents), line (one document each) or csv")
    text_columns: str = setting("content,replyContent", "columns of a CSV with text, comma-separated")
    size: int = setting(1000, "tokens to learn, special ones included")
    lowercase: bool = setting(True, "lower-case and remove accents; with --extend as the checkpoint says")
    character_min_count: int = setting(5, "occurrences from which a character is learnt")
    emoji_min_count: int = setting(2, "occurrences from which an emoji is learnt or added")
    extend: str | None = setting(None, "checkpoint folder whose vocabulary is extended")
    new_tokens: int = setting(1000, "most tokens to add with --extend")
    word_min_count: int = setting(10, "occurrences from which a word is added with --extend")
    reuse_unused: bool = setting(False, "with --extend, put new tokens in the place of [unused...] first")
    output: str = setting("runs/vocabulary", "folder to make")

    def __post_init__(self):
        for name in ("size", "character_min_count", "emoji_min_count", "new_tokens", "word_min_count"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')} must be at least 1; received {getattr(self, name)}.")
        if Path(self.output).exists():
            raise InputError(f"--output must be a new folder; {self.output} is there. Name another, or delete it.")


def main(settings: Settings) -> None:
    """Run the recipe."""
    from tfbert import checkpoints, tokenization
    from tfbert.atomic import written_beside
    from tfbert.data.documents import DocumentFiles

    # 1. The words of the texts, cut as the tokenizer cuts them.
    old = model = None
    if settings.extend:
        old, model = checkpoints.load_tokenizer(settings.extend), checkpoints.load(settings.extend)
    documents = DocumentFiles(
        settings.data.split(","), layout=settings.layout, text_columns=settings.text_columns.split(",")
    )
    words = tokenization.count_words(
        ("\n".join(document) for document in documents), lowercase=old.lowercase if old else settings.lowercase
    )
    print(f"texts       {words.texts:,} documents, {words.counts.total():,} words, {len(words.counts):,} different")

    # 2. The tokens.
    if old:
        extension = tokenization.extend_vocabulary(
            old,
            words,
            max_new_tokens=settings.new_tokens,
            word_min_count=settings.word_min_count,
            emoji_min_count=settings.emoji_min_count,
            reuse_unused=settings.reuse_unused,
        )
        tokenizer = tokenization.BertTokenizer(extension.tokens, lowercase=old.lowercase)
        new = [extension.tokens[number] for number in extension.pieces]
        print(f"new tokens  {len(new):,}: {' '.join(new[:12])}{' ...' if len(new) > 12 else ''}")
    else:
        tokens = tokenization.learn_vocabulary(
            words.counts,
            settings.size,
            character_min_count=settings.character_min_count,
            emoji_min_count=settings.emoji_min_count,
        )
        if len(tokens) < settings.size:
            print(f"tokens      {len(tokens):,}: the words have no more pieces to give than that")
        tokenizer = tokenization.BertTokenizer(tokens, lowercase=settings.lowercase)

    # 3. How they serve the texts.
    reports = {"before": tokenization.measure_vocabulary(words, old)} if old else {}
    reports["after" if old else "learnt"] = tokenization.measure_vocabulary(words, tokenizer)
    table = _table(reports)
    print(f"\n{table}\n")

    # 4. The folder.
    if old and model:
        extended = checkpoints.extend_model(model, extension.pieces)
        card = f"{checkpoints.model_card(extended, tokenizer)}\n## Vocabulary\n\n```\n{table}\n```\n"
        checkpoints.save(extended, settings.output, tokenizer=tokenizer, card=card)
        print(f"checkpoint  {settings.output}")
        return
    Path(settings.output).parent.mkdir(parents=True, exist_ok=True)
    with written_beside(settings.output) as folder:
        folder.mkdir()
        tokenizer.vocabulary.write(folder / "vocab.txt")
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": settings.lowercase}) + "\n")
        report = {"settings": dataclasses.asdict(settings), **dataclasses.asdict(reports["learnt"])}
        (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"vocabulary  {Path(settings.output) / 'vocab.txt'}")


def _table(reports) -> str:
    """Return the reports side by side."""
    rows = {
        "": list(reports),
        "tokens": [f"{report.tokens:,}" for report in reports.values()],
        "pieces a word": [f"{report.pieces_per_word:.3f}" for report in reports.values()],
        "unknown words": [f"{report.unknown_words:.2%}" for report in reports.values()],
        "texts with emoji": [f"{report.texts_with_emoji:.1%}" for report in reports.values()],
        "unknown emoji": [f"{report.unknown_emoji:.1%} of {report.emoji:,}" for report in reports.values()],
    }
    return "\n".join(f"{name:<18}" + "".join(f"{value:>18}" for value in values) for name, values in rows.items())


if __name__ == "__main__":
    run_recipe(main, Settings)
