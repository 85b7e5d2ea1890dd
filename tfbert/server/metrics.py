"""Counters and histograms under TensorFlow Serving's names, in Prometheus' text format.

Names, labels and buckets are those of servables/tensorflow/util.cc and util/prometheus_exporter.cc there.
"""

import bisect
import re
import threading
from collections import defaultdict

PATH = "/monitoring/prometheus/metrics"
# Microseconds, 10 to 1.4 billion.
_LATENCY_LIMITS = [10 * 1.8**power for power in range(33)]
_EXAMPLES_LIMITS = [float(2**power) for power in range(15)]

_Labels = tuple[tuple[str, str], ...]


class Metrics:
    """All that the server counts; safe to use from any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self._counters: dict[str, dict[_Labels, int]] = defaultdict(lambda: defaultdict(int))
        self._histograms: dict[str, dict[_Labels, _Histogram]] = defaultdict(dict)

    def count_request(self, model: str, status: str, api: str, entrypoint: str, seconds: float) -> None:
        """Count one request, of `api` predict, classify, ..., that came by `entrypoint` REST or GRPC."""
        with self._lock:
            self._counters["/tensorflow/serving/request_count"][("model_name", model), ("status", status)] += 1
            labels = (("model_name", model), ("API", api), ("entrypoint", entrypoint))
            self._add("/tensorflow/serving/request_latency", labels, _LATENCY_LIMITS, seconds * 1e6)

    def count_run(self, model: str, api: str, seconds: float) -> None:
        """Count one run of a model's graph."""
        with self._lock:
            labels = (("model_name", model), ("API", api), ("runtime", "TF1"))
            self._add("/tensorflow/serving/runtime_latency", labels, _LATENCY_LIMITS, seconds * 1e6)

    def count_examples(self, model: str, number: int) -> None:
        """Count the examples of one request to classify or regress."""
        with self._lock:
            labels = (("model", model),)
            self._counters["/tensorflow/serving/request_example_count_total"][labels] += number
            self._add("/tensorflow/serving/request_example_counts", labels, _EXAMPLES_LIMITS, number)

    def count_warmup(self, path: str, status: str, seconds: float) -> None:
        """Count one version's warm-up."""
        with self._lock:
            labels = (("model_path", path), ("status", status))
            self._add("/tensorflow/serving/model_warmup_latency", labels, _LATENCY_LIMITS, seconds * 1e6)

    def page(self) -> str:
        """The text that Prometheus reads."""
        lines = []
        with self._lock:
            for name, points in sorted(self._counters.items()):
                lines.append(f"# TYPE {_metric_name(name)} counter")
                lines += [f"{_metric_name(name)}{{{_shown(labels)}}} {value}" for labels, value in points.items()]
            for name, histograms in sorted(self._histograms.items()):
                lines.append(f"# TYPE {_metric_name(name)} histogram")
                for labels, histogram in histograms.items():
                    lines += histogram.lines(_metric_name(name), _shown(labels))
        return "\n".join(lines) + "\n"

    def _add(self, name: str, labels: _Labels, limits: list[float], value: float) -> None:
        points = self._histograms[name]
        if labels not in points:
            points[labels] = _Histogram(limits)
        points[labels].add(value)


class _Histogram:
    def __init__(self, limits: list[float]):
        self._limits = limits
        self._counts = [0] * (len(limits) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        # A bucket holds what is below its limit (tsl/lib/histogram).
        self._counts[bisect.bisect_right(self._limits, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str) -> list[str]:
        limits = [*(f"{limit:.6g}" for limit in self._limits), "+Inf"]
        total, found = 0, []
        for limit, count in zip(limits, self._counts, strict=True):
            total += count
            found.append(f'{name}_bucket{{{labels},le="{limit}"}} {total}')
        return [*found, f"{name}_sum{{{labels}}} {self._sum:.12g}", f"{name}_count{{{labels}}} {total}"]


def _metric_name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", ":", name)


def _shown(labels: _Labels) -> str:
    escaped = ((name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for name, value in labels)
    return ",".join(f'{name}="{value}"' for name, value in escaped)
