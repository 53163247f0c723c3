"""Addresses that a loader may connect to (I1, I2)."""

import socket
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.egress import FORBIDDEN_RANGES, denial_reason, is_allowed_for_plain_http, resolve_addresses
from model_loader.errors import LoaderError, Reason

ALL_NETWORKS = (ip_network("0.0.0.0/0"), ip_network("::/0"))
FORBIDDEN = (
    *("169.254.169.254", "169.254.170.2", "169.254.0.1", "169.254.255.255", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd00:ec2::253", "fd20:ce::254", "fd00:42::42"),
    *("fe80::1", "febf::1", "0.0.0.0", "0.1.2.3", "::"),  # noqa: S104 - refused
    *("224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "ff02::1", "ff05::1:3"),
)
IPV4_IN_IPV6 = (
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:192.168.0.1"),
    *("::127.0.0.1", "::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::", "2002:0a00:0001::1"),
)
PRIVATE = (
    *("127.0.0.1", "127.1.2.3", "127.255.255.254", "::1", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.1"),
    *("192.168.0.1", "192.168.255.255", "100.64.0.1", "100.127.255.255", "198.18.0.1", "198.19.255.255"),
    *("172.20.10.5", "10.96.0.1", "fc12:3456::1"),
    *("fc00::1", "fdff::1", "192.0.2.1", "198.51.100.1", "203.0.113.7", "2001:db8::1", "192.0.0.8", "2001::1"),
)
UNUSUAL_NOTATIONS = (
    *("2130706433", "0x7f000001", "017700000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "10.1"),
    *("0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "0x7f.1", "127.0.0.01", "010.0.0.1"),
    *("1.2.3.4.", "0", "00", "0x0", "4294967295", "127.0.0.1.", "256.256.256.256", "1.2.3.256"),
)
PUBLIC = ("8.8.8.8", "1.1.1.1", "52.216.0.1", "2606:4700::1111", "2a00:1450:4001:80e::200e")


def test_cases_cover_at_least_80_addresses() -> None:
    assert len({*FORBIDDEN, *IPV4_IN_IPV6, *PRIVATE, *UNUSUAL_NOTATIONS}) >= 80


@pytest.mark.parametrize("text", [*FORBIDDEN, *IPV4_IN_IPV6])
def test_forbidden_addresses_cannot_be_allowed(text: str) -> None:
    assert denial_reason(ip_address(text), allowed=ALL_NETWORKS)
    with pytest.raises(LoaderError, match="refused"):
        resolve_addresses(text, 443, allowed=ALL_NETWORKS)


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_must_be_allowed(text: str) -> None:
    with pytest.raises(LoaderError, match="refused") as raised:
        resolve_addresses(text, 443, allowed=())
    assert raised.value.reason is Reason.UNREACHABLE
    if text != "2001::1":
        assert resolve_addresses(text, 443, allowed=ALL_NETWORKS) == [str(ip_address(text))]
        assert is_allowed_for_plain_http([text], ALL_NETWORKS)


@pytest.mark.parametrize("text", UNUSUAL_NOTATIONS)
def test_unusual_notations_are_refused(text: str) -> None:
    with pytest.raises(LoaderError, match=r"unusual way|refused"):
        resolve_addresses(text, 443, allowed=ALL_NETWORKS)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_allowed(text: str) -> None:
    assert resolve_addresses(text, 443, allowed=()) == [text]
    assert not is_allowed_for_plain_http([text], ())


def test_name_with_one_denied_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", fake_getaddrinfo("8.8.8.8", "169.254.169.254"))
    with pytest.raises(LoaderError, match=r"'rebind\.example' has the address 169\.254\.169\.254, which is refused"):
        resolve_addresses("rebind.example", 443, allowed=ALL_NETWORKS)


def test_unresolvable_name_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        LoaderError, match=r"The host 'nowhere\.example' cannot be resolved: name or service not known\."
    ):
        resolve_addresses("nowhere.example", 443, allowed=())


@given(st.ip_addresses())
def test_every_forbidden_range_has_a_denial_reason(address: object) -> None:
    found = ip_address(str(address))
    if any(found.version == network.version and found in network for network in FORBIDDEN_RANGES):
        assert denial_reason(found, allowed=ALL_NETWORKS)
    if denial_reason(found, allowed=()) is None:
        assert found.is_global


def fake_getaddrinfo(*addresses: str) -> object:
    """Return a replacement of socket.getaddrinfo with these results."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    return lambda *_, **__: found
