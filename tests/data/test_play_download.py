"""The download, fetched with the real gdown: plain links from a local HTTP server, Google Drive's from a local TLS one.

gdown treats links to drive.google.com in its own way and always over TLS, so for those the environment names a local
proxy (HTTPS_PROXY) that answers in Google's place, with a certificate that only these tests trust (REQUESTS_CA_BUNDLE).
"""

import hashlib
import http.server
import json
import socket
import ssl
import sys
import threading
import traceback
from pathlib import Path

import gdown  # noqa: F401 - so that its module is there to look at
import pytest

from tfbert.data.play_download import LOCK_NAME, PLAY_ROWS, PLAY_URLS, download_play_reviews
from tfbert.data.reviews import read_reviews
from tfbert.errors import InputError

REVIEWS = "content,score,replyContent,appId\n" + "".join(f"text {i},{i % 5 + 1},,app\n" for i in range(10))
APPS = "title,appId\nTitle,app\n"
QUOTA_PAGE = (
    "<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>\n"
    '<p class="uc-error-caption">Sorry, you can&#39;t view or download this file at this time.</p>\n'
    '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently. Please try accessing '
    "the file again later.</p>\n</body></html>"
)
LOGIN_PAGE = "<!doctype html><html><head><title>Sign in</title></head><body>Sign in to continue</body></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer with what the test put into `server.pages`: (body, options) by path or, for Google Drive, by file id."""

    def do_GET(self):
        self.server.requests.append(self.path)
        body, options = self.server.pages[self.path.split("id=")[-1]]
        content = body.encode()
        self.server.silence.wait(options.get("silent_seconds", 0))
        self.send_response(options.get("status", 200))
        self.send_header("Content-Type", options.get("type", "text/csv"))
        if "disposition" in options:
            self.send_header("Content-Disposition", options["disposition"])
        self.send_header("Content-Length", str(len(content) + options.get("short_by", 0)))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
        self.handle_one_request()
        self.connection.close()

    def log_message(self, *arguments):
        pass


CERTIFICATE = Path(__file__).parent / "drive_google_com.pem"


