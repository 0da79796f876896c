"""Pages of a real server on loopback: what is read, what is cut off, what is refused."""

from __future__ import annotations

import gzip
import itertools
import time
import tracemalloc
import zlib

import pytest

from reachgym.envs.errors import ConfigError, InfrastructureError, ToolError
from reachgym.envs.retrieval.fetching import Fetcher, FetchLimits
from reachgym.envs.retrieval.web_cache import CacheMode, ResponseCache

HTML = """<html><head><title>A &amp; B</title><style>p{}</style><script>evil()</script></head>
<body><h1>Head</h1><p>Some <b>bold</b> and a <a href="/next?q=1">link</a>.</p>
<ul><li>one<li>two</ul><table><tr><th>a<th>b<tr><td>1<td>2</table><pre>x = 1
  y</pre></body></html>"""


@pytest.fixture
def get(serve, fetcher):
    """Fetches from a server that gives one answer."""

    def run(answer, path="/", **options):
        server = serve(lambda heard: answer)
        return fetcher(server, **options).fetch(f"http://site.test:{server.port}{path}")

    return run


def test_html_becomes_markdown_with_its_title(get, reply):
    page = get(reply(HTML, content_type="text/html; charset=utf-8"))
    assert page.title == "A & B"
    assert "# Head" in page.text
    assert f"Some **bold** and a [link]({page.url}next?q=1)." in page.text
    assert "- one\n- two" in page.text
    assert "| 1 | 2 |" in page.text
    assert "x = 1\n  y" in page.text
    assert "evil" not in page.text
    assert "p{}" not in page.text
    assert not page.cut


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/json",
        "text/csv",
        "application/ld+json",
        "text/xml; charset=x",
        "application/atom+xml",
        "TEXT/Markdown",
    ],
)
def test_other_texts_are_read_as_they_are(get, reply, content_type):
    assert get(reply('{"a": "ü 漢"}', content_type=content_type)).text == '{"a": "ü 漢"}'


@pytest.mark.parametrize(
    "content_type",
    [
        "application/pdf",
        "image/png",
        "application/octet-stream",
        "",
        "video/mp4",
        "x" * 500,
        "application/zip",
        "multipart/x-mixed-replace; boundary=text/html",
    ],
)
def test_what_is_no_text_is_refused_and_not_read(get, reply, content_type):
    with pytest.raises(ToolError, match="only text, HTML, JSON and XML can be read"):
        get(reply(b"\x89PNG" * 1000, content_type=content_type))


def test_what_is_no_text_is_refused_before_it_comes(serve, fetcher):
    def endless(heard):
        yield b"HTTP/1.1 200 X\r\ncontent-type: image/png\r\ncontent-length: 99\r\n\r\n"
        server.closing.wait()

    server = serve(endless)
    with pytest.raises(ToolError, match="is of type 'image/png'"):
        fetcher(server).fetch(f"http://site.test:{server.port}/")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("grün".encode("latin-1"), "text/plain; charset=ISO-8859-1"),
        ("grün".encode("utf-16"), "text/plain; charset=utf-16"),
        (b"\xef\xbb\xbf" + "grün".encode(), "text/plain"),
        ('<meta charset="windows-1252">grün'.encode("cp1252"), "text/html"),
        ("grün".encode(), "text/plain; charset=idna"),
        ("grün".encode(), "text/plain; charset=unicode_escape"),
        ("grün".encode(), "text/plain; charset=zip"),
        ("grün".encode(), "text/plain; charset=../../x"),
        ("grün".encode(), "text/plain; charset*=x'y'%00"),
    ],
)
def test_letters_are_read_in_the_encoding_that_is_told(get, reply, body, content_type):
    assert get(reply(body, content_type=content_type)).text == "grün"


def test_wrong_bytes_and_control_characters_do_not_come_through(get, reply):
    page = get(reply(b"a\xffb\x00c\x1b[31md\r\ne\x9bf\xc2\x9bg\th"))
    assert page.text == "a\ufffdbc[31md\ne\ufffdfg\th"


def test_a_title_cannot_break_a_line(get, reply):
    page = get(reply("<title>a\nb\x1b[2J&#10;c</title>x", content_type="text/html"))
    assert page.title == "a b[2J c"


