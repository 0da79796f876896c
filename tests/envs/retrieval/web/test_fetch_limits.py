"""Pages without end, slow, compressed to burst, or made to hang who reads them."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import time
import tracemalloc
import zlib

import pytest

from reachgym.envs.errors import ConfigError, ToolError
from reachgym.envs.retrieval.fetching import FetchLimits


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


def test_html_that_grows_as_text_is_cut_off(get, reply):
    table = "<table>" + "<tr><td colspan=1000>x" * 100
    page = get(reply(table, content_type="text/html"), limits=FetchLimits(most_bytes=5000))
    assert (len(page.text), page.cut) == (5000, True)


def test_html_on_which_the_converter_fails_is_told_to_the_agent(get, reply):
    # It panics on these in 3.21; a later one may read them.
    broken = "<pre><li><h1><li><a href='javascript:x'><br><a href='http://['>x</a>"
    with contextlib.suppress(ToolError):
        get(reply(broken, content_type="text/html"))


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


@pytest.mark.parametrize("field", ["most_bytes", "total_s", "redirects"])
def test_limits_that_leave_nothing_are_refused(field):
    for value in (-1, float("nan")):
        with pytest.raises(ConfigError, match=field):
            FetchLimits(**{field: value})
