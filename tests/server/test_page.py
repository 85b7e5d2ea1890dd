"""The page for people: its routes, and the page itself in a real browser against the real server."""

import base64
import contextlib
import csv
import http.client
import importlib
import importlib.resources
import io
import json
import random
import re
import runpy
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import uvicorn

from tfbert.cli import run_recipe
from tfbert.server import Limits, read_model_configs
from tfbert.server.app import create_app
from tfbert.server.connections import protocol_class
from tfbert.server.metrics import Metrics
from tfbert.server.page import page_routes
from tfbert.server.requests import Requests
from tfbert.server.rest_app import RestApp
from tfbert.server.running import _listen
from tfbert.server.versions import Versions

# A browser, a server and two models: CI's.
pytestmark = pytest.mark.slow

FILES = importlib.resources.files("tfbert.server") / "page_files"
chromium = runpy.run_path(str(Path(__file__).with_name("chromium.py")))
LABELS = ["bad", "so-so", "good"]
WORDS = ["great", "terrible", "app", "i", "love", "this", "it"]
MOST_ROWS, MOST_BYTES = 8, 2000


def decided_by_great_and_terrible(tokenizer):
    """A classifier whose first hidden unit counts the word great, and against it the word terrible."""
    import tfbert

    config = tfbert.BertConfig(tokenizer.vocabulary_size, 8, 1, 2, 8)
    classifier = tfbert.BertClassifier(tfbert.BertEncoder(config), labels=LABELS)
    # Without the model's own name, which counts the models of the process.
    weights = {weight.path.partition("/")[2]: np.zeros(weight.shape, "float32") for weight in classifier.weights}
    assert len(weights) == len(classifier.weights)
    for path, values in weights.items():
        if path.endswith("gamma"):
            values[:] = 1
        # Every position sees the mean of all.
        if path.endswith("query_key_value/kernel"):
            values[:, 16:] = 3 * np.eye(8)
        if path.endswith(("output_dense/kernel", "pooler/dense/kernel")):
            values[:] = np.eye(8)
    table = weights["embeddings/word_embeddings"]
    table[tokenizer.token_to_id("great"), [0, 2]] = 1, -1
    table[tokenizer.token_to_id("terrible"), [0, 2]] = -1, 1
    table[tokenizer.token_to_id("[CLS]"), [1, 3]] = 1, -1
    weights["head/kernel"][0] = [-6, 0, 6]
    weights["head/bias"][:] = [-0.2, 0.4, 0.1]
    classifier.set_weights(list(weights.values()))
    return classifier


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory):
    """A folder of models with a models.config: a classifier, a pretrainer, another one, and one that is damaged."""
    import tensorflow as tf

    import tfbert
    from tfbert.models import BertPretrainer
    from tfbert.serving import export, pretrainer_export

    folder = tmp_path_factory.mktemp("page")
    tokenizer = tfbert.BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "##ing"])
    export(decided_by_great_and_terrible(tokenizer), tokenizer, folder / "reviews", max_length=32, pairs=True)
    pretrainer = BertPretrainer(tfbert.BertEncoder(tfbert.BertConfig(tokenizer.vocabulary_size, 8, 1, 2, 8)))
    rng = np.random.default_rng(0)
    pretrainer.set_weights([rng.normal(0, 0.6, weight.shape) for weight in pretrainer.get_weights()])
    # A whole export has three signatures more, which nobody asks here.
    module = pretrainer_export._Serving(pretrainer, tokenizer, 12, 3, "float32")
    signatures = {name: found for name, found in module.signatures().items() if name in ("fill_mask", "next_sentence")}
    tf.saved_model.save(module, str(folder / "bert/1"), signatures=signatures)
    models["numbered"](folder / "numbered/7", 7)
    shutil.copytree(folder / "numbered/7", folder / "numbered/8")
    (folder / "broken/1").mkdir(parents=True)
    every = "model_version_policy { all {} }"
    configs = [f"config {{ name: '{n}' base_path: '{n}' {every} }}" for n in ("reviews", "bert", "numbered", "broken")]
    (folder / "models.config").write_text(f"model_config_list {{ {' '.join(configs)} }}")
    # A second for each signature that is warmed up, and not all are asked here.
    shutil.rmtree(folder / "reviews/1/assets.extra")
    return folder


