"""Settings of the operator as one frozen value, set by the command line; only that reads the environment for them."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from modelservice_operator import __version__

FIELD_MANAGER = "modelservice-operator"
"""Field manager of every write, value of the managed-by label, and name in the user agent."""

LEASE_NAME = "modelservice-operator"
"""Name of the Lease of an operator that serves all namespaces, and beginning of the names of others."""
LEASE_VERSION_ANNOTATION = "modelservice.dev/operator-version"
"""On the Lease: version of the operator that last wrote it."""

LOG_LEVELS = ("debug", "info", "warning", "error")
"""Levels of the log, by --log-level or the annotation on the Lease."""


class LogFormat(StrEnum):
    """Forms of a log line."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """Defaults and limits for loaders. All times are seconds."""

    image: str = f"modelservice.dev/loader:{__version__}"
    """Image of the loader, unless the spec sets one."""
    timeout_seconds: int = 3600
    """Maximum time for the download of a model, unless the spec sets one."""
    refresh_interval_seconds: int = 3600
    """Polling interval of updatePolicy Auto, unless the spec sets one."""
    allowed_cidrs: tuple[str, ...] = ()
    """Private ranges that loaders may connect to. Link-local and metadata addresses are never allowed."""
    proxy: str | None = None
    """URL of the proxy that loaders connect through, without a login: it is part of every pod."""
    no_proxy: tuple[str, ...] = ()
    """Hosts, domains and ranges that loaders connect to directly."""
    ca_bundle: str | None = None
    """CONFIGMAP/KEY with certificate authorities that loaders trust too, where a namespace has that ConfigMap."""


DEFAULT_LOADER = LoaderSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one operator process. All times are seconds."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; empty means all of them."""
    lease_namespace: str | None = None
    """Namespace of the Lease for leader election; None disables leader election."""
    lease_name: str | None = None
    """Name of the Lease; None derives it from `namespaces`, so that installs for other namespaces have another one."""
    workers: int = 16
    """Maximum concurrent reconciles and requests, at most half of them for one namespace (`apimachinery.flow_control`).
    4 to 8 connections saturate an API server of two cores.
    """
    resync_interval: float = 600.0
    """Interval in which every cached object is reconciled. A resync costs no request while nothing differs."""
    discovery_interval: float = 60.0
    """Interval in which the operator checks for kinds that were not available: no CRD, or no permission."""
    status_interval: float = 1.0
    """Minimum time between two status writes of one object, so that a rollout does not cost a write per event."""
    request_timeout: float = 30.0
    connect_timeout: float = 10.0
    event_debounce: float = 0.1
    """Maximum delay of events of other kinds than ModelService: a burst is read and reconciled once."""
    watch_timeout: tuple[int, int] = (290, 590)
    """Range of the random duration of a watch, so that watches do not end at the same time."""
    watch_end_timeout: float = 15.0
    """Time after the duration of a watch in which the API server must have ended it."""
    watch_idle_timeout: float = 200.0
    """Time without data after which a watch that has sent data is opened again: three bookmarks are missing by then."""
    list_page_size: int = 50
    """Objects per page of a list. A page is in memory twice, as text and decoded, and memory is not given back."""
    probe_port: int = 8080
    """Port of /healthz, /readyz and /metrics; 0 disables them."""
    secure_metrics_port: int = 0
    """Port of /metrics over TLS, for clients that may read it; 0 leaves /metrics on the port of the probes."""
    metrics_cert_path: Path | None = None
    """Directory with the certificate of that port (tls.crt, tls.key); None generates one."""
    loader: LoaderSettings = DEFAULT_LOADER
