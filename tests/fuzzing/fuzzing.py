"""Feeding a parser with damaged input: mutations without any tool for the everyday suite, atheris for long runs.

A target is a module `fuzz_*.py` beside this one with `seeds()`, whole inputs to start from, and `one_input(data)`,
which raises where the parser did something that it does not document. Inputs that once did lie in `found/NAME/` and are
tried first, for ever. As a script a target runs under atheris, guided by the code that its inputs reach:

    python tests/fuzzing/fuzz_csv.py --seconds 1800
"""

import argparse
import atexit
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

FOUND = Path(__file__).with_name("found")
_TOKENS = (b"\0", b"\xff", b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\r\n", b"null", b"-1", b"1e999", b"NaN",
           b"9" * 25, b"../", b"/", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\\ud800")  # fmt: skip


def scratch_folder() -> Path:
    """Return a folder that goes when the process ends; in memory where it can, since every input is a file in it."""
    folder = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def kept(name: str) -> list[bytes]:
    """Return what was found for a target."""
    return [path.read_bytes() for path in sorted((FOUND / name).glob("*"))]


def mutations(seeds: Sequence[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield damaged copies of the seeds: bytes flipped, cut, doubled, moved between them, tokens put in."""
    draw = random.Random(seed)
    for _ in range(count):
        data = bytearray(draw.choice(seeds))
        for _ in range(draw.choice((1, 1, 2, 4, 8))):
            place = draw.randrange(len(data) + 1)
            end = min(len(data), place + draw.choice((1, 2, 4, 16, 64)))
            kind = draw.randrange(6)
            if kind == 0 and place < len(data):
                data[place] ^= 1 << draw.randrange(8)
            elif kind == 1:
                del data[place:end]
            elif kind == 2:
                data[place:place] = data[place:end]
            elif kind == 3:
                data[place:place] = draw.choice(_TOKENS)
            elif kind == 4:
                data[place:end] = draw.choice(_TOKENS)
            else:
                other = draw.choice(seeds)
                start = draw.randrange(len(other) + 1)
                data[place:end] = other[start : start + draw.choice((4, 16, 64))]
        yield bytes(data)


def run(one_input: Callable[[bytes], None], seeds: Callable[[], Sequence[bytes]]) -> None:
    """Run a target's script: atheris, for so many seconds, stopping at the first input that fails."""
    name = Path(sys.argv[0]).stem.removeprefix("fuzz_")
    arguments = argparse.ArgumentParser(description=f"Fuzz {name} with atheris.")
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    import atheris

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate([*seeds(), *kept(name)]):
            Path(folder, str(number)).write_bytes(data)
        (FOUND / name).mkdir(parents=True, exist_ok=True)
        flags = [f"-max_total_time={chosen.seconds}", f"-seed={chosen.seed}", "-timeout=20", "-rss_limit_mb=4096",
                 "-max_len=65536", "-verbosity=0", "-print_final_stats=1",
                 f"-artifact_prefix={FOUND / name}/"]  # fmt: skip
        print(f"{name}: {chosen.seconds} s from {len(list(Path(folder).iterdir()))} inputs", flush=True)
        atheris.Setup([sys.argv[0], *flags, folder], one_input)
        atheris.Fuzz()


def instrumented():
    """Return a context in which imports of tfbert count what is reached, where a target runs as a script."""
    import atheris

    return atheris.instrument_imports(include=["tfbert", "csv", "json"])
