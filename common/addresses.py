"""Network addresses that a tenant's URL must never lead to: an explicit list for IPv4 and IPv6."""

import ipaddress

DENIED = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",  # "this network": Linux treats it as this machine
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' NAT, and metadata servers of some clouds
        "127.0.0.0/8",  # this machine
        "168.63.129.16/32",  # the host of a virtual machine, in one cloud
        "169.254.0.0/16",  # link-local, and metadata servers
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, and metadata servers
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/3",  # loopback, mapped and compatible IPv4, NAT64, discard
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: contains an IPv4 address
        "3fff::/20",  # documentation
        "4000::/2",  # not assigned
        "8000::/1",  # not assigned, unique local, link-local, multicast
    )
)


def is_public(address: str) -> bool:
    """Whether the address is on the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not any(parsed in network for network in DENIED if network.version == parsed.version)
