"""Writes reference files: safetensors whose bytes depend only on their content, and JSON."""

import importlib.metadata
import json
import os
import platform
from pathlib import Path

import numpy as np
from safetensors.numpy import save

REPOSITORY = Path(__file__).resolve().parent.parent


def destination(crate: str, name: str) -> Path:
    """The path of a reference file of `crate`; its folder is made if missing."""
    folder = REPOSITORY / "crates" / crate / "tests" / "references"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def versions(packages) -> dict:
    """The installed versions of `packages`, and of Python."""
    found = {package: importlib.metadata.version(package) for package in packages}
    return {"python": platform.python_version(), **found}


def save_tensors(path: Path, tensors: dict, script: str, packages) -> None:
    """Saves named arrays with the script and the versions that made them as metadata."""
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{path.name}: {name} holds a NaN or an infinity")
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    metadata = {"script": f"references/{script}", **versions(packages)}
    replace(path, with_sorted_metadata(save(arrays, metadata)))


def save_json(path: Path, content) -> None:
    """Saves `content` as JSON, one line per element of a top-level list."""
    if isinstance(content, list):
        lines = ",\n".join("  " + json.dumps(element) for element in content)
        text = f"[\n{lines}\n]\n"
    else:
        text = json.dumps(content, indent=2) + "\n"
    replace(path, text.encode())


def with_sorted_metadata(content: bytes) -> bytes:
    """The same safetensors file with its metadata in alphabetical order.

    The library writes the metadata in the order of a hash map, which differs from run to run.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    assert len(text) <= length, "sorting the metadata must not make the header longer"
    return content[:8] + text.ljust(length) + content[8 + length :]


def replace(path: Path, content: bytes) -> None:
    """Writes under a temporary name and renames, so that a broken run leaves no half file."""
    temporary = path.with_name(path.name + ".partial")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    print(f"{path.relative_to(REPOSITORY)}: {len(content) / 1000:.1f} kB")
