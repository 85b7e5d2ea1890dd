"""Where reviews come from: the bundled sample, the tutorial's scrape of Google Play, or a path."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path

from tfbert.data.play_download import download_play_reviews
from tfbert.data.reviews import STARS_TO_SENTIMENT, Reviews, read_reviews

DEFAULT_CACHE_FOLDER = Path("~/.cache/tfbert")


def sample_folder() -> Path:
    """Return the folder of the bundled sample: reviews.csv, apps.csv, vocab.txt. Its reviews are synthetic."""
    return Path(str(resources.files("tfbert.data") / "sample"))


def sample_vocabulary() -> Path:
    """Return the path of the WordPiece vocabulary learned from the bundled sample (uncased), for runs from scratch."""
    return sample_folder() / "vocab.txt"


def load_reviews(
    source: str | Path = "sample",
    *,
    cache_folder: str | Path = DEFAULT_CACHE_FOLDER,
    text_column: str = "content",
    score_column: str = "score",
    mapping: Mapping[int, str] = STARS_TO_SENTIMENT,
) -> Reviews:
    """Read the reviews that a flag names.

    Args:
        source: "sample" (bundled, synthetic), "play" (downloaded once into `cache_folder`/play), or the path of a CSV
            or of a folder of reviews.csv and apps.csv. Files of those two names are reached as "./sample" and "./play".
        cache_folder: where downloads are kept; "~" is the home folder.
        text_column, score_column, mapping: as `read_reviews` takes them.

    Raises:
        InputError: as `read_reviews` and `download_play_reviews` do.

    >>> load_reviews("sample").label_names
    ('negative', 'neutral', 'positive')
    """
    path, description = Path(source), str(source)
    if source == "sample":
        path, description = sample_folder(), "the bundled sample (synthetic reviews)"
    elif source == "play":
        path = download_play_reviews(Path(cache_folder).expanduser() / "play")
        description = f"the tutorial's reviews from Google Play ({path})"
    reviews = read_reviews(path, text_column=text_column, score_column=score_column, mapping=mapping)
    return replace(reviews, source=description)
