"""Which IP addresses are public, and which belong to a private network."""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

# Where `ipaddress`, depending on Python's version, differs from the registries of special addresses
# (https://www.iana.org/assignments/iana-ipv4-special-registry, and the same for IPv6).
_NOT_PUBLIC_4 = (
    IPv4Network("0.0.0.0/8"),  # this host, in this network
    IPv4Network("100.64.0.0/10"),  # behind a provider's translator (CGNAT)
    IPv4Network("192.0.0.0/24"),  # for protocols
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, deprecated
)
_NOT_PUBLIC_6 = (
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("3fff::/20"),  # documentation
)
# All public addresses of IPv6 that are in use lie here. So ::/8, where IPv4-compatible addresses are,
# fc00::/7 (private), fe80::/10 (link-local), fec0::/10 (site-local) and ff00::/8 (multicast) are not public.
_UNICAST = IPv6Network("2000::/3")
# Translators to IPv4 for the whole internet. 64:ff9b:1::/48 is for a private network's translator.
_NAT64 = IPv6Network("64:ff9b::/96")
_TEREDO = IPv6Network("2001::/32")


def is_public(address: str) -> bool:
    """Whether this IP address is reached from the whole internet, and so is in no private network.

    An IPv6 address that stands for one of IPv4 (mapped, NAT64, 6to4, Teredo) is as public as that one.

    Raises:
        ValueError: it is no IP address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    return _is_public_4(ip) if isinstance(ip, IPv4Address) else _is_public_6(ip)


def _is_public_4(ip: IPv4Address) -> bool:
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC_4)


def _is_public_6(ip: IPv6Address) -> bool:
    if ip.ipv4_mapped:
        return _is_public_4(ip.ipv4_mapped)
    if ip in _NAT64:
        return _is_public_4(IPv4Address(int(ip) & 0xFFFFFFFF))
    if ip.sixtofour:
        return _is_public_4(ip.sixtofour)
    if ip in _TEREDO and ip.teredo:  # the server that the packets go through, and where they come out
        return all(map(_is_public_4, ip.teredo))
    return ip in _UNICAST and ip.is_global and not any(ip in network for network in _NOT_PUBLIC_6)
