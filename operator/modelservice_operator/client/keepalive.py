"""TCP keep-alive: the kernel finds out that a silent peer is gone (tcp(7); RFC 9293, 3.8.4)."""

import socket

from aiohttp.connector import AddrInfoType

IDLE_SECONDS = 30
"""Time without traffic after which the peer is probed. It also keeps an entry of a NAT or load balancer in use."""
PROBE_INTERVAL_SECONDS = 10
MAX_PROBES = 3
"""Probes without an answer after which the connection is broken: 60 s after its last sign of life."""

_OPTIONS = (
    ("TCP_KEEPIDLE", IDLE_SECONDS),
    ("TCP_KEEPALIVE", IDLE_SECONDS),  # its name on macOS
    ("TCP_KEEPINTVL", PROBE_INTERVAL_SECONDS),
    ("TCP_KEEPCNT", MAX_PROBES),
)


def keepalive_socket(address: AddrInfoType) -> socket.socket:
    """Return a new socket for an address (getaddrinfo(3)) whose silent peer is probed."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        option = getattr(socket, name, None)
        if option is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
