"""Which addresses of the internet may be connected to, and how names become addresses."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from reachgym.envs.errors import InfrastructureError, ToolError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver: TypeAlias = Callable[[str], Sequence[Address]]

_LONGEST_S = 10.0

# IANA's special-purpose registries (RFC 6890 and what updates it). Carriers' shared addresses
# (100.64.0.0/10) and the addresses behind which clouds tell secrets are among them; 168.63.129.16
# is the one of these that looks public.
_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# All public addresses lie in here. What embeds others (IPv4-mapped, NAT64) lies outside, but for
# Teredo (2001::/32) and 6to4 (2002::/16).
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, and leads to no other."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _REFUSED_V6)


def resolve(host: str) -> list[Address]:
    """The addresses of a host, in the order in which the system gives them.

    Raises:
        ToolError: There is no such host.
        InfrastructureError: The system's resolver does not answer.
    """
    # The system's resolver cannot be told how long it may take, and cannot be stopped.
    answers: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_ask_system(host)), daemon=True).start()
    try:
        answer = answers.get(timeout=_LONGEST_S)
    except queue.Empty:
        raise InfrastructureError(
            f"the name of a host was not resolved within {_LONGEST_S:g} s; see this machine's DNS"
        ) from None
    if isinstance(answer, OSError):
        raise _unresolved(host, answer)
    return answer


def _ask_system(host: str) -> list[Address] | OSError:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0])) for entry in found))


def _unresolved(host: str, error: OSError) -> ToolError | InfrastructureError:
    if isinstance(error, socket.gaierror) and error.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM):
        return InfrastructureError(
            f"the names of hosts cannot be resolved: {error.strerror}; see this machine's DNS"
        )
    return ToolError(f"there is no host {host}")
