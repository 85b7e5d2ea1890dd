import contextlib
import importlib
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfbert import BertTokenizer
from tfbert.data import prepare_corpus
from tfbert.data.data_service import check_services
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

recipe = importlib.import_module("tfbert.recipes.serve_batches")


def two_free_ports():
    """Return a port such that it and the next are free."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@contextlib.contextmanager
def served(port):
    """A service in a process of its own, which is killed at the end."""
    command = [sys.executable, recipe.__file__, "--host", "localhost", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout.readline() == f"serving batches at localhost:{port}\n"
        yield f"localhost:{port}"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_it_answers_with_one_worker():
    with served(two_free_ports()) as service:
        check_services([service])


@pytest.mark.slow
def test_training_ends_when_its_service_goes_and_goes_on_when_it_is_back(tmp_path):
    documents = [" ".join(f"word{(i * j) % 40} is here." for j in range(1, 9)) for i in range(300)]
    words = [*SPECIAL_TOKENS, *".is", "here", *(f"word{i}" for i in range(40))]
    prepare_corpus(documents, BertTokenizer(words), tmp_path / "corpus", sequence_lengths=(32,))
    pretrain = Path(recipe.__file__).with_name("pretrain.py")
    flags = "--encoder tiny --sequence-length 32 --batch-size 4 --evaluation-rows 8 --save-seconds 0 --evaluations 2"
    port, steps = two_free_ports(), 60
    command = [sys.executable, pretrain, "--corpus", tmp_path / "corpus", *flags.split(), "--steps", str(steps)]
    command += ["--data-service", f"localhost:{port}", "--output", tmp_path / "run"]
    state = tmp_path / "run/state/state_before.safetensors"
    with served(port):
        training = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not state.exists() and training.poll() is None:
            time.sleep(0.01)
    output, error = training.communicate(timeout=120)
    assert training.returncode == os.EX_TEMPFAIL, output + error
    (line,) = re.findall("^error: .*", error, re.MULTILINE)
    assert line.startswith(f"error: the data service localhost:{port} has gone. Start it again")
    with served(port):
        again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert re.search(r"goes on|resum", again.stdout), again.stdout