@pytest.fixture
def server(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests, server.pages, server.silence = [], {}, threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.silence.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def drive(server, monkeypatch):
    """Let gdown meet the local server in the place of drive.google.com."""
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    attachment = {"type": "text/csv", "disposition": 'attachment; filename="x.csv"'}
    for (name, url), body in zip(PLAY_URLS.items(), (REVIEWS, APPS), strict=True):
        assert name in ("reviews.csv", "apps.csv")
        server.pages[url.split("id=")[-1]] = (body, attachment)
    server.reviews_id, server.apps_id = (url.split("id=")[-1] for url in PLAY_URLS.values())
    return server


def fetch(server, folder, reviews=(REVIEWS, {}), apps=(APPS, {}), **keywords):
    server.pages |= {"/r": reviews, "/a": apps}
    urls = {"reviews.csv": f"{server.url}/r", "apps.csv": f"{server.url}/a"}
    return download_play_reviews(folder, urls=urls, **{"expected_rows": 10, "retries": 0} | keywords)


def refusal(call, *arguments, **keywords) -> str:
    with pytest.raises(InputError) as raised:
        call(*arguments, **keywords)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_good_download_is_recorded_and_not_fetched_again(server, tmp_path):
    folder = fetch(server, tmp_path / "new" / "play")
    assert folder == tmp_path / "new" / "play"
    assert names(folder) == ["apps.csv", LOCK_NAME, "reviews.csv"]
    assert json.loads((folder / LOCK_NAME).read_text()) == {"reviews.csv": sha256(REVIEWS), "apps.csv": sha256(APPS)}
    assert read_reviews(folder).frame["app"].unique().tolist() == ["Title"]
    assert server.requests == ["/r", "/a"]
    fetch(server, folder)
    assert server.requests == ["/r", "/a"]


@pytest.mark.parametrize("answer", [("", {"status": 404}), ("<html>no</html>", {"type": "text/html"})])
def test_a_password_in_a_link_is_not_told(server, tmp_path, answer):
    server.pages["/r"] = answer
    url = server.url.replace("//", "//someone:secret@") + "/r"
    with pytest.raises(InputError, match=server.url) as raised:
        download_play_reviews(tmp_path, urls={"reviews.csv": url}, retries=0)
    assert "secret" not in "".join(traceback.format_exception(raised.value))


def test_google_drives_cookies_are_not_kept(drive, tmp_path, monkeypatch):
    # gdown's file in the home folder, whose place it works out when it is imported.
    monkeypatch.setattr(sys.modules["gdown.download"], "DEFAULT_COOKIES_FILE", str(tmp_path / "cookies.txt"))
    download_play_reviews(tmp_path / "play", expected_rows=10)
    assert names(tmp_path) == ["play"]


BAD_ANSWERS = {
    "HTML page": ((LOGIN_PAGE, {"type": "text/html"}), ["HTML page", "browser"]),
    "quota page under a plain link": ((QUOTA_PAGE, {"type": "text/html"}), ["HTML page", "browser"]),
    "short body": (
        (REVIEWS, {"short_by": 100}),
        [f"the server announced {len(REVIEWS) + 100} bytes", "arrive whole", "run again"],
    ),
    "too few rows": ((REVIEWS[:-14], {}), ["must have 10 rows; it has 9"]),
    "too many rows": ((REVIEWS + "more,1,,app\n", {}), ["must have 10 rows; it has 11"]),
    "other columns": ((REVIEWS.replace("score", "stars", 1), {}), ["missing 'score'"]),
    "no app": ((REVIEWS.replace("appId", "application", 1), {}), ["missing 'appId'"]),
    "no reply": ((REVIEWS.replace("replyContent", "answer", 1), {}), ["missing 'replyContent'"]),
    "bad score": ((REVIEWS.replace("text 4,5", "text 4,7"), {}), ["from 1 to 5", "'7'", "line 6"]),
    "not found": (("gone", {"status": 404}), ["404", "check the link", "browser"]),
    "empty": (("", {}), ["empty"]),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_a_bad_answer_is_refused_and_nothing_is_left(server, tmp_path, case):
    answer, parts = BAD_ANSWERS[case]
    message = refusal(fetch, server, tmp_path / "new" / "play", reviews=answer)
    for part in (f"{server.url}/r", *parts):
        assert part in message
    assert ".download-" not in message  # the temporary file is no place to look at
    assert names(tmp_path) == []


def test_a_bad_list_of_apps_leaves_the_good_reviews(server, tmp_path):
    message = refusal(fetch, server, tmp_path, apps=("name,appId\nTitle,app\n", {}))
    assert "missing 'title'" in message
    assert names(tmp_path) == [LOCK_NAME, "reviews.csv"]
    fetch(server, tmp_path)
    assert server.requests == ["/r", "/a", "/a"]


def test_a_broken_connection_is_tried_again(server, tmp_path):
    message = refusal(fetch, server, tmp_path, reviews=(REVIEWS, {"short_by": 1}), retries=1)
    assert "whole" in message
    assert server.requests == ["/r", "/r"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("retries", [0, 1])
def test_no_network_is_named(tmp_path, retries):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        urls = {"reviews.csv": f"http://127.0.0.1:{closed.getsockname()[1]}/r"}
    message = refusal(download_play_reviews, tmp_path / "play", urls=urls, retries=retries)
    assert "no connection (ConnectionError)" in message
    assert "check the network" in message
    assert '"sample"' in message
    assert names(tmp_path) == []


def test_a_silent_server_is_not_waited_for_for_ever(server, tmp_path, monkeypatch):
    monkeypatch.setattr("tfbert.data.play_download._TIMEOUT_SECONDS", (10, 0.2))
    message = refusal(fetch, server, tmp_path, reviews=(REVIEWS, {"silent_seconds": 3}))
    assert "no connection (ReadTimeout)" in message
    assert names(tmp_path) == []


def test_a_file_that_changed_here_is_refused_with_both_checksums(server, tmp_path):
    fetch(server, tmp_path)
    changed = REVIEWS.replace("text 0", "text X")
    (tmp_path / "reviews.csv").write_text(changed)
    message = refusal(fetch, server, tmp_path)
    for part in (sha256(REVIEWS), sha256(changed), "delete it to fetch it again", LOCK_NAME):
        assert part in message
    (tmp_path / "reviews.csv").unlink()  # the remedy
    fetch(server, tmp_path)
    assert (tmp_path / "reviews.csv").read_text() == REVIEWS


def test_a_file_that_changed_there_is_refused_with_both_checksums(server, tmp_path):
    fetch(server, tmp_path)
    (tmp_path / "reviews.csv").unlink()
    changed = REVIEWS.replace("text 0", "text X")
    message = refusal(fetch, server, tmp_path, reviews=(changed, {}))
    for part in (f"{server.url}/r", sha256(REVIEWS), sha256(changed), "delete"):
        assert part in message
    assert names(tmp_path) == ["apps.csv", LOCK_NAME]
    (tmp_path / LOCK_NAME).unlink()  # the remedy
    fetch(server, tmp_path, reviews=(changed, {}))
    assert json.loads((tmp_path / LOCK_NAME).read_text())["reviews.csv"] == sha256(changed)


def test_files_put_there_by_hand_are_checked_and_recorded(server, tmp_path):
    (tmp_path / "reviews.csv").write_text(QUOTA_PAGE)
    (tmp_path / "apps.csv").write_text(APPS)
    assert refusal(fetch, server, tmp_path).startswith(f"{tmp_path / 'reviews.csv'}: the file is an HTML page")
    (tmp_path / "reviews.csv").write_text(REVIEWS)
    fetch(server, tmp_path)
    assert server.requests == []
    assert json.loads((tmp_path / LOCK_NAME).read_text()) == {"reviews.csv": sha256(REVIEWS), "apps.csv": sha256(APPS)}


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_record_is_refused(server, tmp_path, content):
    fetch(server, tmp_path)
    (tmp_path / LOCK_NAME).write_text(content)
    assert "delete the file" in refusal(fetch, server, tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(server, tmp_path):
    (tmp_path / "file").write_text("")
    message = refusal(fetch, server, tmp_path / "file" / "play")
    assert "must be able to write here" in message
    assert "another folder" in message


def test_google_drive_gives_a_good_file(drive, tmp_path):
    download_play_reviews(tmp_path, expected_rows=10)
    assert (tmp_path / "reviews.csv").read_text() == REVIEWS
    assert (tmp_path / "apps.csv").read_text() == APPS
    assert drive.requests == [f"/uc?id={drive.reviews_id}", f"/uc?id={drive.apps_id}"]


def test_the_tutorials_number_of_rows_is_asked_for(drive, tmp_path):
    assert f"must have {PLAY_ROWS} rows; it has 10" in refusal(download_play_reviews, tmp_path / "play")
    assert PLAY_ROWS == 15_746
    assert names(tmp_path) == []


def test_google_drives_quota_page_is_named(drive, tmp_path):
    drive.pages[drive.reviews_id] = (QUOTA_PAGE, {"type": "text/html; charset=utf-8"})
    message = refusal(download_play_reviews, tmp_path / "play")
    for part in ("download quota", drive.reviews_id, "browser", str(tmp_path / "play" / "reviews.csv")):
        assert part in message
    assert names(tmp_path) == []


def test_a_private_file_of_google_drive_is_named(drive, tmp_path):
    drive.pages[drive.reviews_id] = (LOGIN_PAGE, {"type": "text/html; charset=utf-8"})
    message = refusal(download_play_reviews, tmp_path / "play")
    assert "no public link" in message
    assert "quota" not in message
    assert names(tmp_path) == []
