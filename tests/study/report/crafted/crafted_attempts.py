"""Attempts whose text attacks its reader."""

HOSTILE = (
    "</code></li></ol><script>document.title='owned'</script><img src=https://evil.example/x"
    " onerror=alert(1)>\x1b[31mred\x1b[0m \u202egnp.exe\u202c \u2066a\u2069 \u200bz\x00\r{{ 7*7 }}"
)
LONG_LINE = "x" * 5000


def attempt(passed):
    call = {"name": HOSTILE, "arguments": '{"query": "abcd/R"}', "result": HOSTILE, "error": True}
    return {
        "policy": "rl",
        "seed": 0,
        "interface": "tools",
        "family": "lookup-2",
        "task": "lookup-2/held_out/0",
        "prompt": "L:hocs/QR",
        "gold": "oooc",
        "turns": [
            {"text": HOSTILE, "calls": [call], "logprob": -52.5, "tokens": 15},
            {"text": LONG_LINE, "calls": [], "logprob": -0.25, "tokens": 79},
        ],
        "passed": passed,
        "reward": None if passed is None else float(passed),
        "stop_reason": "answered",
        "explanation": f"The answer is {HOSTILE}; oooc was asked for. {LONG_LINE}",
        "why_shown": "first failure",
    }
