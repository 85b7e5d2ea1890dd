import io
import math

from tfbert.data.preparation_progress import PreparationProgress


def run(monkeypatch, shards, stream=None, **options):
    """Ten seconds pass before each shard and the last line."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    stream = stream or io.StringIO()
    progress = PreparationProgress(stream, **options)
    for text_bytes, share, made in shards:
        progress.shard_done(text_bytes, share, made=made)
    progress.finished()
    return stream.getvalue()


def test_megabytes_a_second_and_time_left(monkeypatch):
    lines = run(
        monkeypatch, [(16_000_000, 0.1, True), (16_000_000, 0.2, True), (8_000_000, 0.25, True)], every_seconds=10
    )
    assert lines.splitlines() == [
        "  16.0 MB of text  1.6 MB/s  1 min 30 s left",
        "  32.0 MB of text  1.6 MB/s  1 min 20 s left",
        "  40.0 MB of text  1.3 MB/s  1 min 30 s left",
        "  40.0 MB of text  1.0 MB/s",
    ]


def test_a_line_now_and_then(monkeypatch):
    assert len(run(monkeypatch, [(1, 0.1, True)] * 6, every_seconds=30).splitlines()) == 3


def test_shards_of_an_earlier_run_do_not_count_for_the_speed(monkeypatch):
    """The clock starts again at 20 s; at 40 s a tenth of the text took 20 s, and half is left."""
    lines = run(monkeypatch, [(9_000_000, 0.4, False), (1_000_000, 0.5, True)], every_seconds=25)
    assert lines.splitlines()[0] == "  10.0 MB of text, 9.0 MB of it by an earlier run  0.1 MB/s  1 min 40 s left"
    assert (
        run(monkeypatch, [(9_000_000, 1.0, False)], every_seconds=99)
        == "  9.0 MB of text, 9.0 MB of it by an earlier run\n"
    )


def test_no_time_left_where_the_size_is_unknown(monkeypatch):
    lines = run(monkeypatch, [(1_000_000, math.nan, True)], every_seconds=1)
    assert lines.splitlines()[0] == "  1.0 MB of text  0.1 MB/s"


def test_a_terminal_line_is_rewritten(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert run(monkeypatch, [(1_000_000, 0.5, True)], Terminal()) == (
        "\r\033[K  1.0 MB of text  0.1 MB/s  10 s left\r\033[K  1.0 MB of text  0.1 MB/s\n"
    )


def test_without_a_stream_nothing_is_printed(capsys):
    progress = PreparationProgress(None, every_seconds=0)
    progress.shard_done(1, 0.5, made=True)
    progress.finished()
    assert capsys.readouterr() == ("", "")
