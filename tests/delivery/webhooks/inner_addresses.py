"""URLs that must never be accepted: inner addresses in many spellings, and what is no address of
a receiver."""

_HOSTS = (
    *("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0.0.0.0", "0", "2130706433"),
    *("0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "127.000.000.001"),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.1"),
    *("169.254.169.254", "169.254.1.1", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
    *("192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "0xA9FEA9FE"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[fe80::1]"),
    *("[fc00::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[ff02::1]"),
    *("[2001:db8::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:169.254.169.254]", "[fec0::1]"),
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "printer.local", "db.internal"),
    *("router.home.arpa", "intranet", "postgres", "metadata.google.internal"),
)
SPELLINGS = (
    *(f"https://{host}/hook" for host in _HOSTS),
    "http://hook.example.com/",
    "https://hook.example.com:22/",
    "https://hook.example.com:80/",
    "https://user:password@hook.example.com/",
    "https://hook.example.com@127.0.0.1/",
    "https://127.0.0.1#@hook.example.com/",
    "ftp://hook.example.com/",
    "file:///etc/passwd",
    "gopher://hook.example.com/",
    "https://",
    "https:///hook",
    "//hook.example.com/",
    "hook.example.com",
    "https://hook.example.com\\@127.0.0.1/",
    "https://hook.example.com/\r\nHost: x",
    "https://hоok.example.com/",  # a Cyrillic letter
    "https://①②⑦.⓪.⓪.①/",
    "https://%31%32%37.0.0.1/",
    "javascript:alert(1)",
)
