"""What an administrator can set, as one frozen value. Nothing here reads the environment: the command line does."""

from dataclasses import dataclass

LEASE_NAME = "modelservice-operator"
FIELD_MANAGER = "modelservice-operator"
"""The field manager of every write, the value of the managed-by label and the name in the user agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """What an administrator decides about the loading of models. Times are seconds."""

    image: str = "modelservice.dev/loader:dev"
    """Image of the loader where the spec names none."""
    timeout_seconds: int = 3600
    """Time that loading may take where the spec says nothing."""
    refresh_interval_seconds: int = 3600
    """Time between two looks of updatePolicy Auto where the spec says nothing."""
    allowed_cidrs: tuple[str, ...] = ()
    """Private ranges in which a loader may connect to stores; nothing admits link-local and metadata addresses."""


DEFAULT_LOADER = LoaderSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Run-time settings of one operator process. Times are seconds."""

    namespaces: tuple[str, ...] = ()
    """Namespaces that are served; empty means all of them."""
    lease_namespace: str | None = None
    """Namespace of the Lease by which several operators agree on one; None: this is the only one."""
    workers: int = 8
    """Objects that are reconciled at the same time. 4 to 8 connections saturate an API server of two cores."""
    resync_interval: float = 600.0
    """How often every cached object is looked at again. It costs no request while nothing differs."""
    discovery_interval: float = 60.0
    """How often a kind that the cluster does not serve (no CRD) is asked for."""
    status_interval: float = 1.0
    """Least time between two status writes of one object, so that a rollout does not cost a write per event."""
    request_timeout: float = 30.0
    connect_timeout: float = 10.0
    watch_idle_timeout: float = 75.0
    """A watch that says nothing for so long is dead: the API server sends a bookmark about every minute."""
    event_debounce: float = 0.1
    """Longest delay of an event of anything but a ModelService: what comes in a burst is read, and looked at, once."""
    watch_timeout: tuple[int, int] = (290, 590)
    """Range from which the length of a watch is drawn, so that many watches do not end together."""
    list_page_size: int = 50
    """Objects a page of a list: a page is in memory twice, as text and as objects, and what it took stays taken."""
    probe_host: str = "0.0.0.0"  # noqa: S104 - the kubelet asks from outside the pod
    probe_port: int = 8080
    """Port of /healthz; 0 serves no health endpoint."""
    loader: LoaderSettings = DEFAULT_LOADER
