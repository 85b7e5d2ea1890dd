"""The tutorial's app reviews (15,746 rows, Google Play, 2020), fetched once from Google Drive and checked."""

import contextlib
import errno
import hashlib
import json
import os
import re
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

from tfbert.atomic import written_beside
from tfbert.data.csv_table import read_csv_table
from tfbert.data.reviews import APP_COLUMN, REPLY_COLUMN, read_reviews
from tfbert.errors import InputError

PLAY_URLS: Mapping[str, str] = {
    "reviews.csv": "https://drive.google.com/uc?id=1zdmewp7ayS4js4VtrJEHzAheSW-5NBZv",
    "apps.csv": "https://drive.google.com/uc?id=1S6qMioqPJjyBLpLVz4gmRTnJHnjitnuV",
}
PLAY_ROWS = 15_746
LOCK_NAME = "checksums.json"
_TIMEOUT_SECONDS = (10, 60)  # to connect, between bytes; gdown waits for ever by default


def download_play_reviews(
    folder: str | Path,
    *,
    urls: Mapping[str, str] = PLAY_URLS,
    expected_rows: int = PLAY_ROWS,
    retries: int = 3,
) -> Path:
    """Bring reviews.csv and apps.csv into a folder, checked; `read_reviews(folder)` reads them.

    A file's SHA-256 is recorded in the folder's checksums.json when it is first taken in, and compared from then on. A
    file that is there already is not fetched again: if it was put there by hand (the remedy where Google refuses), it
    is checked and taken in like a fetched one. A file is fetched into a temporary folder, checked there and renamed, so
    that nothing half-written is left. The files are the public ones, with the reviewers' public names in them;
    `read_reviews` does not read those.

    Args:
        folder: where the files lie; made if missing.
        urls: where each comes from, a Google Drive link or a plain one.
        expected_rows: rows that reviews.csv must have.
        retries: further attempts after a network failure, for each file.

    Raises:
        InputError: if a file cannot be fetched (no network, quota page, private file, short body), is not what it
            should be (HTML, other columns, other number of rows, bad scores), or differs from the one recorded.
    """
    folder = Path(folder)
    missing_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, url in urls.items():
            with _password_hidden(url):
                _bring(folder, name, url, expected_rows, retries)
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "check the folder's permissions"
        raise InputError(
            f"{folder}: the download must be able to write here; {error.strerror or error}: {remedy} or choose another "
            "folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # only folders made here that nothing came into can be removed
            for path in missing_folders:
                path.rmdir()
    return folder


@contextlib.contextmanager
def _password_hidden(url: str) -> Iterator[None]:
    """Keep the user and password of a link out of what an error says, and out of the errors behind it."""
    user_and_password, at, _ = urllib.parse.urlsplit(url).netloc.rpartition("@")
    try:
        yield
    except InputError as error:
        if not at:
            raise
        raise InputError(str(error).replace(user_and_password + at, "")) from None


def _bring(folder: Path, name: str, url: str, expected_rows: int, retries: int) -> None:
    target = folder / name
    if target.exists():
        checksum = _sha256(target)
        recorded = _recorded(folder).get(name)
        if recorded is None:
            _check_content(target, str(target), expected_rows)
            _record(folder, name, checksum)
        elif recorded != checksum:
            raise InputError(
                f"{target}: the file must be the one recorded in {LOCK_NAME} (sha256 {recorded}); it has sha256 "
                f"{checksum}: delete it to fetch it again, or delete {folder / LOCK_NAME} if it was changed on purpose"
            )
        return
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
        fetched = Path(temporary) / name
        _fetch(url, fetched, target, retries)
        _check_content(fetched, f"{name} from {url}", expected_rows)
        checksum = _sha256(fetched)
        recorded = _recorded(folder).get(name)
        if recorded not in (None, checksum):
            raise InputError(
                f"{url}: the file there must be the one first downloaded (sha256 {recorded}, in {folder / LOCK_NAME}); "
                f"it now has sha256 {checksum}: bring back the earlier file as {target}, or delete "
                f"{folder / LOCK_NAME} to accept the new one"
            )
        os.replace(fetched, target)
    _record(folder, name, checksum)


def _fetch(url: str, path: Path, target: Path, retries: int) -> None:
    # Imported here: reading local files needs neither the packages nor the second that they take to import.
    import gdown
    import requests

    by_hand = f"open {url} in a browser, save the file as {target} and run again"
    try:
        gdown.download(
            url=url, output=str(path), quiet=True, use_cookies=False, timeout=_TIMEOUT_SECONDS, retries=retries
        )
    except gdown.exceptions.FileURLRetrievalError as error:
        if "too many users" in str(error).lower():
            rule = "Google Drive has reached its download quota for the file (a limit on its side, for a day or so)"
        else:
            rule = "Google Drive gives no public link to the file (it is private, removed, or asked for too often)"
        raise InputError(f"{url}: {rule}: {by_hand}") from error
    except gdown.exceptions.DownloadError as error:
        if isinstance(error.__cause__, requests.exceptions.ConnectionError | requests.exceptions.Timeout):
            raise InputError(_no_network(url, error.__cause__, by_hand)) from error
        reason = re.split(r"[.;]\s", str(error))[0]  # the rest names the partial file, which is not kept
        raise InputError(f"{url}: the file must arrive whole; {reason}: run again, or {by_hand}") from error
    except requests.exceptions.HTTPError as error:
        raise InputError(
            f"{url}: the server must give the file; it said {error}: check the link, or {by_hand}"
        ) from error
    except requests.exceptions.RequestException as error:
        raise InputError(_no_network(url, error, by_hand)) from error


def _no_network(url: str, error: Exception, by_hand: str) -> str:
    return (
        f"{url}: no connection ({type(error).__name__}): check the network and the proxy settings, or, where there is "
        f'network, {by_hand}; the bundled reviews, source "sample", need no network'
    )


def _check_content(path: Path, shown: str, expected_rows: int) -> None:
    """Refuse a file that is not what its name says; messages call it `shown`, since its own path may be temporary."""
    try:
        if path.name == "apps.csv":
            read_csv_table(path, required=(APP_COLUMN, "title"))
            return
        read_csv_table(path, required=(APP_COLUMN, REPLY_COLUMN))
        rows = read_reviews(path).rows_read
    except InputError as error:
        raise InputError(str(error).replace(str(path), shown)) from error
    if rows != expected_rows:
        raise InputError(
            f"{shown} must have {expected_rows} rows; it has {rows}: it is another file, or cut; give the path of a "
            "file of your own as the source to use it"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _recorded(folder: Path) -> dict[str, str]:
    path = folder / LOCK_NAME
    if not path.exists():
        return {}
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: the recorded checksums must be JSON; {error}: delete the file") from error
    if not isinstance(recorded, dict):
        raise InputError(f"{path}: the recorded checksums must be a JSON object; got {recorded!r}: delete the file")
    return recorded


def _record(folder: Path, name: str, checksum: str) -> None:
    with written_beside(folder / LOCK_NAME) as partial:
        partial.write_text(json.dumps(_recorded(folder) | {name: checksum}, indent=2) + "\n", encoding="utf-8")
