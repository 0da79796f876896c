"""Which addresses are public: IANA's registries, and what hides another address."""

import ipaddress
import socket

import pytest

from reachgym.envs.errors import ToolError
from reachgym.envs.retrieval.fetch_addresses import is_public, resolve


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_inside_or_with_another_in_it_is_not_public(text):
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "223.255.0.1",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450::1",
    ],
)
def test_an_address_of_the_internet_is_public(text):
    assert is_public(ipaddress.ip_address(text))


def test_what_python_takes_for_private_is_never_public():
    for text in ("10.1.1.1", "fd12::1", "169.254.1.1", "::1", "192.168.0.9", "fe80::2"):
        assert ipaddress.ip_address(text).is_private
        assert not is_public(ipaddress.ip_address(text))


def test_the_name_of_this_machine_is_resolved():
    assert ipaddress.ip_address("127.0.0.1") in resolve("localhost")


def test_old_forms_of_addresses_are_resolved_to_what_they_mean():
    assert resolve("2130706433") == [ipaddress.ip_address("127.0.0.1")]


def test_a_name_that_cannot_be_is_told_to_the_agent(monkeypatch):
    def no_such_name(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    with pytest.raises(ToolError, match=r"there is no host nowhere\.test"):
        resolve("nowhere.test")
