"""What a prepared corpus holds, as a table for the terminal."""

from tfbert.data.records import SPLITS, Corpus

_LEFT_OUT = {"short": "short", "language": "other languages", "quality": "low quality", "duplicate": "occur again"}


def corpus_summary(corpus: Corpus) -> str:
    """Return a table of the training and the held-out shards: counts, unknown tokens, rows and their padding."""
    totals = [corpus.manifest[split] for split in SPLITS]
    lines = [_line("", ["training", "held out"])]
    for name in ("documents", "sentences", "tokens"):
        lines.append(_line(name, [f"{total.get(name, 0):,}" for total in totals]))
    lines.append(_line("[UNK] among the tokens", [_share(total, "unknown_tokens", "tokens") for total in totals]))
    for length in corpus.sequence_lengths:
        rows = [
            {
                name: total.get(name, {}).get(str(length), 0)
                for name in ("rows", "rows_with_two_sentences", "row_tokens")
            }
            for total in totals
        ]
        padding = [
            {"slots": each["rows"] * length, "empty": each["rows"] * length - each["row_tokens"]} for each in rows
        ]
        lines.append(_line(f"rows of {length} tokens", [f"{each['rows']:,}" for each in rows]))
        lines.append(
            _line("  with two sentences or more", [_share(each, "rows_with_two_sentences", "rows") for each in rows])
        )
        lines.append(_line(f"  padding, if filled to {length}", [_share(each, "empty", "slots") for each in padding]))
    for name, count in corpus.manifest.get("dropped", {}).items():
        lines.append(_line(f"left out: {_LEFT_OUT[name]}", [f"{count:,}"]))
    return "\n".join(lines)


def _share(total: dict[str, int], part: str, whole: str) -> str:
    return f"{total.get(part, 0) / total[whole]:.1%}" if total.get(whole) else "-"


def _line(name: str, values: list[str]) -> str:
    return f"{name:<30}" + "".join(f"{value:>14}" for value in values)
