"""Starting, finding and stopping clusters."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from tests.environment.cluster import existing, kind, node, simulated
from tests.environment.cluster.build import programs
from tests.environment.cluster.directories import state_directory, temporary_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.locks import HeldLock, waiting_lock
from tests.environment.cluster.model import Cluster, Options, Tier
from tests.environment.cluster.programs import kubernetes_minors
from tests.environment.cluster.progress import say
from tests.environment.cluster.state import State, Summary
from tests.environment.engine import docker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def default_tier() -> Tier:
    """Return the most real tier that this machine can run, unless CLUSTER names one."""
    named = os.environ.get("CLUSTER")
    if named:
        try:
            return Tier(named)
        except ValueError:
            raise ClusterError(f"CLUSTER={named} is none of {', '.join(Tier)}.") from None
    if sys.platform == "linux" and os.geteuid() == 0:
        return Tier.NODE
    return Tier.KIND if docker.docker_runs() else Tier.CONTROL_PLANE


def kubernetes_of(tier: Tier, minor: str | None) -> str:
    """Return the minor version that a tier runs: the wanted one, for None that of CLUSTER_KUBERNETES, or the newest.

    Only the control-plane tier has other versions than the newest: elsewhere the variable has no effect.
    """
    newest = kubernetes_minors()[-1]
    if minor is None:
        minor = os.environ.get("CLUSTER_KUBERNETES") if tier is Tier.CONTROL_PLANE else None
    chosen = minor or newest
    if chosen not in kubernetes_minors():
        raise ClusterError(f"Kubernetes {chosen} is none of {', '.join(kubernetes_minors())}.")
    if chosen != newest and tier is not Tier.CONTROL_PLANE:
        raise ClusterError(f"The {tier} tier runs Kubernetes {newest}; only control-plane runs other versions.")
    return chosen


def default_state(tier: Tier) -> Path:
    """Return the directory of the cluster that `up` leaves running."""
    return state_directory() / tier


@contextmanager
def start(
    tier: Tier,
    *,
    state: Path | None = None,
    flags: Mapping[str, Sequence[str]] | None = None,
    port: int | None = None,
    kubernetes: str | None = None,
) -> Iterator[Cluster]:
    """Run a cluster for the length of a `with` block, in a fresh temporary directory unless `state` names one.

    `flags` are more arguments by program name (`{"kube-apiserver": ["--feature-gates=..."]}`); they come last, so
    they win. `kubernetes` is a minor version such as 1.33 (see `kubernetes_of`). Call it from a thread that lives as
    long as the block: on Linux the processes end with it.
    """
    if tier is Tier.EXISTING:
        connected = existing.connect()
        try:
            yield connected
        finally:
            connected.close()
        return
    place, held = _fresh_place(tier) if state is None else _claimed(state)
    with held:
        cluster = _launch(tier, place, _options(tier, flags, port, kubernetes, dies_with_us=True))
        try:
            yield cluster
        finally:
            cluster.close()
            _teardown(tier, place)
            (place.remove if state is None else place.clear)()


@contextmanager
def engine_state() -> Iterator[State]:
    """Give a Docker engine without a cluster a state directory for the length of a `with` block.

    It is that of a kind cluster, so that the next run finds and ends what a killed one left.
    """
    place, held = _fresh_place(Tier.KIND)
    with held:
        place.create(Tier.KIND, ends_with_its_run=True)
        try:
            yield place
        finally:
            _teardown(Tier.KIND, place)
            place.remove()


def up(
    tier: Tier,
    *,
    state: Path | None = None,
    flags: Mapping[str, Sequence[str]] | None = None,
    port: int | None = None,
    kubernetes: str | None = None,
) -> Cluster:
    """Start a cluster that outlives this process; raise ClusterError where one runs for this directory already."""
    if tier is Tier.EXISTING:
        return existing.connect()
    place, held = _claimed(state or default_state(tier))
    with held:
        return _launch(tier, place, _options(tier, flags, port, kubernetes, dies_with_us=False))


def _options(
    tier: Tier,
    flags: Mapping[str, Sequence[str]] | None,
    port: int | None,
    kubernetes: str | None,
    *,
    dies_with_us: bool,
) -> Options:
    return Options(flags or {}, port, dies_with_us, kubernetes_of(tier, kubernetes))


def build(tier: Tier, *, kubernetes: str | None = None) -> None:
    """Build what a tier needs, so that no later start has to."""
    version = kubernetes_of(tier, kubernetes)
    match tier:
        case Tier.CONTROL_PLANE:
            programs(simulated.PROGRAMS, kubernetes=version)
        case Tier.NODE:
            node.build()
        case Tier.KIND:
            kind.build()
        case Tier.EXISTING:
            existing.kubectl()


def attach(state: Path) -> Cluster | None:
    """Return the cluster that runs for a state directory, or None."""
    place = State(state.absolute())
    summary = place.summary()
    if summary is None or not summary.server or not _runs(place):
        return None
    own = summary.tier in {Tier.CONTROL_PLANE, Tier.NODE}
    return Cluster(
        tier=Tier(summary.tier),
        kubeconfig=place.kubeconfig,
        kubectl=Path(summary.kubectl),
        server=summary.server,
        state=place.folder,
        audit_log=place.audit_log if own else None,
    )


def down(state: Path) -> None:
    """End every process that was started for a state directory, crashed or not, and remove the directory."""
    if not state.exists():
        return
    place, held = _claimed(state)
    with held:
        summary = place.summary()
        if summary is None and not place.is_unused():
            raise ClusterError(f"{state} is not the state directory of a cluster.")
        if summary is not None:
            _teardown(Tier(summary.tier), place)
        place.remove()


def sweep() -> None:
    """End what killed test runs left behind; directories of runs that live are locked and stay."""
    with _temporary_places() as parent:
        _sweep(parent)


def _sweep(parent: Path) -> None:
    for folder in parent.iterdir():
        if folder.is_dir():
            try:
                down(folder)
            except ClusterError:
                continue


def _fresh_place(tier: Tier) -> tuple[State, HeldLock]:
    """Return an empty directory whose lock is held before another process can see it unlocked."""
    with _temporary_places() as parent:
        _sweep(parent)
        return _claimed(Path(mkdtemp(prefix=f"{tier}-", dir=parent)))


@contextmanager
def _temporary_places() -> Iterator[Path]:
    parent = temporary_directory()
    with waiting_lock(parent / "lock", when_busy=lambda: say("Waiting for another run to tidy up.")):
        yield parent


def _claimed(state: Path) -> tuple[State, HeldLock]:
    place = State(state.absolute())
    return place, place.locked()


def _launch(tier: Tier, place: State, options: Options) -> Cluster:
    """Start a tier in a directory whose lock this process holds."""
    previous = place.summary()
    # A cluster that ends with its run is ending: the run has released the lock.
    if previous is not None and not previous.ends_with_its_run and _runs(place):
        raise ClusterError(
            f"A cluster already runs for {place.folder}: use its kubeconfig ({place.kubeconfig}) or end it with "
            f"`python -m tests.environment.cluster down --state {place.folder}`."
        )
    if previous is not None:
        _teardown(Tier(previous.tier), place)
    place.create(tier, ends_with_its_run=options.dies_with_us)
    try:
        cluster = _launch_tier(tier, place, options)
    except BaseException:
        # The logs stay: the message names them.
        _teardown(tier, place)
        raise
    place.write_summary(Summary(tier, options.dies_with_us, cluster.server, str(cluster.kubectl)))
    return cluster


def _launch_tier(tier: Tier, place: State, options: Options) -> Cluster:
    match tier:
        case Tier.CONTROL_PLANE:
            return simulated.launch(place, options)
        case Tier.NODE:
            return node.launch(place, options)
        case Tier.KIND:
            return kind.launch(place, options)
        case Tier.EXISTING:
            return existing.connect()


def _teardown(tier: Tier, place: State) -> None:
    match tier:
        case Tier.CONTROL_PLANE:
            simulated.teardown(place)
        case Tier.NODE:
            node.teardown(place)
        case Tier.KIND:
            kind.teardown(place)
        case Tier.EXISTING:
            return


def _runs(place: State) -> bool:
    summary = place.summary()
    if summary is not None and summary.tier == Tier.KIND:
        return kind.is_running(place)
    return bool(place.alive())
