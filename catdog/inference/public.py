"""Which IP addresses are public, and which belong to a private network."""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

# Where `ipaddress`, depending on Python's version, differs from the registries of special addresses
# (https://www.iana.org/assignments/iana-ipv4-special-registry, and the same for IPv6).
_NOT_PUBLIC = (
    IPv4Network("0.0.0.0/8"),  # this host, in this network
    IPv4Network("100.64.0.0/10"),  # behind a provider's translator (CGNAT)
    IPv4Network("192.0.0.0/24"),  # for protocols
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, deprecated
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
    return _is_public(ipaddress.ip_address(address.partition("%")[0]))


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    is_public = ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)
    if isinstance(ip, IPv4Address):
        return is_public
    if ip in _TEREDO and ip.teredo:  # the server that the packets go through, and where they come out
        return all(map(_is_public, ip.teredo))
    inside = IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped or ip.sixtofour
    return _is_public(inside) if inside else is_public and ip in _UNICAST
