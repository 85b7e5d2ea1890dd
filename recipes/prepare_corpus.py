"""Prepare a corpus: from raw text to shards of token ids that pre-training reads.

The rows are filled by the algorithm of Devlin et al. 2019, appendix A.2 (google-research/bert's
create_pretraining_data.py), unmasked: pairs and masks are drawn anew in each epoch of pre-training.

  python recipes/prepare_corpus.py                                         the bundled synthetic sample
  python recipes/prepare_corpus.py --data "wiki/*.txt.gz" --vocabulary vocab.txt --sequence-lengths 128,512
  python recipes/prepare_corpus.py --data reviews.csv --text-columns content,replyContent --vocabulary FOLDER

Plain text has a blank line between documents. FOLDER is a checkpoint of Google or transformers with its vocab.txt. Two
CPU cores prepare some 5 MB of English a second in less than 1.5 GB of memory, whatever the size of the corpus. A run
that was killed goes on with the same command. prepare_corpus_beam.py does the same on a cluster.

Documents that are short, of another language, of low quality, or that occur again can be left out; the counts are
printed and stand in the manifest. Of equal or nearly equal documents the first is kept.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

from tfbert.cli import run_recipe, setting
from tfbert.errors import InputError


@dataclasses.dataclass(frozen=True)
class CorpusSettings:
    """What a corpus depends on."""

    data: str = setting("sample", "sample, or files and patterns, with commas between them; .gz, .bz2 and .xz are read")
    layout: str = setting("auto", "blank_line (between documents), line (one document each), csv, or auto: by name")
    text_columns: str = setting("content,replyContent", "columns of a CSV that make up a document, a paragraph each")
    vocabulary: str | None = setting(None, "vocab.txt, or a checkpoint folder that holds it; for the sample its own")
    lowercase: bool | None = setting(None, "whether the vocabulary is uncased; by default as its folder says, or yes")
    sequence_lengths: str = setting("128", "tokens in a row, with commas between several lengths")
    held_out_share: float | None = setting(
        None, "share of the documents to keep back; by default 0.02, or up to 0.1 in a small corpus"
    )
    short_row_rate: float = setting(0.1, "share of the rows that are short on purpose")
    random_rate: float = setting(0.5, "share of the rows whose second half is planned to be another document's")
    seed: int = setting(0, "seed of the plan of rows")
    shard_megabytes: float = setting(8.0, "MB of text in a shard; a process needs some ten times as much memory")
    least_characters: int = setting(0, "leave out documents of fewer characters")
    language: str | None = setting(None, "keep documents in it alone: en, told by its function words")
    quality: bool = setting(False, "keep what passes rules of Rae et al. 2021, appendix A.1.1, alone")
    deduplicate: str = setting("none", "none, exact (case, spaces, punctuation aside), near (most runs of 5 words)")
    allow_one_document: bool = setting(False, "accept one training document, for pre-training without next sentences")
    output: str = setting("runs/corpus", "folder for the corpus")

    def __post_init__(self):
        if self.vocabulary is None and self.data != "sample":
            raise InputError(
                f"--vocabulary must name a vocab.txt or a checkpoint folder where --data is {self.data!r}; received "
                "none: learn one with recipes/train_vocabulary.py, or take that of a published BERT."
            )
        lengths = self.sequence_lengths.split(",")
        if not all(map(str.isdecimal, lengths)):
            raise InputError(
                f"--sequence-lengths must be whole numbers, such as 128,512; received {self.sequence_lengths!r}."
            )


@dataclasses.dataclass(frozen=True)
class Settings(CorpusSettings):
    """What a run depends on."""

    processes: int | None = setting(None, "processes that work at a time; by default one a core")


def main(settings: Settings) -> None:
    """Run the recipe."""
    prepare(settings, processes=settings.processes)


def prepare(settings: CorpusSettings, **engine: Any) -> None:
    """Prepare with processes, or what else `engine` names among the arguments of `tfbert.data.prepare_corpus`."""
    from tfbert import BertTokenizer, checkpoints, data

    # 1. The documents, what to leave out of them, the vocabulary.
    documents = data.DocumentFiles(
        settings.data.split(","), layout=settings.layout, text_columns=settings.text_columns.split(",")
    )
    selection = data.Selection(
        least_characters=settings.least_characters,
        language=settings.language,
        quality=settings.quality,
        deduplicate=settings.deduplicate,
    )
    vocabulary = Path(settings.vocabulary or data.sample_vocabulary())
    if vocabulary.is_dir():
        tokenizer = checkpoints.load_tokenizer(vocabulary, lowercase=settings.lowercase)
    else:
        tokenizer = BertTokenizer(vocabulary, lowercase=settings.lowercase is not False)
    num_files = len(documents.paths)
    print(f"documents   {num_files:,} file{'s'[: num_files > 1]}, {documents.total_bytes / 1e6:,.1f} MB")
    print(
        f"vocabulary  {vocabulary}, {tokenizer.vocabulary_size:,} tokens, lowercase={tokenizer.lowercase}", flush=True
    )

    # 2. Sentences, ids, rows, shards.
    corpus = data.prepare_corpus(
        documents,
        tokenizer,
        settings.output,
        sequence_lengths=[int(length) for length in settings.sequence_lengths.split(",")],
        held_out_share=settings.held_out_share,
        short_row_rate=settings.short_row_rate,
        random_rate=settings.random_rate,
        seed=settings.seed,
        shard_megabytes=settings.shard_megabytes,
        allow_one_document=settings.allow_one_document,
        selection=selection,
        **engine,
        report=sys.stdout,
    )

    # 3. What is in it.
    print(f"\n{data.corpus_summary(corpus)}\n\ncorpus      {corpus.folder}")


if __name__ == "__main__":
    run_recipe(main, Settings)
