"""The pipeline beside the process pool. Needs Apache Beam: `tox -e beam`."""

import io

import pytest

from tfbert.data import Corpus, DocumentFiles, Selection, prepare_corpus, sample_vocabulary
from tfbert.data.records import read_facts
from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer

pytest.importorskip("apache_beam", reason="runs in tox -e beam")
# Beam's own; it warns of what it imports itself.
pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning:apache_beam")

PROCESSES = ["--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
OPTIONS = {"shard_megabytes": 0.006, "sequence_lengths": (32, 64), "seed": 3}
SELECTIONS = [
    Selection(),
    Selection(deduplicate="exact"),
    Selection(least_characters=30, language="en", quality=True, deduplicate="near"),
]


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(sample_vocabulary())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of different sizes, one of them empty: the sample's reviews, with some that a selection leaves out."""
    folder = tmp_path_factory.mktemp("files")
    reviews = [review for review, *_ in DocumentFiles("sample", text_columns=["content"])]
    for number, count in enumerate([300, 1, 0, 500, 90]):
        texts = [f"{review} {number % 2}" for review in reviews[:count]]
        texts[::50] = ["Nach dem Update geht nichts mehr, bitte beheben."] * len(texts[::50])
        (folder / f"{number}.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return DocumentFiles(folder / "*.txt")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("selection", SELECTIONS, ids=["all", "exact", "everything"])
def test_the_folder_is_the_pools(tokenizer, files, tmp_path, selection, monkeypatch):
    """Byte for byte, though here the documents are cut into many chunks."""
    pool = prepare_corpus(files, tokenizer, tmp_path / "pool", **OPTIONS, selection=selection, processes=1)
    monkeypatch.setattr("tfbert.data.selection._BATCH_CHARACTERS", 3000)
    prepare_corpus(files, tokenizer, tmp_path / "beam", **OPTIONS, selection=selection, beam_flags=[])
    assert content(tmp_path / "beam") == content(tmp_path / "pool")
    assert len(pool.shards["train"]) > 5
    dropped = pool.manifest.get("dropped", {})
    assert all(dropped[name] > 10 for name in {*dropped} - {"quality"}), dropped


@pytest.mark.slow
def test_worker_processes_make_the_same(tokenizer, files, tmp_path):
    for name, engine in (("pool", {"processes": 2}), ("beam", {"beam_flags": PROCESSES})):
        prepare_corpus(files, tokenizer, tmp_path / name, **OPTIONS, selection=SELECTIONS[-1], **engine)
    assert content(tmp_path / "beam") == content(tmp_path / "pool")


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], PROCESSES], ids=["one", "two"])
def test_a_pipeline_that_fails_leaves_whole_files_and_goes_on(tokenizer, files, tmp_path, flags):
    """The last documents make a shard without a row; others are written by then, and stay."""
    path = tmp_path / "text.txt"
    whole = "\n\n".join(" ".join(document) for document in files)
    options = {**OPTIONS, "held_out_share": 0}
    path.write_text(f"{whole}\n\nA last text. It has two sentences.", encoding="utf-8")
    prepare_corpus(DocumentFiles(path), tokenizer, tmp_path / "expected", **options, processes=1)
    path.write_text(whole + "\n\nword" * 3000, encoding="utf-8")
    with pytest.raises(InputError, match=r"a shard needs a row .* the first is \['word\\n'\]: .*\)$"):
        prepare_corpus(DocumentFiles(path), tokenizer, tmp_path / "failed", **options, beam_flags=flags)
    left = {file.name for file in (tmp_path / "failed").iterdir()} - {".lock", "settings.json"}
    assert left
    assert all(read_facts(tmp_path / "failed" / name) for name in left), left
    path.write_text(f"{whole}\n\nA last text. It has two sentences.", encoding="utf-8")
    prepare_corpus(DocumentFiles(path), tokenizer, tmp_path / "failed", **options, beam_flags=flags)
    assert content(tmp_path / "failed") == content(tmp_path / "expected")


def test_a_file_that_a_worker_cannot_read_is_named(tokenizer, tmp_path):
    (tmp_path / "a.txt").write_text("One document.\n\nAnother one.\n" * 2000)
    (tmp_path / "b.txt").write_bytes(b"Good.\n\n" * 9000 + b"b\xe4d\n")
    with pytest.raises(InputError, match=r"b\.txt: the file must be UTF-8; line 18001 holds the byte 0xe4"):
        prepare_corpus(
            DocumentFiles([tmp_path / "a.txt", tmp_path / "b.txt"]),
            tokenizer,
            tmp_path / "corpus",
            shard_megabytes=0.001,
            beam_flags=[],
        )
    assert "manifest.json" not in content(tmp_path / "corpus")


def test_documents_of_python_are_refused(tokenizer, tmp_path):
    documents = [f"Text number {number}. It is short." for number in range(9)]
    with pytest.raises(InputError, match="workers read files themselves"):
        prepare_corpus(documents, tokenizer, tmp_path / "corpus", beam_flags=[])


def test_what_is_wrong_from_the_start_is_said_before_a_pipeline_runs(tokenizer, tmp_path):
    (tmp_path / "a.txt").write_text("One document.")
    with pytest.raises(InputError, match="two training documents or more"):
        prepare_corpus(DocumentFiles(tmp_path / "a.txt"), tokenizer, tmp_path / "corpus", beam_flags=[])
    assert not (tmp_path / "corpus").exists()


def test_a_finished_folder_is_refused(tokenizer, tmp_path):
    documents = DocumentFiles("sample")
    prepare_corpus(documents, tokenizer, tmp_path, beam_flags=[])
    Corpus.open(tmp_path).verify()
    with pytest.raises(InputError, match="finished run"):
        prepare_corpus(documents, tokenizer, tmp_path, beam_flags=[], report=io.StringIO())
