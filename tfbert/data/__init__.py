"""Reviews and corpora, from files to batches."""

from tfbert.data.batching import LengthBatches, bucket_lengths
from tfbert.data.corpus_preparation import prepare_corpus
from tfbert.data.corpus_summary import corpus_summary
from tfbert.data.documents import DocumentFiles
from tfbert.data.play_download import download_play_reviews
from tfbert.data.records import Corpus, Shard
from tfbert.data.review_audit import ReviewAudit, audit_reviews
from tfbert.data.review_sources import load_reviews, sample_folder, sample_vocabulary
from tfbert.data.reviews import STARS_TO_SENTIMENT, Reviews, parse_mapping, read_reviews
from tfbert.data.selection import Selection
from tfbert.data.sentences import split_sentences
from tfbert.data.splitting import Split, normalized_text, split_reviews

__all__ = [
    "STARS_TO_SENTIMENT",
    "Corpus",
    "DocumentFiles",
    "LengthBatches",
    "ReviewAudit",
    "Reviews",
    "Selection",
    "Shard",
    "Split",
    "audit_reviews",
    "bucket_lengths",
    "corpus_summary",
    "download_play_reviews",
    "load_reviews",
    "normalized_text",
    "parse_mapping",
    "prepare_corpus",
    "read_reviews",
    "sample_folder",
    "sample_vocabulary",
    "split_reviews",
    "split_sentences",
]