class Server:
    """What `tfbert.server.running.serve` runs, in a thread: a process of its own would import TensorFlow again."""

    def __init__(self, folder):
        limits = Limits(rows=MOST_ROWS, text_bytes=MOST_BYTES)
        metrics = Metrics()
        versions = Versions(read_model_configs(folder), None, metrics)
        versions.poll()
        requests = Requests(versions, limits, metrics)
        self._rest = RestApp(requests)
        app = create_app(self._rest, metrics, page_routes(requests))
        protocol: Any = protocol_class(limits)
        self._web = uvicorn.Server(uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None))
        self._socket = _listen("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]

    def __enter__(self):
        self._thread = threading.Thread(target=self._web.run, args=([self._socket],))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._web.should_exit = self._web.force_exit = True
        self._thread.join()
        self._rest.close()
        self._socket.close()

    def ask(self, path, method="GET", body=None, **headers):
        """The status, the headers and the body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found


@pytest.fixture(scope="module")
def server(folder):
    with Server(folder) as running:
        yield running


def predict(server, model, signature, rows):
    """One prediction a row, asked in parts that the server takes."""
    found = []
    for i in range(0, len(rows), MOST_ROWS):
        body = json.dumps({"signature_name": signature, "instances": rows[i : i + MOST_ROWS]})
        status, _, answer = server.ask(f"/v1/models/{model}:predict", "POST", body)
        assert status == 200, answer
        found += json.loads(answer)["predictions"]
    return found


# The routes.


@pytest.mark.parametrize("name", sorted(file.name for file in FILES.iterdir()))
def test_a_file(server, name):
    kinds = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    path = "/" if name == "page.html" else f"/page/{name}"
    status, headers, body = server.ask(path)
    kind = kinds[name.rpartition(".")[2]]
    assert (status, body) == (200, (FILES / name).read_bytes())
    assert headers["content-type"] == (kind if kind.startswith("image") else f"{kind}; charset=utf-8")
    assert headers["cache-control"] == "no-cache"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    status, again, nothing = server.ask(path, if_none_match=headers["etag"])
    assert (status, nothing, again["etag"]) == (304, b"", headers["etag"])
    assert server.ask(path, if_none_match='"other"')[0] == 200
    head = server.ask(path, "HEAD")
    assert (head[0], head[1]["content-length"], head[2]) == (200, str(len(body)), b"")
    assert server.ask(path, "POST")[0] == 405


def test_the_models_and_limits(server):
    status, headers, body = server.ask("/page/models")
    assert (status, headers["content-type"], headers["x-content-type-options"]) == (200, "application/json", "nosniff")
    found = json.loads(body)
    assert found["models"] == ["reviews", "bert", "numbered", "broken"]
    assert (found["limits"]["rows"], found["limits"]["text_bytes"]) == (MOST_ROWS, MOST_BYTES)


@pytest.mark.parametrize(
    "path", ["/page", "/page/", "/page/page.html", "/page/../page.py", "/page/%2e%2e/page.py", "/page.css", "//", "/a"]
)
def test_nothing_else_is_there(server, path):
    status, headers, body = server.ask(path)
    assert (status, headers["content-type"]) == (404, "application/json")
    assert json.loads(body)["error"].startswith("Not found: ")


def test_the_files_name_no_other_place_and_no_markup():
    for file in FILES.iterdir():
        text = file.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        found = re.findall(r"https?:|//\w|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not found, (file.name, found)
        assert not re.findall(r"\sstyle=|\son\w+=|<script>|<style", text), file.name


@pytest.mark.parametrize(("flags", "there"), [([], True), (["--no-page"], False)])
def test_the_flag(tmp_path, monkeypatch, flags, there):
    recipe = importlib.import_module("tfbert.recipes.serve")
    given = {}
    monkeypatch.setattr("tfbert.server.running.serve", lambda configs, **named: given.update(named))
    (tmp_path / "reviews/1").mkdir(parents=True)
    run_recipe(recipe.main, recipe.Settings, [str(tmp_path / "reviews"), "--intra-op-threads", "0", *flags])
    assert (given["routes"] is not None) == there


# The page.


@pytest.fixture(scope="module")
def browser(server, tmp_path_factory):
    program = chromium["find_chromium"]()
    if program is None:
        pytest.skip(f"no browser is installed: none of {', '.join(chromium['NAMES'])}")
    with chromium["Chromium"](program, tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def page(server, browser):
    """The page, freshly opened, with the classifier chosen. Nothing may have gone wrong in it by the end."""
    browser.events.clear()
    browser.resize(1280)
    browser.open(f"http://127.0.0.1:{server.port}/")
    browser.wait("!document.getElementById('one-text').hidden && !document.querySelector('[aria-busy]')")
    yield browser
    assert browser.complaints() == []


def choose(page, name):
    """Choose a model by its name in the list."""
    page.run(
        "(() => { const choice = document.getElementById('model');"
        f"choice.selectedIndex = [...choice.options].findIndex((entry) => entry.text === {json.dumps(name)});"
        "choice.dispatchEvent(new Event('change')) })()"
    )


def text_of(page, selector):
    return page.run(f"document.querySelector({json.dumps(selector)}).textContent")


def all_of(page, selector, member):
    return page.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((found) => found.{member})")


def numbers(page, selector):
    return [float(value) for value in all_of(page, f"{selector} data", "value")]


def type_text(page, text):
    page.type("#text", text)
    page.wait("!document.querySelector('.words').hidden")


def test_a_text_as_it_is_typed(server, page):
    text = "I love this great app, it is great 😀 but terrible"
    type_text(page, text)
    (answer,) = predict(server, "reviews", "serving_default", [text])
    assert answer["label"] == "good"
    assert text_of(page, "#one-text .answer strong") == "good"
    assert all_of(page, "#one-text .bars .name", "textContent") == LABELS
    assert numbers(page, "#one-text") == answer["probabilities"]
    percent = f"{100 * answer['probabilities'][2]:.1f} %"
    assert text_of(page, "#one-text .answer") == f"good {percent}"
    # Another text takes its place, and none leaves nothing.
    type_text(page, "terrible")
    page.wait("document.querySelector('#one-text .answer strong')?.textContent === 'bad'")
    page.type("#text", "")
    page.wait("document.querySelector('#one-text .answer').textContent === ''")
    assert page.run("document.querySelector('.words').hidden")
    assert numbers(page, "#one-text") == []


def test_the_words_that_carry_it(server, page):
    text = "this great app great  it\nterrible"
    type_text(page, text)
    assert text_of(page, ".marked") == text
    strengths = "[...document.querySelectorAll('.marked > *')].map((part) => [part.textContent, part.className,"
    marked = page.run(strengths + "Number(part.style.getPropertyValue('--strength'))])")
    assert [(word, kind) for word, kind, _ in marked if kind] == [
        ("great", "for"),
        ("great", "for"),
        ("terrible", "against"),
    ]
    assert max(strength for _, kind, strength in marked if not kind) < 0.15
    without = [text.replace("great ", "", 1), "this great app it\nterrible", "this great app great  it\n"]
    found = [answer["probabilities"][2] for answer in predict(server, "reviews", "serving_default", without)]
    said = all_of(page, ".marked > [class]", "title")
    assert said == [f"without it good has {100 * probability:.1f} %" for probability in found]
    assert {"great", "terrible"} == set(all_of(page, ".strongest q", "textContent"))
    assert "Occlusion: each word was left out in turn" in text_of(page, ".words .note")


def test_a_long_text_is_cut_into_groups_of_words(page):
    words = ["app"] * 13 + ["great"] + ["app"] * 7
    type_text(page, " ".join(words))
    parts = all_of(page, ".marked > *", "textContent")
    assert len(parts) == 7  # 21 words by threes: there may be 8 rows
    assert parts == [" ".join(words[i : i + 3]) for i in range(0, 21, 3)]
    assert all_of(page, ".marked > .for", "textContent") == ["app great app"]
    assert "each group of words was left out" in text_of(page, ".words .note")


def test_markup_stays_text(server, page):
    text = "<script>window.hit = 1</script> <img src=x onerror='window.hit=1'> great <b>bold</b>"
    type_text(page, text)
    assert text_of(page, ".marked") == text
    page.type("#list", text)
    page.click("#several-texts .start")
    page.wait("document.querySelector('#several-texts td.text')")
    assert text_of(page, "#several-texts td.text") == text
    assert page.run("document.querySelectorAll('main script, main img, main b').length") == 0
    assert page.run("window.hit") is None
    # The browser itself would refuse markup from text.
    refused = "(() => { try { document.body.innerHTML = '<b>'; return false } catch { return true } })()"
    assert page.run(refused)
    page.events = [event for event in page.events if "TrustedHTML" not in json.dumps(event)]


def test_control_and_enter_asks_at_once(page):
    page.run(
        "document.getElementById('text').addEventListener('input', () => (window.typed = performance.now()));"
        "document.getElementById('text').addEventListener('keydown', () => (window.pressed = performance.now()))"
    )
    asked = "performance.getEntriesByType('resource').filter((entry) => entry.name.endsWith(':predict'))[0].startTime"
    type_text(page, "great")
    assert page.run(f"{asked} - window.typed") > 290
    page.run("performance.clearResourceTimings()")
    page.type("#text", "terrible")
    page.press("Enter", 13, modifiers=2)
    page.wait("document.querySelector('#one-text .answer').textContent.startsWith('bad')")
    assert page.run(f"{asked} - window.pressed") < 250


TEXTS = [f"{'great ' * (i % 3)}app {'terrible ' * (i % 4)}number {i} 😀 “é”" for i in range(20)]


def run_several(page):
    page.click("#several-texts .start")
    page.wait("!document.querySelector('.results').hidden && document.querySelector('.cancel').hidden")


def table(page):
    rows = page.run(
        "[...document.querySelectorAll('.results tbody tr')].map((row) => [...row.cells].map((cell) =>"
        "cell.querySelector('data')?.value ?? cell.textContent))"
    )
    return [(int(row), text, label, float(probability)) for row, text, label, probability in rows]


def expected_table(answers, texts):
    return [
        (i, text, answer["label"], max(answer["probabilities"]))
        for i, (text, answer) in enumerate(zip(texts, answers, strict=True), 1)
    ]


def test_a_list(server, page):
    page.run("performance.clearResourceTimings()")
    page.type("#list", "\n".join([*TEXTS[:10], "", " ", *TEXTS[10:]]))
    assert text_of(page, "#several-texts .start") == "Classify 20 texts"
    run_several(page)
    answers = predict(server, "reviews", "serving_default", TEXTS)
    assert table(page) == expected_table(answers, TEXTS)
    asked = "performance.getEntriesByType('resource').filter((entry) => entry.name.endsWith(':predict')).length"
    assert page.run(asked) == 3  # of at most 8 rows
    assert text_of(page, "#several-texts .status") == "20 of 20 answered."
    counts = [sum(answer["label"] == label for answer in answers) for label in LABELS]
    assert all_of(page, ".counts data", "textContent") == list(map(str, counts))
    assert min(counts) > 0
    # Sorted by probability, the other way round, by label, and by row again.
    for header, key, reverse in ((4, 3, False), (4, 3, True), (3, 2, False), (1, 0, False)):
        page.click(f".results th:nth-child({header}) button")
        column = [row[key] for row in table(page)]
        assert column == sorted(column, reverse=reverse)
        direction = "descending" if reverse else "ascending"
        assert page.run("document.querySelector('.results [aria-sort]').ariaSort") == direction
    assert all_of(page, ".results [aria-sort]", "ariaSort") == ["ascending"]


def download(page):
    for old in page.downloads.iterdir():
        old.unlink()
    page.click(".download")
    for _ in range(400):
        found = [path for path in page.downloads.iterdir() if path.suffix == ".csv"]
        if found and found[0].stat().st_size:
            return found[0]
        page.run("new Promise((resolve) => setTimeout(resolve, 20))")
    raise AssertionError(f"nothing was downloaded: {list(page.downloads.iterdir())}")


def test_a_csv_and_the_download_of_its_answers(server, page, tmp_path):
    contents = [
        'He said "great", then left',
        "two\nlines, great",
        "windows\r\nline",
        "great 😀 é 漢字",
        "",
        '=HYPERLINK("http://a")',
        "-1+1 terrible",
        "@great",
        "+great",
        "None",
        "a" * (MOST_BYTES + 1),
    ]
    rows = [[f"id {i}", text, -i, "=1+1"] for i, text in enumerate(contents)]
    path = tmp_path / "mine.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([["reviewId", "content", "score", "at"], *rows])
    page.choose_file("#file", path)
    page.wait("!document.querySelector('.chosen').hidden")
    assert text_of(page, ".found") == "mine.csv: 11 rows"
    assert page.run("document.getElementById('column').selectedOptions[0].text") == "content"
    assert page.run("document.getElementById('list').disabled")
    run_several(page)
    assert text_of(page, "#several-texts .status") == "9 of 11 answered; the others are empty or too long."
    asked = [text for text in contents if 0 < len(text) <= MOST_BYTES]
    answers = iter(predict(server, "reviews", "serving_default", asked))
    answers = [next(answers) if text in asked else None for text in contents]
    assert [row[:2] for row in table(page)] == [(i + 1, contents[i]) for i in range(11) if answers[i]]

    found = pd.read_csv(download(page), keep_default_na=False, dtype={"predicted_label": str})
    columns = ["reviewId", "content", "score", "at", "predicted_label", *(f"probability_{name}" for name in LABELS)]
    assert list(found.columns) == columns
    # pandas reads every line end as \n.
    apostrophes = ["'" * (text[:1] in tuple("=+-@")) + text for text in contents]
    assert [text.replace("\r\n", "\n") for text in found["content"]] == [
        text.replace("\r\n", "\n") for text in apostrophes
    ]
    assert list(found["score"]) == [-i for i in range(11)]
    assert set(found["at"]) == {"'=1+1"}
    assert list(found["predicted_label"]) == [answer["label"] if answer else "" for answer in answers]
    for i, label in enumerate(LABELS):
        written = [float(value) if value else None for value in found[f"probability_{label}"].astype(str)]
        assert written == [answer["probabilities"][i] if answer else None for answer in answers]
    page.click(".remove")
    assert page.run("document.getElementById('file').value === '' && document.querySelector('.chosen').hidden")


def drop(page, name, text):
    page.run(
        "(() => { const dataTransfer = new DataTransfer();"
        f"dataTransfer.items.add(new File([{json.dumps(text)}], {json.dumps(name)}));"
        "const options = { dataTransfer, bubbles: true, cancelable: true };"
        "return document.body.dispatchEvent(new DragEvent('drop', options)) })()"
    )


def test_a_dropped_csv_without_the_usual_column(server, page):
    drop(page, "a.csv", "id,words\n1,great\n2,terrible\n")
    page.wait("!document.querySelector('.chosen').hidden")
    assert page.run("document.querySelector('#several-texts .start').disabled")
    assert all_of(page, "#column option", "text") == ["Choose a column", "id", "words"]
    page.run("document.getElementById('column').value = '1'")
    page.run("document.getElementById('column').dispatchEvent(new Event('change'))")
    run_several(page)
    assert [row[1:3] for row in table(page)] == [("great", "good"), ("terrible", "bad")]


BAD_FILES = {
    b"": "it is empty",
    b"\n\n": "it is empty",
    b"content\n": "it has no rows below its header",
    b'content\n"never': "the quote of a field that starts on line 2 is never closed",
    b'content\n\n"a\nb"c\n': "on line 3 something follows a field's closing quote; double the quotes inside a field",
    b'content,b\n"a\n\nb",1\n2\n': "the row on line 5 has 1 fields and the header 2",
    b"content,b\r\n1,2\r\n3\r\n": "the row on line 3 has 1 fields",
    b"content\n\xff\xfe": "it is not UTF-8; save it again as CSV UTF-8",
    b"content\na\0b": "it holds NUL bytes",
    b"<!DOCTYPE html>\n<p>": "it is a web page, no CSV",
}


def test_files_that_cannot_be_used(page, tmp_path):
    path = tmp_path / "mine.csv"
    for number, (content, message) in enumerate(BAD_FILES.items()):
        path = tmp_path / f"mine{number}.csv"
        path.write_bytes(content)
        page.choose_file("#file", path)
        page.wait(f"document.querySelector('#several-texts .message').textContent.startsWith('{path.name} ')")
        found = text_of(page, "#several-texts .message")
        assert found.startswith(f"{path.name} cannot be used: {message}"), found
        assert "\n" not in found
        assert page.run("document.querySelector('.chosen').hidden")


def test_csv_is_read_and_written_as_python_does(page):
    rng = random.Random(0)
    cells = ["", "a", '"', '""', ",", "\n", "\r\n", "é😀", " ", 'a"b', "漢字", "'", "=", "-1", "\t"]
    tables, texts = [], []
    for case in range(100):
        size = rng.randint(2, 4), rng.randint(2, 5)
        tables.append(
            [["".join(rng.choices(cells, k=rng.randint(0, 3))) for _ in range(size[0])] for _ in range(size[1])]
        )
        written = io.StringIO()
        csv.writer(written, lineterminator=rng.choice(["\n", "\r\n"])).writerows(tables[-1])
        texts.append(written.getvalue()[: -1 if case % 2 else None])
    found = page.run(
        f"import('/page/csv.js').then(({{ readCsv, writeCsv }}) => {json.dumps(texts)}.map((text) => {{"
        "const { columns, rows } = readCsv(new TextEncoder().encode(text));"
        "return [[columns, ...rows], writeCsv([columns, ...rows])] }))"
    )
    assert [rows for rows, _ in found] == tables
    for (_, written), table in zip(found, tables, strict=True):
        guarded = [["'" * is_formula(cell) + cell for cell in row] for row in table]
        assert written[0] == "\ufeff"
        assert list(csv.reader(io.StringIO(written[1:], newline=""), strict=True)) == guarded


def is_formula(cell):
    """Whether a spreadsheet might run a cell."""
    return cell[:1] in tuple("=+-@\t\r") and cell != "-1"


def test_an_error_of_the_server_is_one_line(page):
    page.type("#text", "great " * 400)
    page.wait("document.querySelector('#one-text .message').textContent")
    message = text_of(page, "#one-text .message")
    assert message == "The server refuses: Input text has a string of 2400 bytes; one may have 2000."
    assert text_of(page, "#one-text .answer") == ""
    page.events = [event for event in page.events if "400 (Bad Request)" not in json.dumps(event)]
    type_text(page, "great")
    assert text_of(page, "#one-text .message") == ""


@pytest.fixture
def intercepted(page):
    """The page, whose predictions wait until they are let go on or answered."""
    page.call("Fetch.enable", patterns=[{"urlPattern": "*:predict"}])
    yield page
    page.call("Fetch.disable")
    # The browser notes every status but 200.
    page.events = [event for event in page.events if event.get("method") != "Log.entryAdded"]


def waiting(page):
    return page.wait_for_event("Fetch.requestPaused")["requestId"]


def answer(page, status, body=b"", **headers):
    found = {
        "responseHeaders": [{"name": name.replace("_", "-"), "value": value} for name, value in headers.items()],
        "body": base64.b64encode(body).decode(),
    }
    page.call("Fetch.fulfillRequest", requestId=waiting(page), responseCode=status, **found)


def test_a_busy_server_is_asked_again(intercepted):
    page = intercepted
    page.type("#list", "great")
    page.click("#several-texts .start")
    answer(page, 429, retry_after="1")
    page.wait("document.querySelector('#several-texts .status').textContent.startsWith('The server is busy')")
    answer(page, 503)
    page.call("Fetch.continueRequest", requestId=waiting(page))
    page.wait("!document.querySelector('.results').hidden")
    assert [row[1:3] for row in table(page)] == [("great", "good")]


def test_what_was_answered_before_it_was_cancelled_is_kept(intercepted):
    page = intercepted
    page.type("#list", "\n".join(TEXTS))
    page.click("#several-texts .start")
    page.call("Fetch.continueRequest", requestId=waiting(page))
    page.wait("document.querySelector('#several-texts .status').textContent.startsWith('8 of 20')")
    assert page.run("document.querySelector('progress').value") == pytest.approx(0.4)
    waiting(page)
    told = "document.querySelector('#several-texts .status').ariaLive"
    assert page.run(told) == "off"
    page.click(".cancel")
    page.wait("!document.querySelector('.results').hidden")
    assert page.run(told) == "polite"
    assert text_of(page, "#several-texts .status") == "8 of 20 answered before it was cancelled."
    assert len(table(page)) == 8
    assert not page.run("document.querySelector('#several-texts .start').disabled")


def test_a_version_that_serves_no_more(intercepted):
    page = intercepted
    page.type("#text", "great")
    answer(page, 404)
    # The list is asked for anew, and the text of the version that is found.
    for _ in range(2):
        page.call("Fetch.continueRequest", requestId=waiting(page))
    page.wait("!document.querySelector('.words').hidden")
    assert text_of(page, "#page-message").startswith("Version 1 of reviews serves no more.")
    assert text_of(page, "#one-text .answer strong") == "good"


def test_a_server_that_is_gone(intercepted):
    page = intercepted
    page.type("#text", "great")
    page.call("Fetch.failRequest", requestId=waiting(page), errorReason="ConnectionRefused")
    page.wait("document.querySelector('#one-text .message').textContent")
    assert text_of(page, "#one-text .message") == "The server cannot be reached. Is it still running?"


def test_numbers_that_are_not_finite(intercepted):
    page = intercepted
    page.type("#text", "great")
    answer(page, 200, b'{"predictions": [{"label": "good", "probabilities": [NaN, NaN, NaN]}]}')
    page.wait("document.querySelector('#one-text .message').textContent")
    assert text_of(page, "#one-text .message").startswith("The server's answer is not JSON")


def test_what_comes_late_is_not_shown(intercepted):
    page = intercepted
    page.type("#text", "great")
    late = waiting(page)
    page.type("#text", "terrible")
    for _ in range(2):
        page.call("Fetch.continueRequest", requestId=waiting(page))
    page.wait("!document.querySelector('.words').hidden")
    with contextlib.suppress(RuntimeError):  # the page may have given it up
        page.call("Fetch.continueRequest", requestId=late)
    page.run("new Promise((resolve) => setTimeout(resolve, 100))")
    assert text_of(page, "#one-text .answer strong") == "bad"
    # And of models: the one that was chosen last is shown, whichever is described first.
    page.call("Fetch.enable", patterns=[{"urlPattern": "*/metadata"}])
    choose(page, "bert, version 1")
    late = waiting(page)
    choose(page, "numbered, version 8")
    page.call("Fetch.continueRequest", requestId=waiting(page))
    page.wait("!document.getElementById('signatures').hidden")
    page.call("Fetch.continueRequest", requestId=late)
    page.run("new Promise((resolve) => setTimeout(resolve, 100))")
    assert all_of(page, "section:not([hidden])", "id") == ["signatures"]


def test_requests_fit_into_the_limits(page):
    chunks = "import('/page/several_texts.js').then(({{ chunks }}) => [...chunks({}, {})])".format
    limits = {"rows": 3, "text_bytes": 10, "body_bytes": 10_000}
    assert page.run(chunks(["a", "é" * 6, " ", "b", "c", "d", "e"], limits)) == [[0, 3, 4], [5, 6]]
    limits = {"rows": 100, "text_bytes": 1000, "body_bytes": 2100}
    assert page.run(chunks(["a" * 500] * 5, limits)) == [[0, 1], [2, 3], [4]]
    most = "import('/page/occlusion.js').then(({{ mostParts }}) => mostParts({}, {}))".format
    assert page.run(most(json.dumps("a" * 988), {"rows": 100, "body_bytes": 10_000})) == 9
    assert page.run(most(json.dumps("a"), {"rows": 100, "body_bytes": 10_000})) == 64
    assert page.run(most(json.dumps("a"), {"rows": 1, "body_bytes": 10})) == 1


def test_percentages(page):
    percents = "import('/page/elements.js').then(({ percent }) => [0, 0.0004, 0.0016, 0.5, 0.9992, 1].map(percent))"
    assert page.run(percents) == ["0.0 %", "< 0.1 %", "0.2 %", "50.0 %", "> 99.9 %", "100.0 %"]


def test_a_pair(server, page):
    page.type("#pair-first", "great app")
    page.type("#pair-second", "terrible great")
    page.wait("document.querySelector('#text-pair .answer').textContent")
    (found,) = predict(server, "reviews", "pairs", [{"first": "great app", "second": "terrible great"}])
    assert text_of(page, "#text-pair .answer strong") == found["label"]
    assert numbers(page, "#text-pair") == found["probabilities"]


def test_gaps_are_filled(server, page):
    choose(page, "bert, version 1")
    page.wait("!document.getElementById('fill-mask').hidden")
    assert page.run("document.getElementById('one-text').hidden")
    text = "I [MASK] this [MASK]"
    page.type("#masked", text)
    page.wait("document.querySelectorAll('.guesses h3').length === 2")
    (found,) = predict(server, "bert", "fill_mask", [text])
    assert all_of(page, ".guesses .name", "textContent") == [token for gap in found["tokens"] for token in gap]
    assert numbers(page, ".guesses") == [value for gap in found["probabilities"] for value in gap]
    # The second guess for the second gap goes into the text, whose first gap is guessed anew.
    page.click(".guesses div:nth-child(2) li:nth-child(2) button")
    page.wait("document.querySelectorAll('.guesses h3').length === 1")
    token = found["tokens"][1][1]
    filled = f"I [MASK] this{token[2:]}" if token.startswith("##") else f"I [MASK] this {token}"
    assert page.run("document.getElementById('masked').value") == filled
    assert page.run("document.activeElement.id") == "masked"
    # A gap behind the 12 tokens that the model reads.
    page.type("#masked", "[MASK]" + " app" * 20 + " [MASK]")
    page.wait("document.querySelector('#fill-mask .answer').textContent.includes('1 of its gaps are cut off')")
    page.type("#masked", "no gap ")
    page.wait("document.querySelector('#fill-mask .answer').textContent.startsWith('Put [MASK] where')")
    page.click(".insert")
    page.wait("document.querySelectorAll('.guesses li').length === 3")
    assert page.run("document.getElementById('masked').value").count("[MASK]") == 1


def test_a_guess_that_goes_on_a_word(page):
    joined = "import('/page/fill_mask.js').then(({ joined }) => [joined('an app ', '##s'), joined('an ', 'app')])"
    assert page.run(joined) == ["an apps", "an app"]


def test_whether_a_sentence_follows(server, page):
    choose(page, "bert, version 1")
    page.wait("!document.getElementById('next-sentence').hidden")
    page.type("#sentence-first", "I love this")
    page.type("#sentence-second", "it is great")
    page.wait("document.querySelector('#next-sentence .answer').textContent")
    (follows,) = predict(server, "bert", "next_sentence", [{"first": "I love this", "second": "it is great"}])
    assert numbers(page, "#next-sentence")[0] == follows
    assert text_of(page, "#next-sentence .answer strong") == ("It follows" if follows >= 0.5 else "It does not")


def test_other_models_and_versions(page):
    assert all_of(page, "#model option", "text") == [
        "reviews, version 1",
        "bert, version 1",
        "numbered, version 8",
        "numbered, version 7",
    ]
    message = text_of(page, "#page-message")
    assert message.startswith("No version of broken serves: version 1 is END."), message
    choose(page, "numbered, version 7")
    page.wait("!document.getElementById('signatures').hidden")
    assert all_of(page, "section:not([hidden])", "id") == ["signatures"]
    rows = page.run(
        "[...document.querySelectorAll('#signatures tbody tr')].map((row) => [...row.cells].map((cell) =>"
        "cell.innerText.trim()))"
    )
    assert [row[0] for row in rows] == ["busy", "fail", "mix", "serving_default", "widest"]
    assert rows[3] == ["serving_default", "predict", "text string (any)", "length int32 (any)\nnumber float (any)"]
    assert page.run("document.title") == "numbered · tfbert"


# For everyone.


def test_the_keyboard_alone(page):
    page.type("#list", "great\nterrible")
    page.run("document.activeElement.blur(); document.getElementById('model').focus()")
    visited = [page.run("document.activeElement.id")]
    for _ in range(4):
        page.press("Tab", 9)
        visited.append(page.run("document.activeElement.id || document.activeElement.className"))
        outline = page.run("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", visited[-1]
    assert visited == ["model", "text", "list", "file", "start main"]
    page.press("Enter", 13, text="\r")
    page.wait("!document.querySelector('.results').hidden && document.querySelector('.cancel').hidden")
    assert page.run("document.activeElement.className") == "start main"


def test_every_field_is_named_and_results_are_told(page):
    unnamed = "[...document.querySelectorAll('textarea, select, input')].filter((field) => !field.labels.length).length"
    assert page.run(unnamed) == 0
    assert page.run("[...document.querySelectorAll('.answer, .status')].every((found) => found.role === 'status')")
    assert page.run("[...document.querySelectorAll('.message[id], section .message')].every((m) => m.role === 'alert')")


def test_on_a_phone_and_in_the_dark(page):
    page.resize(360, 640)
    type_text(page, "great " + "x" * 200)
    page.type("#list", "great " + "x" * 200)
    run_several(page)
    assert page.run("document.documentElement.scrollWidth") == 360
    colours = []
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colours.append(page.run("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 24, 28)"]
    page.call("Emulation.setEmulatedMedia", features=[])
