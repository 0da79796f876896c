"""The measurement's controls on an environment's interface: fewer tools, no or other information.

Registered environments take the same as their argument `interface`, which also reaches rollouts;
these are for environments that are stepped by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import gymnasium

from reachgym.envs.errors import InputError
from reachgym.envs.tool_env import Observation
from reachgym.envs.types import INFORMATION, Information, Message
from reachgym.envs.wrappers.inner import tool_env_of


class ToolSubset(
    gymnasium.Wrapper[Observation, Message, Observation, Message],
    gymnasium.utils.RecordConstructorArgs,
):
    """Offers only some of an environment's tools: what does an agent reach without the others?"""

    def __init__(self, env: gymnasium.Env[Observation, Message], tools: Sequence[str]) -> None:
        """Wrap an environment, which offers no more than `tools` from then on.

        Raises:
            InputError: There is no `ToolEnv` inside, or it has no such tool.
        """
        gymnasium.utils.RecordConstructorArgs.__init__(self, tools=list(tools))
        super().__init__(env)
        tool_env_of("ToolSubset", env).offer(tools)


class InformationWrapper(
    gymnasium.Wrapper[Observation, Message, Observation, Message],
    gymnasium.utils.RecordConstructorArgs,
):
    """Withholds what tools tell, or shuffles it across tasks; see `ToolEnv`'s `information`."""

    def __init__(self, env: gymnasium.Env[Observation, Message], information: Information) -> None:
        """Wrap an environment, whose tools tell no more than that from the next reset on.

        Raises:
            InputError: There is no `ToolEnv` inside, or no such information.
        """
        gymnasium.utils.RecordConstructorArgs.__init__(self, information=information)
        super().__init__(env)
        inner = tool_env_of("InformationWrapper", env)
        if information not in INFORMATION:
            raise InputError(f"information is one of {', '.join(INFORMATION)}; got {information!r}")
        inner.information = information
