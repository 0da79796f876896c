"""The page as a folder of files that needs no server."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reachgym.envs.errors import StoreError
from reachgym.envs.types import JSON
from reachgym.rollout.store_files import sync_folder
from reachgym.study.viewer.files import FILES, STATIC
from reachgym.study.viewer.records import as_json
from reachgym.study.viewer.view import RunView

# A file is read as a whole to show one episode of it.
_FILE_BYTES = 2**20
_MARK = "<!-- export -->"
# What could end a script or begin another thing where it is put into a page.
_SPECIAL = re.compile(rb"[<>&]")


def export_run(view: RunView, folder: Path) -> int:
    """Write the page and all episodes; the folder is there whole or not at all.

    Returns:
        How many episodes there are.

    Raises:
        StoreError: There is something at the folder, it cannot be written, or a store is damaged.
    """
    if folder.exists() or folder.is_symlink():
        raise StoreError(f"expected a new folder to write to, {folder} is there; give another")
    target = folder.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            count = _write(view, made)
            made.chmod(0o755)
            made.rename(target)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(
            f"{folder} could not be written ({error.strerror or error}); give another folder"
        ) from error
    return count


def _write(view: RunView, folder: Path) -> int:
    for name in FILES:
        shutil.copyfile(STATIC / name, folder / name)
    index = folder / "index.html"
    script = '<script defer src="data/index.js"></script>'
    index.write_text(index.read_text("utf-8").replace(_MARK, script), "utf-8")
    data = folder / "data"
    data.mkdir()
    files: list[JSON] = []
    rows: list[JSON] = []
    first = 0
    for part in _parts(view, rows):
        content = b"window.reachgymEpisodes(%d,[%s]);\n" % (len(files), b",".join(part))
        (data / f"episodes-{len(files)}.js").write_bytes(content)
        files.append([first, len(part)])
        first += len(part)
    exported: JSON = {"run": view.run(), "rows": rows, "files": files}
    (data / "index.js").write_bytes(b"window.reachgymExport = %s;\n" % _script(exported))
    return len(rows)


def _parts(view: RunView, rows: list[JSON]) -> Iterator[list[bytes]]:
    """Episodes as JSON, file by file; their rows are added to those that are given."""
    part: list[bytes] = []
    size = 0
    for episode in view.every():
        rows.append(episode["row"])
        told = _script(episode)
        if part and size + len(told) > _FILE_BYTES:
            yield part
            part, size = [], 0
        part.append(told)
        size += len(told)
    if part:
        yield part


def _script(value: JSON) -> bytes:
    """JSON that is a JavaScript expression and nothing else, wherever it is put."""
    return _SPECIAL.sub(lambda found: b"\\u%04x" % ord(found[0]), as_json(value))
