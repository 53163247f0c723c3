"""Gauges and counters whose values are read when /metrics is requested, so that keeping them costs nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from modelservice_operator.metrics.instruments import REGISTRY

Labels = tuple[str, ...]
"""Values of the labels of one series, in the order of their names."""
Read = Callable[[], Mapping[Labels, float]]
"""Returns the values of all series."""


def _nothing() -> Mapping[Labels, float]:
    return {}


class ScrapedMetric(Collector):
    """A metric that is read from a source at each scrape; without a source it has no series."""

    def __init__(
        self,
        family: type[GaugeMetricFamily] | type[CounterMetricFamily],
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        *,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._family = family
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._read: Read = _nothing
        registry.register(self)

    def read_from(self, read: Read) -> None:
        """Set the source. The last one counts: there is one manager in a process."""
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Return the metric without series."""
        return [self._empty()]

    def collect(self) -> Iterator[Metric]:
        """Yield the metric with the values of this moment."""
        metric = self._empty()
        for labels, value in self._read().items():
            metric.add_metric(labels, value)
        yield metric

    def _empty(self) -> GaugeMetricFamily | CounterMetricFamily:
        return self._family(self._name, self._documentation, labels=self._labels)


QUEUE_DEPTH = ScrapedMetric(
    GaugeMetricFamily, "workqueue_depth", "Keys that wait for a worker; 0 on a standby.", ["name", "controller"]
)
QUEUE_UNFINISHED = ScrapedMetric(
    GaugeMetricFamily,
    "workqueue_unfinished_work_seconds",
    "Time that all keys that are being reconciled have taken until now, added up.",
    ["name", "controller"],
)
QUEUE_LONGEST = ScrapedMetric(
    GaugeMetricFamily,
    "workqueue_longest_running_processor_seconds",
    "Longest time that a worker has had its key until now.",
    ["name", "controller"],
)
QUEUE_OLDEST = ScrapedMetric(
    GaugeMetricFamily,
    "modelservice_workqueue_oldest_wait_seconds",
    "Longest time that a key has waited for a worker until now; 0 on a standby.",
    ["name", "controller"],
)
ACTIVE_WORKERS = ScrapedMetric(
    GaugeMetricFamily, "controller_runtime_active_workers", "Workers that reconcile a key.", ["controller"]
)
MAX_WORKERS = ScrapedMetric(
    GaugeMetricFamily, "controller_runtime_max_concurrent_reconciles", "Workers (--workers).", ["controller"]
)
WATCH_AGE = ScrapedMetric(
    GaugeMetricFamily,
    "modelservice_watch_age_seconds",
    "Time since the API server last answered a list or watch of a kind, the longest of all namespaces. Up to 590 s are"
    " normal while nothing changes.",
    ["kind"],
)
WATCH_RESTARTS = ScrapedMetric(
    CounterMetricFamily,
    "modelservice_watch_restarts_total",
    "Watches that ended, by kind and cause. The API server ends each after 5 to 10 minutes.",
    ["kind", "cause"],
)
CACHED_OBJECTS = ScrapedMetric(
    GaugeMetricFamily, "modelservice_cached_objects", "Objects in the caches, by kind.", ["kind"]
)
MODELS = ScrapedMetric(
    GaugeMetricFamily,
    "modelservice_models",
    "ModelServices by status and reason of their condition Ready. Only the leader reports them.",
    ["ready", "reason"],
)
LEADER = ScrapedMetric(
    GaugeMetricFamily,
    "leader_election_master_status",
    "1 if this replica is the leader, or runs without leader election. The label is the name of the Lease.",
    ["name"],
)
BUILD_INFO = ScrapedMetric(
    GaugeMetricFamily, "modelservice_build_info", "Versions of the operator and of Python.", ["version", "python"]
)
