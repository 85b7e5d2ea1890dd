"""transformers' tokenizer files for a vocabulary of ours."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbert.tokenization.vocabulary import MAX_WORD_CHARACTERS, SPECIAL_TOKENS

if TYPE_CHECKING:
    from tfbert.tokenization.tokenizer import BertTokenizer

_DROPPED = r"\ufffd|[\p{Cc}&&[^\t\n\r]]|\p{Cf}"


def write_tokenizer(folder: Path, tokenizer: "BertTokenizer", max_length: int) -> None:
    """Write `vocab.txt`, `tokenizer.json` and `tokenizer_config.json`.

    The class is the one that takes `tokenizer.json` as it is: transformers' BertTokenizer would make it anew, with
    words of more than 100 characters unknown and characters of private use dropped. What differs from tfbert is what
    transformers cannot say: special tokens written out in a text are special, and a sigma at the end of a word in
    capitals becomes σ.
    """
    tokenizer.vocabulary.write(folder / "vocab.txt")
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "do_lower_case": tokenizer.lowercase,
        "strip_accents": None,  # as the case
        "tokenize_chinese_chars": True,
        "model_max_length": max_length,
        **names,
        "mask_token": "[MASK]",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    text = json.dumps(_tokenizer_json(tokenizer), indent=2, ensure_ascii=False)
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")


def _tokenizer_json(tokenizer: "BertTokenizer") -> dict[str, Any]:
    vocabulary = tokenizer.vocabulary
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    special = {token: vocabulary.token_to_id(token) for token in SPECIAL_TOKENS}

    def piece(token: str, segment: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": segment}}

    first: list[dict] = [piece("[CLS]", 0), {"Sequence": {"id": "A", "type_id": 0}}, piece("[SEP]", 0)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, **plain}
            for token, number in sorted(special.items(), key=lambda entry: entry[1])
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Replace", "pattern": {"Regex": _DROPPED}, "content": ""},
                {
                    "type": "BertNormalizer",
                    "clean_text": False,
                    "handle_chinese_chars": True,
                    "strip_accents": tokenizer.lowercase,
                    "lowercase": tokenizer.lowercase,
                },
            ],
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": first,
            "pair": [*first, {"Sequence": {"id": "B", "type_id": 1}}, piece("[SEP]", 1)],
            "special_tokens": {
                token: {"id": token, "ids": [special[token]], "tokens": [token]} for token in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": MAX_WORD_CHARACTERS,
            "vocab": {token: number for number, token in enumerate(vocabulary.tokens)},
        },
    }
