"""The API server of a control plane, started again with other flags on the same etcd."""

from collections.abc import Sequence

from tests.environment.cluster import Cluster, ClusterError
from tests.environment.cluster.process import Processes, kill, recorded
from tests.environment.cluster.programs import Program
from tests.environment.cluster.state import State
from tests.environment.cluster.wait import wait_until
from tests.support.etcd_backup import START_TIMEOUT, command_of


def restart_api_server(cluster: Cluster, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    """End the API server and start it again, with some flags more or less; return when it is ready.

    The controllers keep running, and connect again.
    """
    assert cluster.state is not None
    state = State(cluster.state)
    [record] = [one for one in recorded(state.processes) if one.name == Program.APISERVER and one.is_alive()]
    command = [word for word in command_of(record) if word not in remove]
    kill([record])
    processes = Processes(state.processes, state.logs, dies_with_us=True)
    processes.start(Program.APISERVER, [*command, *add])
    cluster.close()  # its connections ended with the API server

    def is_ready() -> bool:
        processes.check()
        try:
            return cluster.run_kubectl("get", "--raw", "/readyz") == "ok"
        except ClusterError:
            return False

    wait_until(is_ready, seconds=START_TIMEOUT, what="the API server with other flags")
