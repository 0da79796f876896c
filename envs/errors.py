"""Every error that reachgym raises on purpose.

ReachgymError
├── InputError            the user's input is wrong: says what was expected, what came, what to do
│   ├── ConfigError       a configuration key or value
│   ├── TaskError         a task or a taskset
│   ├── ActionError       an action that is no assistant message
│   ├── EpisodeError      step before reset, or after the end
│   ├── CheckpointError   a checkpoint that cannot be read
│   └── StoreError        a run folder or store that is another's, or damaged
├── DivergedError         training left the finite numbers; the weights were left as they were
├── ToolError             a tool refuses; its text goes to the agent as a tool message
└── InfrastructureError   not the agent's doing: the attempt is unscored
    ├── SandboxError      no sandbox could be started, or it died by itself
    └── EndpointError     a model's endpoint gave no answer that could be used
        ├── EndpointRefusedError     it refuses what is asked: says what to change
        ├── EndpointBusyError        it asked for fewer requests to the end
        ├── EndpointTimeoutError     it did not answer in time, or fell silent
        ├── EndpointConnectionError  no connection came about, or none lasted
        └── EndpointReplyError       it failed by itself, or its reply made no sense
"""

from __future__ import annotations


class ReachgymError(Exception):
    """The root of the tree."""


class InputError(ReachgymError):
    """The user's input is wrong; the text says what to do."""


class ConfigError(InputError):
    """A configuration key or value is wrong."""


class TaskError(InputError):
    """A task or a taskset is wrong."""


class ActionError(InputError):
    """An action is no assistant message."""


class EpisodeError(InputError):
    """An environment was stepped before its reset or after its end."""


class CheckpointError(InputError):
    """A checkpoint cannot be read."""


class StoreError(InputError):
    """A run folder or a store belongs to something else or is damaged."""


class DivergedError(ReachgymError):
    """A gradient is not finite; the weights were left as they were."""


class ToolError(ReachgymError):
    """A tool refuses; its text is shown to the agent."""


class InfrastructureError(ReachgymError):
    """Something failed that is not the agent's doing; the attempt stays unscored."""


class SandboxError(InfrastructureError):
    """No sandbox could be started, or one died by itself."""


class EndpointError(InfrastructureError):
    """A model's endpoint gave no answer that could be used."""


class EndpointRefusedError(EndpointError):
    """An endpoint refuses what is asked of it, however often; the text says what to change."""


class EndpointBusyError(EndpointError):
    """An endpoint asked for fewer requests until there was no more time or attempt left."""


class EndpointTimeoutError(EndpointError):
    """An endpoint did not answer in time, or fell silent in the middle of an answer."""


class EndpointConnectionError(EndpointError):
    """No connection to an endpoint came about, or none lasted for an answer."""


class EndpointReplyError(EndpointError):
    """An endpoint failed by itself, or replied with what is no chat completion."""
