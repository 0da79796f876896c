"""Nothing inside can be reached: redirects, rebinding names, certificates, proxies."""

from __future__ import annotations

import ipaddress
import time

import pytest

from reachgym.envs.errors import InfrastructureError, ToolError
from reachgym.envs.retrieval.fetching import Fetcher, FetchLimits

HERE = ipaddress.ip_address("127.0.0.1")
THERE = ipaddress.ip_address("127.0.0.2")
PUBLIC = ipaddress.ip_address("93.184.216.34")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{}/",
        "http://[::1]:{}/",
        "http://[::ffff:127.0.0.1]:{}/",
        "http://[64:ff9b::7f00:1]:{}/",
        "http://[2002:7f00:1::]:{}/",
        "http://127.0.0.2:{}/",
        "http://localhost:{}/",
        "http://localhost.:{}/",
        "http://2130706433:{}/",
        "http://0177.0.0.1:{}/",
        "http://0x7f.1:{}/",
        "http://127.1:{}/",
        "http://0:{}/",
        "http://0.0.0.0:{}/",
        "http://[::]:{}/",
        "http://①②⑦.⓪.⓪.①:{}/",
        "http://127。0。0。1:{}/",
        "http://user@127.0.0.1:{}/",
        "http://example.org@127.0.0.1:{}/",
    ],
)
def test_a_server_of_this_machine_is_not_reached_however_it_is_named(serve, reply, url):
    server = serve(lambda heard: reply("secret"))
    with pytest.raises(ToolError):
        Fetcher(["*"], ports=[server.port]).fetch(url.format(server.port))
    assert not server.heard


def test_naming_an_inner_host_does_not_open_it(serve, reply):
    server = serve(lambda heard: reply("secret"))
    named = Fetcher(["localhost", "127.0.0.1"], ports=[server.port])
    for host in ("localhost", "127.0.0.1"):
        with pytest.raises(ToolError, match="no host of the public internet"):
            named.fetch(f"http://{host}:{server.port}/")
    assert not server.heard


def test_a_name_with_one_inner_address_among_others_is_refused(serve, reply):
    server = serve(lambda heard: reply("secret"))
    mixed = Fetcher(["*"], ports=[server.port], resolver=lambda host: [PUBLIC, HERE])
    with pytest.raises(ToolError, match="no host of the public internet"):
        mixed.fetch(f"http://site.test:{server.port}/")
    assert not server.heard


def test_a_name_without_addresses_is_no_host():
    with pytest.raises(ToolError, match="there is no host"):
        Fetcher(["*"], resolver=lambda host: []).fetch("http://site.test/")


def test_a_name_that_changes_its_address_is_asked_once_and_connected_to_as_checked(serve, reply):
    checked = serve(lambda heard: reply("checked"))
    answers = iter([[HERE], [THERE], [THERE]])
    asked = []

    def rebinding(host):
        asked.append(host)
        return next(answers)

    one = Fetcher(
        ["site.test"],
        ports=[checked.port],
        resolver=rebinding,
        admits=lambda address: address == HERE,
    )
    assert one.fetch(f"http://site.test:{checked.port}/").text == "checked"
    assert asked == ["site.test"]
    with pytest.raises(ToolError, match="no host of the public internet"):
        one.fetch(f"http://site.test:{checked.port}/")
    assert len(checked.heard) == 1


def test_a_connection_goes_to_an_address_and_never_to_a_name(serve, fetcher, reply):
    # No system knows this name: if it were looked up once more, nothing could be found.
    server = serve(lambda heard: reply("found"))
    one = fetcher(server, hosts=["no-such-name.invalid"])
    assert one.fetch(f"http://no-such-name.invalid:{server.port}/").text == "found"


def test_the_next_address_is_tried_where_the_first_is_dead(serve, fetcher, reply):
    server = serve(lambda heard: reply("found"))
    one = fetcher(server, resolver=lambda host: [THERE, HERE])
    assert one.fetch(f"http://site.test:{server.port}/").text == "found"


# TCP cannot connect to a group: the kernel says that there is no way there.
NOWHERE = ipaddress.ip_address("224.0.0.1")
NOWHERE_V6 = ipaddress.ip_address("ff0e::1")


@pytest.mark.parametrize(
    ("addresses", "kind"),
    [
        ([NOWHERE], InfrastructureError),
        ([NOWHERE_V6, NOWHERE], InfrastructureError),
        ([NOWHERE_V6], ToolError),
        ([HERE, NOWHERE_V6], ToolError),
        ([HERE, NOWHERE], ToolError),
    ],
)
def test_only_a_machine_without_network_is_out_of_order(serve, addresses, kind):
    server = serve(lambda heard: b"")
    one = Fetcher(
        ["*"], ports=[server.port], resolver=lambda host: addresses, admits=lambda address: True
    )
    server.close()
    server.close = lambda: None
    with pytest.raises(kind):
        one.fetch(f"http://site.test:{server.port}/")