def test_a_longer_page_is_cut_off_and_says_so(serve, fetcher, reply):
    server = serve(lambda heard: reply("x" * 50_000_000))
    page = fetcher(server, limits=FetchLimits(most_bytes=1000)).fetch(
        f"http://site.test:{server.port}/"
    )
    assert page.text == "x" * 1000
    assert page.cut
    assert server.sent < 50_000_000


def test_a_page_of_just_the_limit_is_whole(get, reply):
    page = get(reply("x" * 1000), limits=FetchLimits(most_bytes=1000))
    assert (len(page.text), page.cut) == (1000, False)


def test_an_endless_page_is_cut_off(get):
    head = b"HTTP/1.1 200 X\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    page = get(itertools.chain([head], itertools.repeat(chunk)))
    assert (len(page.text), page.cut) == (1_000_000, True)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZIP"])
def test_compressed_pages_are_read(get, reply, encoding):
    pack = zlib.compress if encoding == "deflate" else gzip.compress
    assert get(reply(pack(b"hello" * 100), content_encoding=encoding)).text == "hello" * 100


def test_a_compressed_bomb_is_cut_off_before_it_unfolds(get, reply):
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(100)) + packer.flush()
    tracemalloc.start()
    page = get(reply(bomb, content_encoding="gzip", content_type="text/plain"))
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert page.cut
    assert most_bytes < 20_000_000


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, deflate", "x"])
def test_an_encoding_that_was_not_asked_for_is_refused(get, reply, encoding):
    with pytest.raises(ToolError, match="cannot be read"):
        get(reply(b"\x1f\x8b", content_encoding=encoding))


def test_a_wrong_compression_is_refused(get, reply):
    with pytest.raises(ToolError, match="compressed wrongly"):
        get(reply(b"not gzip", content_encoding="gzip"))


@pytest.mark.parametrize("status", [204, 206, 304, 400, 403, 404, 429, 500, 503])
def test_another_status_is_told_to_the_agent(get, reply, status):
    with pytest.raises(ToolError, match=rf"site\.test answered {status}, not with a page"):
        get(reply("x", status=status))


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 200_000,
        "<a href='" * 100_000,
        "<!--" * 250_000,
        "<![CDATA[" * 100_000,
        "<table><tr><td>" * 20_000,
        "<p><b><i><a href=x>" * 20_000,
        "<" * 1_000_000,
        "&" * 1_000_000,
        "<title" * 10_000,
        "<meta " * 100_000,
        "\x00" * 1000,
    ],
    ids=lambda page: page[:12],
)
def test_html_made_to_hang_parsers_is_read_in_a_moment(get, reply, page):
    started = time.perf_counter()
    get(reply(page, content_type="text/html"), limits=FetchLimits(total_s=20.0))
    assert time.perf_counter() - started < 5.0


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 X\r\ncontent-type: text/plain\r\ncontent-length: 99\r\n\r\n", b"x"],
        [b"HTTP/1.1 200 X\r\n", b"a: b\r\n"],
        [b"H"],
        [b"HTTP/1.1 100 Continue\r\n\r\n"],
    ],
)
def test_a_server_that_drips_is_left_when_the_time_is_over(serve, fetcher, pieces):
    def drip(heard):
        yield from pieces
        while not server.closing.wait(0.05):
            yield pieces[-1]

    server = serve(drip)
    started = time.perf_counter()
    with pytest.raises(ToolError, match=r"did not answer, or not fully, within 0\.3 s"):
        fetcher(server, limits=FetchLimits(total_s=0.3)).fetch(f"http://site.test:{server.port}/")
    assert time.perf_counter() - started < 2.0


