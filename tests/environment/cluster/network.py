"""The one cable between host and node, and the routes along it.

All addresses are from 198.18.0.0/15, which is set aside for tests and routed nowhere. The node has no default route
and the host does not forward: nothing inside reaches anything but this machine.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.environment.cluster.control_plane import POD_RANGE, SERVICE_RANGE
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.namespaces import Namespaces, checked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PREFIX = "msn"
CABLE = "eth0"
"""The end of the cable inside."""
TEST_RANGE = "198.18.0.0/15"


@dataclass(frozen=True)
class Plan:
    """The addresses of one cluster: its pods, its services, the two ends of the cable, and its Docker networks."""

    pods: str
    services: str
    cable: str
    containers: str
    """Range of the networks of a Docker engine; a node without Docker has none."""

    @property
    def host(self) -> str:
        return str(ipaddress.ip_network(self.cable)[1])

    @property
    def node(self) -> str:
        return str(ipaddress.ip_network(self.cable)[2])


# The first plan is the one to expect; the others let tests run while a demo is up, and at the same time as other tests.
PLANS = (
    Plan(POD_RANGE, SERVICE_RANGE, cable="198.19.255.0/30", containers="198.19.224.0/22"),
    Plan("198.19.128.0/20", "198.19.144.0/20", cable="198.19.255.4/30", containers="198.19.228.0/22"),
    Plan("198.19.160.0/20", "198.19.176.0/20", cable="198.19.255.8/30", containers="198.19.232.0/22"),
    Plan("198.19.192.0/20", "198.19.208.0/20", cable="198.19.255.12/30", containers="198.19.236.0/22"),
)


def interface_of(folder: Path) -> str:
    """Return the name of the host's end: its own for each state directory, so no cluster removes another's."""
    return f"{PREFIX}{sha256(str(folder).encode()).hexdigest()[:10]}"


def free_plan() -> Plan:
    """Return addresses that nothing on this machine uses; raise ClusterError where there are none left."""
    users = [user for plan in PLANS for user in _users_of(plan)]
    for plan in PLANS:
        if not _users_of(plan):
            return plan
    named = ", ".join(sorted(set(users)))
    raise ClusterError(
        f"All addresses of the tests are in use on this machine, by {named}: end a node with "
        "`python -m tests.environment.cluster down --state DIRECTORY`, or free them."
    )


def _users_of(plan: Plan) -> list[str]:
    """Return who has a route to addresses of the plan, or into which they fall (a default route does not count)."""
    wanted = [ipaddress.ip_network(text) for text in (plan.pods, plan.services, plan.cable, plan.containers)]
    routes = json.loads(checked("ip", "-json", "-4", "route", "show", "table", "all") or "[]")
    return [
        _owner(route.get("dev", "?"))
        for route in routes
        if route["dst"] != "default" and any(ipaddress.ip_network(route["dst"]).overlaps(net) for net in wanted)
    ]


def connect(namespaces: Namespaces, folder: Path, plan: Plan, *, reached: Sequence[str]) -> None:
    """Lay the cable between the host and the namespaces; the host reaches the ranges `reached` through it."""
    interface = interface_of(folder)
    ends = ("type", "veth", "peer", "name", CABLE, "netns", str(namespaces.holder))
    checked("ip", "link", "add", interface, *ends)
    checked("ip", "link", "set", interface, "alias", str(folder))
    checked("ip", "address", "add", f"{plan.host}/30", "dev", interface)
    checked("ip", "link", "set", interface, "up")
    namespaces.run("ip", "link", "set", "lo", "up")
    namespaces.run("ip", "address", "add", f"{plan.node}/30", "dev", CABLE)
    namespaces.run("ip", "link", "set", CABLE, "up")
    for addresses in reached:
        checked("ip", "route", "add", addresses, "via", plan.node, "dev", interface)


def disconnect(folder: Path) -> None:
    """Remove the host's end, if the end of the network namespace has not done so yet."""
    interface = interface_of(folder)
    links = json.loads(checked("ip", "-json", "link", "show") or "[]")
    if any(link["ifname"] == interface for link in links):
        try:
            checked("ip", "link", "delete", interface)
        except ClusterError as error:
            if "Cannot find device" not in str(error):
                raise


def _owner(interface: str) -> str:
    """Return the state directory of a node that was built here, or the name of a foreign interface."""
    if not interface.startswith(PREFIX):
        return f"interface {interface}"
    link = json.loads(checked("ip", "-json", "link", "show", interface))[0]
    return f"the node of {link.get('ifalias', interface)}"


def is_listening(table: str, port: int) -> bool:
    """Return True if something listens, by the kernel's /proc/net/tcp: in hexadecimal digits, 0A is LISTEN."""
    return f":{port:04X} 00000000:0000 0A" in table
