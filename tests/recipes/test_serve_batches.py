import importlib
import socket
import subprocess
import sys

import pytest

from tfbert.data.data_service import check_services

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


@pytest.mark.slow
def test_it_answers_with_one_worker():
    port = two_free_ports()
    command = [sys.executable, recipe.__file__, "--host", "localhost", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout.readline() == f"serving batches at localhost:{port}\n"
        check_services([f"localhost:{port}"])
    finally:
        process.kill()
        process.communicate()