def test_a_server_that_says_nothing_is_left(fetcher, deaf):
    quick = fetcher(ports=[deaf], limits=FetchLimits(total_s=0.2))
    with pytest.raises(ToolError, match=r"within 0.2 s"):
        quick.fetch(f"http://site.test:{deaf}/")
    with pytest.raises(ToolError, match=r"within 0.2 s"):
        quick.fetch(f"https://site.test:{deaf}/")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "does not answer as HTTP"),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "does not answer as HTTP"),
        (b"HTTP/1.1 200 X\r\n" + b"a: b\r\n" * 50_000, "does not answer as HTTP"),
        (
            b"HTTP/1.1 200 X\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nx",
            "does not answer as HTTP",
        ),
        (
            b"HTTP/1.1 200 X\r\ncontent-type: text/css\r\ntransfer-encoding: chunked\r\n\r\nz\r\n",
            "does not answer as HTTP",
        ),
        (b"HTTP/1.1 101 X\r\nupgrade: websocket\r\n\r\n", "does not answer as HTTP"),
    ],
)
def test_what_is_no_http_is_told_to_the_agent(get, answer, problem):
    with pytest.raises(ToolError, match=problem):
        get(answer)


def test_a_host_that_cannot_be_connected_to_is_told_to_the_agent(serve, fetcher):
    server = serve(lambda heard: b"")
    one = fetcher(server)
    server.close()
    server.close = lambda: None
    with pytest.raises(ToolError, match=r"site\.test cannot be connected to"):
        one.fetch(f"http://site.test:{server.port}/")


def test_what_is_sent_names_the_host_and_little_else(serve, fetcher, reply):
    server = serve(lambda heard: reply("x", set_cookie="a=b"))
    one = fetcher(server, user_agent="tester/1 (mail@site.test)")
    for _ in range(2):
        one.fetch(f"http://SITE.test:{server.port}/a%20b/ü?q=ä#part")
    heard = server.heard[1]
    assert heard.target == "/a%20b/%C3%BC?q=%C3%A4"
    assert heard.headers["host"] == f"site.test:{server.port}"
    assert heard.headers["user-agent"] == "tester/1 (mail@site.test)"
    assert heard.headers["accept-encoding"] == "gzip"
    assert set(heard.headers) <= {"host", "user-agent", "accept", "accept-encoding", "connection"}


@pytest.mark.parametrize("field", ["most_bytes", "total_s", "redirects"])
def test_limits_that_leave_nothing_are_refused(field):
    for value in (-1, float("nan")):
        with pytest.raises(ConfigError, match=field):
            FetchLimits(**{field: value})


@pytest.mark.parametrize("agent", ["", "a\r\nb: c", "ü"])
def test_a_user_agent_that_no_header_carries_is_refused(agent):
    with pytest.raises(ConfigError, match="user_agent"):
        Fetcher(["site.test"], user_agent=agent)


def test_pages_and_refusals_are_replayed_without_the_server(serve, fetcher, reply, tmp_path):
    server = serve(
        lambda heard: (
            reply("gone", status=404)
            if heard.target == "/gone"
            else reply(f"<title>T</title>answer {heard.number}", content_type="text/html")
        )
    )
    url = f"http://site.test:{server.port}"
    recorder = fetcher(server, cache=ResponseCache(tmp_path, CacheMode.RECORD))
    first = recorder.fetch(f"{url}/")
    assert recorder.fetch(f"{url}/#part") == first
    with pytest.raises(ToolError, match="404") as refused:
        recorder.fetch(f"{url}/gone")
    asked = len(server.heard)
    player = fetcher(server, cache=ResponseCache(tmp_path, CacheMode.REPLAY))
    assert player.fetch(f"{url}/") == first
    with pytest.raises(ToolError) as again:
        player.fetch(f"{url}/gone")
    assert str(again.value) == str(refused.value)
    with pytest.raises(InfrastructureError, match="expected a kept response"):
        player.fetch(f"{url}/never")
    assert len(server.heard) == asked


def test_a_replay_keeps_to_the_rules_of_now(serve, fetcher, reply, tmp_path):
    server = serve(
        lambda heard: (
            reply(status=302, location=f"http://b.test:{server.port}/")
            if heard.headers["host"].startswith("a.test")
            else reply("found")
        )
    )
    url = f"http://a.test:{server.port}/"
    both = fetcher(
        server, hosts=["a.test", "b.test"], cache=ResponseCache(tmp_path, CacheMode.RECORD)
    )
    assert both.fetch(url).text == "found"
    one = fetcher(server, hosts=["a.test"], cache=ResponseCache(tmp_path, CacheMode.REPLAY))
    with pytest.raises(ToolError, match=r"b\.test"):
        one.fetch(url)
