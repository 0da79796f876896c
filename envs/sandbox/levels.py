"""The sandbox levels by name, and opening the first of those that a configuration allows."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from reachgym.envs.errors import ConfigError, SandboxError
from reachgym.envs.sandbox.protocol import Sandbox, SandboxLimits
from reachgym.envs.types import JSON


class Level(StrEnum):
    """Kinds of isolation, the strongest first; docs/security.md says what each covers."""

    DOCKER_GVISOR = "docker-gvisor"
    DOCKER = "docker"
    NAMESPACES = "namespaces"
    LANDLOCK = "landlock"


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """Which sandbox is wanted; equal ones can share their sandboxes.

    Attributes:
        levels: Those that may be used, the preferred one first.
        image: The image of Docker levels, which has a Python of 3.11 or newer; None for one made
            of this machine's own Python, on Linux.
        limits: What one execution may use.
    """

    levels: tuple[Level, ...] = (Level.NAMESPACES,)
    image: str | None = None
    limits: SandboxLimits = SandboxLimits()


_LIMITS = [field.name for field in fields(SandboxLimits)]
_KEYS = ("levels", "image", *_LIMITS)
# The programs of these levels are Linux' own.
_LINUX_ONLY = (Level.NAMESPACES, Level.LANDLOCK)


def open_sandbox(spec: SandboxSpec) -> Sandbox:
    """A sandbox of the first of the allowed levels that this machine gives.

    Raises:
        SandboxError: It gives none of them; the text says why not, and what to do.
    """
    reasons = []
    for level in spec.levels:
        try:
            return open_level(level, spec.limits, spec.image)
        except SandboxError as error:
            reasons.append(f"{level}: {error}")
    raise SandboxError(
        f"expected a sandbox of level {' or '.join(spec.levels)} on this machine, but "
        + "; ".join(reasons)
        + " Run `reachgym doctor` to see which levels there are; a level is used only where the"
        " configuration names it, as in `sandbox: {levels: [docker]}`."
    )


def open_level(level: Level, limits: SandboxLimits, image: str | None = None) -> Sandbox:
    """A sandbox of this level and no other.

    Raises:
        SandboxError: This machine does not give it; the text says why not.
    """
    if level in _LINUX_ONLY and sys.platform != "linux":
        raise SandboxError(
            f"expected Linux for sandboxes of level {level}, got {sys.platform}; install Docker"
            " and use level docker"
        )
    # Each brings modules along that other systems lack, and none needs the others'.
    if level is Level.NAMESPACES:
        from reachgym.envs.sandbox.namespaces import NamespacesSandbox

        return NamespacesSandbox(limits)
    if level is Level.LANDLOCK:
        from reachgym.envs.sandbox.landlock.sandbox import LandlockSandbox

        return LandlockSandbox(limits)
    from reachgym.envs.sandbox.docker.sandbox import DockerSandbox

    if level is Level.DOCKER_GVISOR:
        return DockerSandbox(limits, runtime="runsc", image=image)
    return DockerSandbox(limits, runtime="runc", image=image)


def parse_sandbox(given: Mapping[str, JSON] | None) -> SandboxSpec:
    """The sandbox that an environment's `sandbox` argument describes.

    Args:
        given: `{"levels": ["docker", "namespaces"], "image": ..., "wall_s": 5.0, ...}`, every key
            optional, the limits named as in `SandboxLimits`; None for all defaults.

    Raises:
        ConfigError: A key, a level or a value is none of those known.
    """
    if given is None:
        return SandboxSpec()
    if not isinstance(given, Mapping):
        raise ConfigError(
            f'sandbox expects a mapping such as {{"levels": ["docker"]}}, got {given!r}'
        )
    for key in given:
        if key not in _KEYS:
            raise _unknown("sandbox", key, _KEYS)
    limits = {name: _positive(name, given[name]) for name in _LIMITS if name in given}
    image = given.get("image")
    if image is not None and not isinstance(image, str):
        raise ConfigError(f"sandbox.image expects the name of a Docker image, got {image!r}")
    spec = SandboxSpec()
    return SandboxSpec(
        levels=_levels(given["levels"]) if "levels" in given else spec.levels,
        image=image,
        limits=SandboxLimits(**{**asdict(spec.limits), **limits}),
    )


def _levels(given: JSON) -> tuple[Level, ...]:
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError(f"sandbox.levels expects a list out of {list(Level)}, got {given!r}")
    for name in given:
        if name not in list(Level):
            raise _unknown("sandbox.levels", name, list(Level))
    return tuple(Level(str(name)) for name in given)


def _positive(name: str, value: JSON) -> int | float:
    whole = not name.endswith("_s")
    if (
        isinstance(value, bool)
        or not isinstance(value, int if whole else int | float)
        or value <= 0
    ):
        kind = "whole number" if whole else "number"
        raise ConfigError(f"sandbox.{name} expects a {kind} above 0, got {value!r}")
    return value


def _unknown(where: str, name: object, known: list[Level] | tuple[str, ...]) -> ConfigError:
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(known)}"
    return ConfigError(f"{where} knows {', '.join(known)}, got {name!r}; {hint}")
