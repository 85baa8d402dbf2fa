"""Where a request may go: an address of a name is looked at, and then connected to, so that nothing lies between."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import httpx

from adapters.outgoing.allowed import Address, Allowed
from traceability.errors import InvalidInputError, UnavailableError

PORTS: Final = {"http": 80, "https": 443}
HEADERS_IN: Final = "latin-1"
"""How values of headers are encoded: what came in a header goes out as the same bytes."""
_NAT64: Final = ip_network("64:ff9b::/96")
# Public by its number; inside Azure it is the machine that hands out what a guest may know.
_NEVER: Final = ip_address("168.63.129.16")
_SHOWN: Final = 200


def check_url(url: str) -> None:
    """Raise `InvalidInputError` (`outgoing.address`) unless `url` is http or https, a host, and no user or fragment."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in PORTS and bool(parts.hostname) and not parts.username and not parts.fragment
        good = good and parts.port != 0 and url.isprintable() and " " not in url and httpx.URL(url).host != ""
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good:
        raise InvalidInputError(
            f"{url[:_SHOWN]!a} is no address that requests can be sent to",
            code="outgoing.address",
            hint="It is https://host and maybe a path; secrets go into a header.",
        )


def addresses_of(scheme: str, host: str, port: int, allowed: Allowed) -> list[Address]:
    """Return the addresses of a host, all of which may be connected to.

    Raises `UnavailableError`: `outgoing.private` when one of them is neither public nor allowed, `outgoing.plain` for
    http to one that is not allowed, `outgoing.unreachable` when there is none.
    """
    found = _addresses(host, port)
    listed = allowed.has_host(host)
    refused = [one for one in found if not (listed or allowed.has(one) or _is_public(one))]
    if refused:
        raise UnavailableError(
            f"{host} leads into a private network",
            code="outgoing.private",
            hint="If that is meant, name the host or network in TRACEABILITY_OUTGOING_ALLOW.",
        )
    if scheme == "http" and not (listed or all(map(allowed.has, found))):
        raise UnavailableError(
            f"{host} would be sent secrets in the clear",
            code="outgoing.plain",
            hint="Use its https address, or name the host or network in TRACEABILITY_OUTGOING_ALLOW.",
        )
    return found


def _addresses(host: str, port: int) -> list[Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnavailableError(f"{host} has no address: {error}", code="outgoing.unreachable") from error
    return [ip_address(str(entry[4][0])) for entry in found]


def _is_public(address: Address) -> bool:
    return all(map(_is_anybodys, _meant(address)))


def _is_anybodys(address: Address) -> bool:
    site_local = isinstance(address, IPv6Address) and address.is_site_local  # which Python takes for global
    return address.is_global and not address.is_multicast and not site_local and address != _NEVER


def _meant(address: Address) -> list[Address]:
    """Return an address and every IPv4 address that it carries, which a gateway on the way may take for it."""
    if isinstance(address, IPv4Address):
        return [address]
    carried: list[IPv4Address | None] = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        carried.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    # A mapped one is the IPv4 address, and nothing else.
    own: list[Address] = [address] if address.ipv4_mapped is None else [address.ipv4_mapped]
    return [*own, *(one for one in carried if one is not None)]
