"""Command line and environment variables of each peer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.environments import ROOT, operator_python, tutorial_python
from bench.go_peer import go_operator
from bench.measures import PeerName

_PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Launch:
    """A command line and its environment variables."""

    command: tuple[str | Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def prepare(peers: tuple[PeerName, ...]) -> None:
    """Install and build the peers before the first round."""
    operator_python()
    if PeerName.KOPF in peers:
        tutorial_python()
    if any(peer.startswith("go_") for peer in peers):
        go_operator()


def user_of(peer: PeerName) -> str:
    """Return the user name of a peer in the audit log."""
    return f"bench-{peer.replace('_', '-')}"


def launch(peer: PeerName, *, kubeconfig: Path, namespace: str, template: Path) -> Launch:
    """Return the command of a peer for one namespace; without a namespace this operator serves all."""
    match peer:
        case PeerName.MODELSERVICE:
            return _this_operator(kubeconfig, namespace)
        case PeerName.KOPF:
            command = (tutorial_python(), "-m", "kopf", "run", "-n", namespace, _PEERS / "tutorial_operator.py")
            return Launch(command, {"KUBECONFIG": str(kubeconfig), "BENCH_TEMPLATE": str(template)})
        case PeerName.RAW:
            place = ("--kubeconfig", kubeconfig, "--namespace", namespace, "--template", template)
            return Launch((operator_python(), "-m", "bench.peers.raw_client", *place), {"PYTHONPATH": str(ROOT)})
        case PeerName.GO_SERIAL | PeerName.GO_PARALLEL | PeerName.GO_WITH_PODS:
            workers = 1 if peer is PeerName.GO_SERIAL else 4
            more = ("--cache-pods",) if peer is PeerName.GO_WITH_PODS else ()
            arguments = (f"--namespace={namespace}", f"--template={template}", f"--max-concurrent-reconciles={workers}")
            return Launch((go_operator(), *arguments, *more), {"KUBECONFIG": str(kubeconfig)})


def _this_operator(kubeconfig: Path, namespace: str) -> Launch:
    where = ("--namespace", namespace) if namespace else ()
    arguments = ("run", "--kubeconfig", kubeconfig, "--probe-port", "0", *where)
    # As in the image, the code is not installed into the environment of the dependencies.
    variables = {"PYTHONPATH": str(ROOT / "operator"), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    return Launch((operator_python(), "-m", "modelservice_operator", *arguments), variables)
