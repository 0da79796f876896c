"""What it takes to reach an endpoint, as plain values that can be sent to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from reachgym.agents.endpoint.dialects import Server, sampling_fields
from reachgym.envs.errors import ConfigError
from reachgym.envs.types import JSON

if TYPE_CHECKING:
    from reachgym.agents.sampling import Decoding

# What a request is made of; nothing else may say otherwise.
_OWN_FIELDS = frozenset({"messages", "model", "n", "seed", "stream", "stream_options", "tools"})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for an endpoint, in seconds.

    Attributes:
        connect_s: For a connection.
        first_s: For the beginning of a streamed reply, time in the server's queue included.
        stall_s: For the next piece of a streamed reply.
        request_s: For a whole reply.
    """

    connect_s: float = 10.0
    first_s: float = 300.0
    stall_s: float = 60.0
    request_s: float = 900.0

    def __post_init__(self) -> None:
        """Refuse times that are none.

        Raises:
            ConfigError: One is not above 0.
        """
        _check_positive(self)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long one turn is tried.

    Waits are drawn evenly between 0 and `first_s * 2**n` after the n-th failure (full jitter,
    Brooker 2015), unless the server says how long to wait.

    Attributes:
        attempts: Requests at most.
        total_s: Seconds from the first request on, after which none is sent.
        first_s: The longest wait after the first failure.
        longest_s: The longest wait at all.
    """

    attempts: int = 8
    total_s: float = 1800.0
    first_s: float = 0.5
    longest_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse numbers that leave nothing to try.

        Raises:
            ConfigError: One is not above 0.
        """
        _check_positive(self)


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Where a model answers, and how it is asked.

    Attributes:
        base_url: What `/chat/completions` is put behind, e.g. `"http://localhost:8000/v1"`.
        model: The model's name at the server.
        server: Which server it is: what it is asked besides, and what it can give.
        api_key_env: The environment variable that holds the key; None, or a variable that is not
            set, for servers that take none. The key itself is in no setting.
        decoding: The distribution to sample from; None for temperature 1 with nothing cut off.
        stream: Take replies piece by piece, so that a server that fell silent is noticed early.
        concurrency: The most requests in flight, in each process.
        timeouts: How long to wait.
        retries: How often to try.
        extra: Further fields of every request, such as `{"reasoning_effort": "low"}`.
    """

    base_url: str
    model: str
    server: Server = Server.OTHER
    api_key_env: str | None = "OPENAI_API_KEY"
    decoding: Decoding | None = None
    stream: bool = True
    concurrency: int = 256
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: Retries = field(default_factory=Retries)
    extra: Mapping[str, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no request can be made of.

        Raises:
            ConfigError: The URL is no endpoint's, the model has no name, the concurrency is below
                1, a field is not free, or the server cannot sample so.
        """
        _check_url(self.base_url)
        if not self.model:
            raise ConfigError("expected the model's name at the server, got ''; see GET /v1/models")
        if self.concurrency < 1:
            raise ConfigError(
                f"expected concurrency >= 1, got {self.concurrency}; let one request be in flight"
            )
        taken = sorted(_OWN_FIELDS & self.extra.keys())
        if taken:
            raise ConfigError(
                f"expected extra fields other than {', '.join(sorted(_OWN_FIELDS))}, got "
                f"{', '.join(taken)}; the agent itself writes these"
            )
        sampling_fields(self.server, self.decoding)

    @property
    def url(self) -> str:
        """The URL that requests go to."""
        return self.base_url.rstrip("/") + "/chat/completions"


def _check_positive(values: Timeouts | Retries) -> None:
    for name, value in asdict(values).items():
        # Written so that NaN is refused as well.
        if not value > 0:
            raise ConfigError(f"expected {name} > 0, got {value}; give it room")


def _check_url(url: str) -> None:
    """Refuse a URL that is no endpoint's; the text repeats nothing that may be a secret."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "expected a base_url like 'http://localhost:8000/v1', got one without a scheme http or "
            "https, a host, or a right port; correct it"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "expected a base_url of scheme, host and path, got one with credentials, a query or a "
            "fragment; put the key into an environment variable and name it in api_key_env"
        )
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise ConfigError(
            f"expected a base_url that '/chat/completions' can be put behind, got {url!r}; leave "
            "that part out"
        )


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
