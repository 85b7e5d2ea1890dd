"""A corpus in which every token has an id of its own, so that a batch tells where each of its tokens came from."""

import json

import numpy as np

from tfbert.data.records import FORMAT, SPLITS, Corpus, shard_entry, vocabulary_sha256, write_shard
from tfbert.data.row_plan import plan_rows
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS, Vocabulary

FIRST_ID = 16
"""Ids below are special, unused, or spare."""


def make_unique_corpus(folder, shards, sequence_length=32, continues=0.2, seed=0, held_out=1):
    """Write a corpus.

    Args:
        folder: where to.
        shards: for each shard its documents, for each document the number of tokens of each sentence.
        sequence_length: of the rows.
        continues: share of the tokens that begin with ##, none of them at the start of a sentence.
        seed: fixes which.
        held_out: how many of the last shards are held out.

    Returns:
        The corpus, its vocabulary, and for each id its document and its sentence, int64 (vocabulary,), -1 for others.
    """
    rng = np.random.default_rng(seed)
    tokens, documents, sentences = [*SPECIAL_TOKENS, *(f"[unused{i}]" for i in range(FIRST_ID - 5))], [], []
    document = sentence = 0
    contents = []
    for shard in shards:
        first_token, starts, document_starts = len(tokens), [0], [0]
        for lengths in shard:
            for length in lengths:
                for place in range(length):
                    piece = place > 0 and rng.random() < continues
                    tokens.append(f"{'##' if piece else ''}t{len(tokens)}")
                    documents.append(document)
                    sentences.append(sentence)
                sentence += 1
                starts.append(len(tokens) - first_token)
            document += 1
            document_starts.append(len(starts) - 1)
        contents.append((np.arange(first_token, len(tokens)), np.array(starts), np.array(document_starts)))
    is_word = np.array([not token.startswith("##") for token in tokens])
    folder.mkdir(parents=True, exist_ok=True)
    entries = {split: [] for split in SPLITS}
    for number, (token_ids, starts, document_starts) in enumerate(contents):
        split = SPLITS[number >= len(contents) - held_out]
        words = np.concatenate([[0], np.cumsum(is_word[token_ids])])[starts]
        plan = plan_rows(starts, document_starts, words, sequence_length, random=np.random.default_rng([seed, number]))
        path = folder / f"{split}-{number:05d}.safetensors"
        tensors = {
            "token_ids": token_ids.astype(np.int32),
            "sentence_starts": starts.astype(np.int32),
            "document_starts": document_starts.astype(np.int32),
            f"rows_{sequence_length}": plan.rows,
        }
        facts = {
            "documents": len(document_starts) - 1,
            "sentences": len(starts) - 1,
            "tokens": len(token_ids),
            "unknown_tokens": 0,
            "text_bytes": len(token_ids),
            "rows": {str(sequence_length): len(plan.rows)},
            "rows_with_two_sentences": {str(sequence_length): 0},
        }
        write_shard(path, tensors, facts)
        entries[split].append(shard_entry(path))
    manifest = {
        "format": FORMAT,
        "vocabulary_sha256": vocabulary_sha256(tokens),
        "vocabulary_size": len(tokens),
        "lowercase": True,
        "sequence_lengths": [sequence_length],
        "train": {},
        "held_out": {},
        "shards": entries,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    outside = [-1] * FIRST_ID
    return Corpus.open(folder), Vocabulary(tokens), np.array(outside + documents), np.array(outside + sentences)


def some_shards(num_shards, num_documents, seed=0, longest_document=7, longest_sentence=12):
    """Return documents of one to `longest_document` sentences for each shard; a third of them have one."""
    rng = np.random.default_rng(seed)
    return [
        [
            rng.integers(2, longest_sentence, 1 if rng.random() < 1 / 3 else rng.integers(1, longest_document)).tolist()
            for _ in range(num_documents)
        ]
        for _ in range(num_shards)
    ]
