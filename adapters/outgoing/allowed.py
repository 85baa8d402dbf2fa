"""Which private hosts and networks requests may go to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeAlias

from traceability.errors import InvalidInputError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*").fullmatch


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hosts by name, whatever their addresses, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """Read names and networks (`10.0.0.0/8`, `127.0.0.1`) that spaces separate.

        Raises `InvalidInputError` (`outgoing.allowed`).
        """
        hosts, networks = set(), []
        for word in text.lower().split():
            try:
                networks.append(ip_network(word))
            except ValueError as error:
                # What looks like a network and is none would allow nothing, silently.
                if _NAME(word) is None or word.replace(".", "").isdigit():
                    raise InvalidInputError(
                        f"{word[:100]!a} is neither a host's name nor a network",
                        code="outgoing.allowed",
                        hint="Such as: 10.1.0.0/16 127.0.0.1 erp.internal",
                    ) from error
                hosts.add(word)
        return cls(frozenset(hosts), tuple(networks))

    def has_host(self, name: str) -> bool:
        """Tell whether a name is allowed."""
        return name.lower() in self.hosts

    def has(self, address: Address) -> bool:
        """Tell whether an address is allowed, one of IPv4 in the dress of IPv6 as well."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)
