"""Connections to public addresses only: a name is resolved once, and what it led to is judged and then connected to.

Judging names is not enough: one that was public when it was looked at can be private when it is connected to (DNS
rebinding), and `http://2130706433/` is 127.0.0.1. Here the very address that the socket goes to has been judged.
"""

import ipaddress
import socket
from collections.abc import Collection

from idiolect.corpus.remote.urls import Unfetchable, Url

# Each of these carries an IPv4 address inside, or leads back into the own network; Python calls some of them global.
TUNNELS = {
    "NAT64": ("64:ff9b::/96", "64:ff9b:1::/48"),
    "6to4": ("2002::/16",),
    "Teredo": ("2001::/32",),
    "IPv4-compatible": ("::/96",),
    "site-local": ("fec0::/10",),
}
TUNNELS = {kind: [ipaddress.ip_network(n) for n in networks] for kind, networks in TUNNELS.items()}


def refusal(address: str) -> str:
    """Why an address is not connected to: private, loopback, link-local, multicast, ...; empty for public ones."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    for kind in ("unspecified", "loopback", "link_local", "multicast"):
        if getattr(ip, f"is_{kind}"):
            return kind.replace("_", "-")
    if ip.version == 6:
        if ip.ipv4_mapped:
            return "IPv4-mapped"
        for kind, networks in TUNNELS.items():
            if any(ip in network for network in networks):
                return kind
    if ip.is_private:
        return "private"
    return "" if ip.is_global and not ip.is_reserved else "reserved"


def is_named(url: Url, private_hosts: Collection[str]) -> bool:
    """Whether the user named this host among those that may be private."""
    named = {host.lower() for host in private_hosts}
    return url.host in named or f"{url.host}:{url.port}" in named


def dial(url: Url, private_hosts: Collection[str], seconds: float) -> socket.socket:
    """A socket connected to one of a host's public addresses. Raises Unfetchable, or OSError when nobody answers."""
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        # EAI_AGAIN is a name server that did not answer; the others say that there is no such name.
        again = getattr(error, "errno", None) == socket.EAI_AGAIN
        raise Unfetchable(f"there is no host called {url.host}", fix="check its name", again=again) from None
    refused, failed = [], None
    for family, kind, protocol, _, place in found:
        why = "" if is_named(url, private_hosts) else refusal(place[0])
        if why:
            refused.append(f"{place[0]} ({why})")
            continue
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(seconds)
            connection.connect(place)
            return connection
        except OSError as error:
            connection.close()
            failed = error
    if failed is not None:
        raise failed
    raise Unfetchable(
        f"{url.host} leads to {', '.join(dict.fromkeys(refused))}, which is no public address",
        fix=f"--corpus.fetch.private_hosts='[\"{url.host}:{url.port}\"]' if this is your own server",
    )
