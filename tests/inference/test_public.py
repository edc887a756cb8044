"""Public or not, address by address."""

import pytest

from catdog.inference.public import is_public

# Reached from the whole internet.
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "100.63.255.255",  # the last address before CGNAT
    "100.128.0.0",  # the first address after it
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::2004",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",  # mapped
    "64:ff9b::8.8.8.8",  # NAT64
    "2002:0808:0808::1",  # 6to4 of 8.8.8.8
    "2001:0:808:808::f7f7:f7f7",  # Teredo: the server 8.8.8.8, the client 8.8.8.8, inverted
)

# In a private network, or not in use.
PRIVATE = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.0",  # CGNAT
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",  # a cloud's metadata
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",  # a cloud's metadata
    "192.0.2.1",
    "192.88.99.1",  # relays of 6to4
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",  # multicast
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::10.0.0.1",  # IPv4-compatible, given up
    "::8.8.8.8",
    "::ffff:127.0.0.1",  # mapped
    "::ffff:10.0.0.1",
    "::ffff:100.64.0.1",
    "::ffff:224.0.0.1",
    "::ffff:0:10.0.0.1",  # translated (SIIT)
    "64:ff9b::10.0.0.1",  # NAT64
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b::100.64.0.1",
    "64:ff9b::0.0.0.1",
    "64:ff9b:1::10.0.0.1",  # a network's own NAT64
    "64:ff9b:1:ffff::8.8.8.8",
    "64:ff9b:2::8.8.8.8",  # nobody's
    "100::1",  # thrown away
    "2001::1",  # Teredo of 0.0.0.0
    "2001:0:808:808::f5ff:fffe",  # Teredo: the client is 10.0.0.1
    "2001:0:a00:1::f7f7:f7f7",  # Teredo: the server is 10.0.0.1
    "2001:2::1",  # benchmarks
    "2001:10::1",
    "2001:db8::1",
    "2002:0a00:0001::1",  # 6to4 of 10.0.0.1
    "2002:7f00:0001::1",  # 6to4 of 127.0.0.1
    "2002:c0a8:0101::c0a8:101",  # 6to4 of 192.168.1.1
    "2002:a9fe:a9fe::1",  # 6to4 of 169.254.169.254
    "2002:e000:0001::1",  # 6to4 of 224.0.0.1
    "3fff::1",
    "4000::1",  # not handed out
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",  # site-local
    "feff::1",
    "ff02::1",  # multicast
    "ff0e::1",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert not is_public(address)


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="example.org"):
        is_public("example.org")