INNER = [
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1/",
    "http://localhost/",
    "http://[::1]/",
    "http://10.0.0.1/",
    "http://[fd00:ec2::254]/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "ftp://site.test/",
    "http://site.test:22/",
    "http://user:password@site.test/",
    "//127.0.0.1/",
    "///127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http://2852039166/",
    "javascript:alert(1)",
    "http://[/",
]


@pytest.mark.parametrize("location", INNER)
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_inside_is_not_followed(serve, reply, location, status):
    server = serve(lambda heard: reply(status=status, location=location))
    strict = Fetcher(
        ["*"],
        ports=[server.port, 80, 443],
        resolver=lambda host: [HERE],
        # The first connection may come here; whoever asks for one more is inside.
        admits=lambda address: address == HERE and len(server.heard) == 0,
    )
    with pytest.raises(ToolError):
        strict.fetch(f"http://site.test:{server.port}/")
    assert len(server.heard) == 1


def test_a_redirect_to_another_host_is_checked_against_the_allowed(serve, fetcher, reply):
    server = serve(lambda heard: reply(status=302, location=f"http://evil.test:{server.port}/"))
    with pytest.raises(ToolError, match=r"'evil\.test' is not allowed"):
        fetcher(server).fetch(f"http://site.test:{server.port}/")
    assert len(server.heard) == 1


def test_redirects_are_followed_as_often_as_allowed(serve, fetcher, reply):
    def count(heard):
        step = int(heard.target.removeprefix("/"))
        return reply(status=303, location=f"{step - 1}") if step else reply("arrived")

    server = serve(count)
    one = fetcher(server, limits=FetchLimits(redirects=3))
    page = one.fetch(f"http://site.test:{server.port}/3")
    assert (page.text, page.url) == ("arrived", f"http://site.test:{server.port}/0")
    with pytest.raises(ToolError, match="redirects more than 3 times"):
        one.fetch(f"http://site.test:{server.port}/4")


def test_an_endless_slow_chain_of_redirects_ends_with_the_time(serve, fetcher, reply):
    def slow(heard):
        server.closing.wait(0.1)
        yield reply(status=302, location="/again")

    server = serve(slow)
    started = time.perf_counter()
    with pytest.raises(ToolError, match=r"within 0.4 s"):
        fetcher(server, limits=FetchLimits(total_s=0.4, redirects=1000)).fetch(
            f"http://site.test:{server.port}/"
        )
    assert time.perf_counter() - started < 2.0


def test_a_redirect_of_enormous_length_is_refused(serve, fetcher, reply):
    server = serve(lambda heard: reply(status=302, location="/" + "a" * 60_000))
    with pytest.raises(ToolError, match="at most 2048"):
        fetcher(server).fetch(f"http://site.test:{server.port}/")


def test_a_redirect_without_a_goal_is_no_page(serve, fetcher, reply):
    server = serve(lambda heard: reply(status=302))
    with pytest.raises(ToolError, match="answered 302"):
        fetcher(server).fetch(f"http://site.test:{server.port}/")


def test_tls_names_the_host_and_checks_its_certificate(serve, fetcher, reply, certificate):
    server = serve(lambda heard: reply("safe"), tls=certificate.server())
    one = fetcher(server, hosts=["*"], tls=certificate.client)
    assert one.fetch(f"https://site.test:{server.port}/").text == "safe"
    assert server.sni == ["site.test"]
    assert server.heard[0].headers["host"] == f"site.test:{server.port}"
    with pytest.raises(ToolError, match=r"other\.test has no valid certificate"):
        one.fetch(f"https://other.test:{server.port}/")
    with pytest.raises(ToolError, match="has no valid certificate"):
        one.fetch(f"https://127.0.0.1:{server.port}/")
    assert len(server.heard) == 1


def test_a_certificate_of_nobody_known_is_refused(serve, fetcher, reply, certificate):
    server = serve(lambda heard: reply("safe"), tls=certificate.server())
    with pytest.raises(ToolError, match="has no valid certificate: self-signed"):
        fetcher(server).fetch(f"https://site.test:{server.port}/")


def test_what_speaks_no_tls_is_refused(serve, fetcher, reply):
    server = serve(lambda heard: reply("plain"))
    with pytest.raises(ToolError, match="offers no encryption"):
        fetcher(server).fetch(f"https://site.test:{server.port}/")


def test_proxies_and_credentials_of_the_environment_take_no_part(
    serve, fetcher, reply, monkeypatch, tmp_path
):
    proxy = serve(lambda heard: reply("proxied"))
    server = serve(lambda heard: reply("direct"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine site.test login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert fetcher(server).fetch(f"http://site.test:{server.port}/").text == "direct"
    assert not proxy.heard
    assert "authorization" not in server.heard[0].headers
