"""Versions come and go while requests run: a folder is polled, new versions are loaded, old ones are drained.

As TensorFlow Serving does it with its availability-preserving policy: a new version is loaded and warmed up while the
old one serves, then takes its place for new requests, and the old one goes when its last request is answered. A
version that cannot be loaded is reported and left aside; the next lower one that can be loaded serves. It is tried
again when a file in it changes.
"""

import contextlib
import dataclasses
import gc
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

from tfbert.server.batching import BatchingParameters
from tfbert.server.loaded_model import LoadedModel
from tfbert.server.metrics import Metrics
from tfbert.server.model_configs import ModelConfig, versions_in
from tfbert.server.status_codes import StatusError, invalid, not_found
from tfbert.server.warm_up import warm_up

logger = logging.getLogger("tfbert.server")

_Fingerprint = tuple[tuple[str, int, int], ...]


@dataclasses.dataclass
class VersionStatus:
    """Where a version is: START, LOADING, AVAILABLE, UNLOADING or END, and what went wrong."""

    state: str
    code: str = "OK"
    message: str = ""


class _Version:
    """A loaded version with the number of requests that run on it."""

    def __init__(self, model: LoadedModel):
        self.model = model
        self.running = 0


class _Served:
    """One model of the configuration. All but `config` is guarded by the owner's lock."""

    def __init__(self, config: ModelConfig):
        self.config = config
        self.loaded: dict[int, _Version] = {}
        self.draining: dict[int, _Version] = {}
        self.statuses: dict[int, VersionStatus] = {}
        self.damaged: dict[int, _Fingerprint] = {}


class Versions:
    """The models that are served and their versions.

    Args:
        configs: the models.
        batching: how requests are run together; None runs each on its own.
        metrics: where runs and warm-ups are counted.
    """

    def __init__(self, configs: list[ModelConfig], batching: BatchingParameters | None, metrics: Metrics):
        self._served = {config.name: _Served(config) for config in configs}
        self._batching = batching
        self._metrics = metrics
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def use(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[LoadedModel]:
        """Yield a model for one request; it is not unloaded before the block is left.

        Raises:
            StatusError: no such model, version or label serves.
        """
        with self._lock:
            served = self._served.get(name)
            if label is not None:
                version = self._labelled(served, label)
            number = version if version is not None else max(served.loaded, default=-1) if served else -1
            found = served.loaded.get(number) if served else None
            if found is None:
                asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise not_found(f"Servable not found for request: {asked}")
            found.running += 1
        try:
            yield found.model
        finally:
            with self._lock:
                found.running -= 1

    def status(self, name: str, version: int | None = None, label: str | None = None) -> dict[int, VersionStatus]:
        """The status of one version, or of all that were ever seen, the highest first."""
        with self._lock:
            served = self._served.get(name)
            if label is not None:
                version = self._labelled(served, label)
            statuses = dict(served.statuses) if served else {}
        if version is not None and version not in statuses:
            raise not_found(f"Could not find version {version} of model {name}")
        if not statuses:
            raise not_found(f"Could not find any versions of model {name}")
        return {number: statuses[number] for number in sorted(statuses, reverse=True) if version in (None, number)}

    @property
    def names(self) -> list[str]:
        """The models' names."""
        return list(self._served)

    def start(self, poll_seconds: float) -> None:
        """Load what is there, then go on looking in a thread of its own, until `stop`."""
        self.poll()
        self._thread = threading.Thread(target=self._keep_polling, args=(poll_seconds,), name="versions", daemon=True)
        self._thread.start()

    def look_no_more(self) -> None:
        """Begin to load nothing more; waits for nothing, so a signal's handler may call it."""
        self._stop.set()

    def stop(self) -> None:
        """Look no more, and wait for the look that runs."""
        self.look_no_more()
        if self._thread:
            self._thread.join()

    def _keep_polling(self, poll_seconds: float) -> None:
        while not self._stop.wait(poll_seconds):
            try:
                self.poll()
            except Exception:
                logger.exception("looking for versions failed; the next look is in %g s", poll_seconds)

    def poll(self) -> None:
        """Look once: load what is new, take out of service what is no longer wanted, unload what is drained."""
        for served in self._served.values():
            self._look(served)
        self._unload_drained()

    def _look(self, served: _Served) -> None:
        config = served.config
        present = versions_in(config.folder)
        wanted = config.wanted(present)
        serving: list[int] = []
        for version in wanted:
            if len(serving) == config.most:
                break
            if self._stop.is_set():
                return
            if version in served.loaded or self._load(served, version, present[version]):
                serving.append(version)
        with self._lock:
            for version in served.statuses.keys() - set(wanted):
                served.damaged.pop(version, None)
            for version in [version for version in served.loaded if version not in serving]:
                served.draining[version] = served.loaded.pop(version)
                served.statuses[version] = VersionStatus("UNLOADING")

    def _load(self, served: _Served, version: int, path: Path) -> bool:
        """Load a version unless it is known to be damaged; returns whether it serves."""
        name, fingerprint = served.config.name, _fingerprint(path)
        if served.damaged.get(version) == fingerprint or version in served.draining:
            return False
        self._report(served, version, VersionStatus("LOADING"))
        logger.info("model %s version %d is being loaded", name, version)
        try:
            model = LoadedModel(path, name, version, self._batching, self._metrics)
            records = warm_up(model, path, self._metrics)
        except StatusError as error:
            served.damaged[version] = fingerprint
            self._report(served, version, VersionStatus("END", error.code, error.message))
            logger.error("model %s version %d is left aside: %s: %s", name, version, error.code, error.message)
            return False
        with self._lock:
            served.loaded[version] = _Version(model)
            served.damaged.pop(version, None)
            served.statuses[version] = VersionStatus("AVAILABLE")
        logger.info("model %s version %d serves, warmed up by %d records", name, version, records)
        return True

    def _report(self, served: _Served, version: int, status: VersionStatus) -> None:
        with self._lock:
            served.statuses[version] = status

    def _unload_drained(self) -> None:
        gone = []
        with self._lock:
            for served in self._served.values():
                for version in [number for number, held in served.draining.items() if not held.running]:
                    gone.append((served, version))
                    del served.draining[version]
        if gone:
            # A loaded model is full of cycles; its variables go when these are found.
            gc.collect()
        for served, version in gone:
            self._report(served, version, VersionStatus("END"))
            logger.info("model %s version %d is unloaded", served.config.name, version)

    def _labelled(self, served: _Served | None, label: str) -> int:
        if served is None or label not in served.config.labels:
            raise invalid(f"Unrecognized servable version label: {label}")
        return served.config.labels[label]


def _fingerprint(folder: Path) -> _Fingerprint:
    """What changes when a file in `folder` does."""
    found = []
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((str(path.relative_to(folder)), status.st_size, status.st_mtime_ns))
    return tuple(found)
