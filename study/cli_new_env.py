"""`reachgym new-env`: a package with an environment of one's own, to be changed."""

from __future__ import annotations

import keyword
import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from reachgym.envs.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


def run_new_env(name: str, folder: Path, console: Console) -> None:
    """Write the package into `folder`/`name`, whole or not at all.

    Raises:
        ConfigError: The name is no package's, or the folder is not there, or has something of that
            name already.
    """
    package = name.replace("-", "_")
    if _NAME.fullmatch(name) is None or keyword.iskeyword(package):
        raise ConfigError(
            f"a name of lowercase letters, digits and single dashes is expected, such as "
            f"my-boxes, and no word of Python's; got {name!r}"
        )
    target = folder / name
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; make it, or name another with --path")
    if target.exists():
        raise ConfigError(f"{target} is there already; choose another name, or remove it")
    env_id = f"{package}/{''.join(part.capitalize() for part in package.split('_'))}-v0"
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-") as draft:
        for path, text in _package_files(name, package, env_id):
            (Path(draft) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(draft) / path).write_text(text)
        Path(draft).chmod(0o755)
        shutil.copytree(draft, target)
    console.print(
        f"Wrote {target}, the environment {env_id}. Next:\n\n"
        f"  pip install -e {target}\n  reachgym check-env {env_id}\n",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _package_files(name: str, package: str, env_id: str) -> Iterator[tuple[str, str]]:
    for path, template in {
        "pyproject.toml": "pyproject.toml.in",
        "README.md": "README.md.in",
        f"{package}/environment.py": "environment.py.in",
        "tests/test_environment.py": "test_environment.py.in",
    }.items():
        text = (files("reachgym.study") / "scaffold" / template).read_text()
        for key, value in {"@PROJECT@": name, "@PACKAGE@": package, "@ID@": env_id}.items():
            text = text.replace(key, value)
        yield path, text
    yield f"{package}/__init__.py", f'"""The environment `{env_id}`."""\n'
