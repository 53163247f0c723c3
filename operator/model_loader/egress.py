"""Decides which addresses the loader may connect to (rules I1 and I2).

A name is resolved once for each connection, all its addresses are checked, and the connection uses one of them. So a
name whose addresses change after the check (DNS rebinding) gains nothing.
"""

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from model_loader.errors import LoaderError, Reason
from model_loader.request import Network

Address = IPv4Address | IPv6Address


class UnknownHostError(LoaderError):
    """A host whose name cannot be resolved."""


FORBIDDEN_RANGES: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("169.254.0.0/16", "fe80::/10"),  # link-local, the range of most metadata services
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
        *("fd00:ec2::/32", "fd20:ce::/32", "fd00:42::42/128"),
        *("0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8", "240.0.0.0/4"),  # unspecified, multicast, reserved
    )
)
"""Ranges that no setting can allow: the metadata services of AWS (with EKS Pod Identity), Azure, Google Cloud, Oracle,
Alibaba and Scaleway, and addresses that are not a single host."""
_PROTOCOL_RANGES: tuple[Network, ...] = (ip_network("192.0.0.0/24"), ip_network("2001::/23"))
"""Assigned to protocols (RFC 6890). `ipaddress` reports some of them as global, depending on its version."""
_IPV4_EMBEDDING_RANGES: tuple[tuple[Network, int], ...] = (
    (ip_network("::ffff:0:0/96"), 0),
    (ip_network("::ffff:0:0:0/96"), 0),
    (ip_network("::/96"), 0),
    (ip_network("64:ff9b::/96"), 0),
    (ip_network("64:ff9b:1::/48"), 0),
    (ip_network("2002::/16"), 80),
)
"""IPv6 ranges that embed an IPv4 address, and the number of bits that it is shifted by: mapped, translated, compatible,
NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056). Teredo (RFC 4380) is not global, so the entire range is refused."""
_NUMERIC_HOST = re.compile(r"^(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\.?$", re.IGNORECASE)
"""Hosts that C libraries parse as an IPv4 address: parts in decimal, octal or hexadecimal digits (inet_aton)."""


def resolve_addresses(host: str, port: int, *, allowed: Iterable[Network]) -> list[str]:
    """Return the addresses of `host`. Raises LoaderError if it has none, or if one of them is not allowed."""
    addresses = [_parse_literal(host)] if _is_numeric(host) else _resolve_host(host, port)
    ranges = tuple(allowed)
    for address in addresses:
        if (reason := denial_reason(address, allowed=ranges)) is not None:
            raise LoaderError(
                Reason.UNREACHABLE, f"The host {host!r} has the address {address}, which is refused: {reason}."
            )
    return [str(address) for address in addresses]


def denial_reason(address: Address, *, allowed: Iterable[Network]) -> str | None:
    """Return the reason why connections to `address` are refused, or None if they are allowed."""
    embedded = _extract_ipv4(address)
    candidates = [address] if embedded is None else [address, embedded]
    if any(_is_within(one, FORBIDDEN_RANGES) for one in candidates):
        return "it is link-local, a metadata service, or not a single host"
    if embedded is not None:
        return "it is an IPv6 form of an IPv4 address"
    if _is_within(address, allowed):
        return None
    if address.is_loopback:
        return "it is loopback, the pod itself"
    if not address.is_global or address.is_reserved or _is_within(address, _PROTOCOL_RANGES):
        return "it is private. The operator's --allow-cidr can allow its range"
    return None


def is_allowed_for_plain_http(addresses: Iterable[str], allowed: Iterable[Network]) -> bool:
    """Return True if the administrator allows all these addresses; then http without TLS is allowed, too."""
    ranges = tuple(allowed)
    return all(_is_within(ip_address(address), ranges) for address in addresses)


def _is_within(address: Address, ranges: Iterable[Network]) -> bool:
    return any(address.version == one.version and address in one for one in ranges)


def _extract_ipv4(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address) or address in (IPv6Address("::"), IPv6Address("::1")):
        return None
    for network, shift in _IPV4_EMBEDDING_RANGES:
        if address in network:
            return IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
    return None


def _is_numeric(host: str) -> bool:
    return ":" in host or _NUMERIC_HOST.match(host) is not None


def _parse_literal(host: str) -> Address:
    """Parse an address as URIs write it. Other notations are refused, as their only use is to hide an address."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        message = f"The host {host!r} is an unusual way to write an address. Write it as four decimal numbers."
        raise LoaderError(Reason.UNREACHABLE, message) from None


def _resolve_host(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"The host {host!r} cannot be resolved: {_os_error_text(error)}."
        raise UnknownHostError(Reason.UNREACHABLE, message) from None
    # Only link-local addresses have a scope (fe80::1%eth0), and all of them are refused.
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


def _os_error_text(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    return (text or "it is not a valid name").lower()
