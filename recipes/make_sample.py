"""Make the bundled sample: synthetic reviews of invented apps, and a WordPiece vocabulary learned from them.

    python recipes/make_sample.py                       # writes tfbert/data/sample again, byte for byte
    python recipes/make_sample.py --output some/folder

About 20 seconds on one CPU core. Needs tensorflow-text for the vocabulary.
"""

import argparse
import csv
import io
import string
from pathlib import Path

from tfbert.atomic import written_beside
from tfbert.cli import fail
from tfbert.data import sample_folder
from tfbert.data.sample_grammar import APP_COLUMNS, REVIEW_COLUMNS, generate_apps, generate_reviews
from tfbert.errors import InputError
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

NUM_REVIEWS = 2_000
SEED = 20_181_011  # the day the BERT paper came out
VOCABULARY_SIZE = 3_000  # at most; the learner looks for a threshold of frequency that comes near it

README = f"""# Synthetic reviews

Every review, reply and app here is invented by a program: {NUM_REVIEWS:,} texts from the grammar in
`tfbert/data/sample_grammar.py`, no person's words and no real product. The files have the columns of the reviews.csv
and apps.csv that tutorials scrape from Google Play, so that what runs on them runs on real data. `vocab.txt` is an
uncased WordPiece vocabulary learned from the texts and replies. Results on these files say nothing about real reviews.

`python recipes/make_sample.py` makes the folder again, byte for byte.
"""


def main(output: Path) -> None:
    """Write reviews.csv, apps.csv, vocab.txt and README.md into `output`."""
    # 1. The folder first, so that a place that cannot be written is known before the work.
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: this must be a folder; {error.strerror}: choose another one") from error

    # 2. The reviews and their apps.
    reviews = generate_reviews(NUM_REVIEWS, SEED)
    files = {
        "reviews.csv": csv_text(REVIEW_COLUMNS, reviews),
        "apps.csv": csv_text(APP_COLUMNS, generate_apps(reviews)),
        "README.md": README,
    }

    # 3. The vocabulary, from the words that a model will meet: reviews and replies.
    texts = [row[column] for row in reviews for column in ("content", "replyContent") if row[column]]
    files["vocab.txt"] = "".join(f"{token}\n" for token in learn_vocabulary(texts))

    # 4. Each file is written beside its name and renamed.
    for name, text in files.items():
        try:
            with written_beside(output / name) as partial:
                partial.write_bytes(text.encode("utf-8"))
        except OSError as error:
            raise InputError(f"{output / name}: must be written; {error.strerror}: choose another folder") from error
        print(f"{output / name}: {len(text.encode('utf-8')):,} bytes")


def csv_text(columns: tuple[str, ...], rows: list[dict[str, str]]) -> str:
    """Return the rows as CSV with a header, lines ended by a line feed."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def learn_vocabulary(texts: list[str]) -> list[str]:
    """Return uncased WordPiece tokens: the special ones, [PAD] at 0, then ASCII's characters, then what is learned.

    With each letter and digit as a piece of its own, no English word is unknown, in other people's reviews either.
    """
    import tensorflow as tf
    from tensorflow_text.tools.wordpiece_vocab import bert_vocab_from_dataset

    alphanumeric = string.digits + string.ascii_lowercase
    return bert_vocab_from_dataset.bert_vocab_from_dataset(
        tf.data.Dataset.from_tensor_slices(texts).batch(1000),
        vocab_size=VOCABULARY_SIZE,
        reserved_tokens=[*SPECIAL_TOKENS, *string.punctuation, *alphanumeric, *(f"##{c}" for c in alphanumeric)],
        bert_tokenizer_params={"lower_case": True},
        learn_params={"lower_thresh": 2},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=sample_folder(), help="folder to write (default: the package's)")
    try:
        main(parser.parse_args().output)
    except InputError as error:
        fail(str(error))
