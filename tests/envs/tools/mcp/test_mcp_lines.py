"""Lines of bounded length, however the bytes come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reachgym.envs.tools.mcp.lines import Lines, LongLine


@given(st.binary(max_size=300).map(lambda data: data.replace(b"\r", b"\n")), st.data())
def test_lines_are_the_same_however_the_bytes_come(data, draw):
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    lines = Lines(20)
    came = []
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        came += lines.feed(data[begin:end])
    whole = data.split(b"\n")[:-1]
    assert [
        line if len(line) <= 20 else LongLine(line[:200], line[-200:]) for line in whole
    ] == came


def test_a_long_lines_request_is_known_only_where_its_id_cannot_be_anothers():
    def request(text: bytes) -> int | None:
        (line,) = Lines(10).feed(text + b"\n")
        return line.request_id

    inner = b'{"a": "\\"id\\": 7", "id": 8, "b": "' + b"x" * 500 + b'"}'
    assert request(b'{"jsonrpc": "2.0", "id": 12, "result": ' + inner + b"}") == 12
    assert request(b'{"result":' + inner + b',"jsonrpc":"2.0","id":34}') == 34
    assert request(b'{"result": ' + inner + b"}") is None
