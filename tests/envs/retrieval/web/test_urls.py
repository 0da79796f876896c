"""Which URLs may be fetched: hosts that are allowed, and hostile ways to write them."""

import pytest

from reachgym.envs.errors import ConfigError, ToolError
from reachgym.envs.retrieval.fetch_rules import UrlRules

RULES = UrlRules(["example.org", "*.docs.example", "bücher.example", "93.184.216.34"], [80, 443])
ANYWHERE = UrlRules(["*"], [80, 443])


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("http://example.org", "example.org"),
        ("https://EXAMPLE.org/a?b=c#d", "example.org"),
        ("HTTPS://example.org:443/", "example.org"),
        ("http://example.org:443/", "example.org"),
        ("https://a.docs.example/", "a.docs.example"),
        ("https://a.b.docs.example/", "a.b.docs.example"),
        ("https://bücher.example/ü", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://93.184.216.34/", "93.184.216.34"),
        ("http://example。org/", "example.org"),
        ("http://example.org:\uff18\uff10/", "example.org"),
    ],
)
def test_an_allowed_host_passes_however_it_is_written(text, host):
    url = RULES.check(text)
    assert url.raw_host.decode() == host
    assert not url.fragment


@pytest.mark.parametrize(
    "text",
    [
        "http://evil.org/",
        "http://docs.example/",
        "http://evildocs.example/",
        "http://example.org.evil.org/",
        "http://sub.example.org/",
        "http://example.org.",
        "http://evil.org/example.org",
        "http://evil.org?example.org",
        "http://evil.org#@example.org/",
        "http://example.org@evil.org/",
        "http://example.org:80@evil.org/",
        "http://user:password@example.org/",
        "http://@example.org/",
        "http://example.org\\@evil.org/",
        "http://evil.org\\.example.org/",
        "http://example.org%2f@evil.org/",
        "http://example.org%00.evil.org/",
        "http://evil.org%23.docs.example/",
        "http://evil.org%2f.docs.example/",
        "http://.docs.example/",
        "http://a..docs.example/",
        "http://ex\u0430mple.org/",
        "http://example.org:22/",
        "http://example.org:8080/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:80:443/",
        "http://[example.org]/",
        "http://93.184.216.35/",
        "//example.org/",
        "example.org",
        "http:/example.org/",
        "http:example.org",
        "http:///example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "file://example.org/etc/passwd",
        "gopher://example.org:80/_GET%20/",
        "dict://example.org:80/d",
        "jar:http://example.org!/",
        "javascript:alert(1)",
        "data:text/plain,hello",
        "view-source:http://example.org/",
        "unix:/var/run/docker.sock",
        " http://example.org/",
        "http://example.org/ HTTP/1.1",
        "http://example.org/\r\nX-Evil: 1",
        "http://example.org\r\nHost: evil.org/",
        "http://example.org/\nGET /",
        "http://example.org/\t",
        "http://example.org/\x00",
        "http://example.org/\x7f",
        "http://example.org/\u2028",
        "http://example.org/\u202e",
        "http://example.org/\ud800",
        "http://\ud800.docs.example/",
        "http://example.org/" + "a" * 5000,
        "http://" + "a." * 900 + "docs.example/",
        "http://" + "a" * 64 + ".docs.example/",
        "http://xn--\uffff.docs.example/",
        "http://-a.docs.example/",
        "http://*.docs.example/",
        "http://[::1%25lo]/",
        "http://[::1/",
        "http://]/",
        "http://%/",
        "http://:80/",
        "http://",
        "",
        "\U0001f4a9",
        "a" * 1_000_000,
    ],
)
def test_anything_else_is_refused_with_words_for_the_agent(text):
    with pytest.raises(ToolError) as refusal:
        RULES.check(text)
    assert len(str(refusal.value)) < 700
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost.",
        "intranet",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f.1",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "127.0.0.256",
        "1.2.3.4.5",
        "a.0x1",
        "a.1",
        "\uff11\uff12\uff17.0.0.1",
        "①②⑦.⓪.⓪.①",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "[::ffff:127.0.0.1%251]",
    ],
)
def test_where_every_host_is_allowed_numbers_and_bare_names_are_not_hosts(host):
    with pytest.raises(ToolError):
        ANYWHERE.check(f"http://{host}/")


def test_where_every_host_is_allowed_any_domain_passes():
    assert ANYWHERE.check("https://anything.example/").host == "anything.example"


def test_wrong_punycode_is_a_host_like_any_other():
    assert ANYWHERE.check("http://xn--a.example/").raw_host == b"xn--a.example"


def test_a_refusal_names_what_is_allowed():
    with pytest.raises(ToolError, match=r"'evil.org' is not allowed; allowed are example.org"):
        RULES.check("http://evil.org/")
    with pytest.raises(ToolError, match="port 22 is not allowed; allowed are 80, 443"):
        RULES.check("http://example.org:22/")


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        "example.org",
        ["http://example.org"],
        ["example.org/path"],
        ["example.org:80"],
        [""],
        ["*.*.org"],
        ["a b"],
        ["*.1"],
        ["user@example.org"],
        ["[::1]"],
    ],
)
def test_hosts_that_are_none_are_refused(hosts):
    with pytest.raises(ConfigError, match="expected"):
        UrlRules(hosts, [80])


@pytest.mark.parametrize("ports", [[], [0], [70000], [-1]])
def test_ports_that_are_none_are_refused(ports):
    with pytest.raises(ConfigError, match="ports"):
        UrlRules(["example.org"], ports)
