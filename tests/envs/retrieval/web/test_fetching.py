"""Pages of a real server on loopback: what is read, what is cut off, what is refused."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import ConfigError, InfrastructureError, ToolError
from reachgym.envs.retrieval.fetching import Fetcher
from reachgym.envs.retrieval.web_cache import CacheMode, ResponseCache

HTML = """<html><head><title>A &amp; B</title><style>p{}</style><script>evil()</script></head>
<body><h1>Head</h1><p>Some <b>bold</b> and a <a href="/next?q=1">link</a>.</p>
<ul><li>one<li>two</ul><table><tr><th>a<th>b<tr><td>1<td>2</table><pre>x = 1
  y</pre></body></html>"""


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


@pytest.mark.parametrize("status", [204, 206, 304, 400, 403, 404, 429, 500, 503])
def test_another_status_is_told_to_the_agent(get, reply, status):
    with pytest.raises(ToolError, match=rf"site\.test answered {status}, not with a page"):
        get(reply("x", status=status))


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
