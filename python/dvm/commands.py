"""The commands of ``dvm`` for many pictures, as functions: prepare, train, evaluate, compare, survey, convert.

Each function runs the command in its own process, with the same engine. Ctrl-C stops it, its messages appear
immediately, and its result is read as JSON. Keyword arguments are the command's flags, with ``_`` for ``-``:
``dvm.train("flowers", epochs=2, mixup=0.2)`` is ``dvm train flowers --epochs 2 --mixup 0.2``.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dvm import model as models
from dvm.errors import Error, UsageError

__all__ = ["Result", "bench", "compare", "convert", "evaluate", "explain", "fetch", "prepare", "survey", "train"]

_Paths = str | os.PathLike | Iterable[str | os.PathLike]


class Result(Mapping[str, Any]):
    """The result of a command, as a mapping, and the folder with its files.

    Attributes
    ----------
    folder : Path or None
        The folder with the results: reports, plots, arrays.
    failed : bool
        Whether some pictures failed; messages name them.
    """

    def __init__(self, found: Any, folder: Path | None, failed: bool) -> None:
        self._found = found if isinstance(found, dict) else {"results": found}
        self.folder = folder
        self.failed = failed

    def __getitem__(self, key: str) -> Any:
        return self._found[key]

    def __iter__(self) -> Any:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        where = f", {self.folder}" if self.folder else ""
        return f"Result({', '.join(self._found)}{where})"

    def _repr_html_(self) -> str:
        import base64
        import html

        rows = "".join(
            f"<tr><td>{html.escape(str(key))}</td><td>{html.escape(str(value))}</td></tr>"
            for key, value in self._found.items()
            if not isinstance(value, (dict, list))
        )
        pictures = ""
        for file in sorted(self.folder.glob("*.png"))[:4] if self.folder and self.folder.is_dir() else []:
            data = base64.b64encode(file.read_bytes()).decode()
            pictures += (
                f'<img alt="{html.escape(file.name)}" style="max-width: 100%" src="data:image/png;base64,{data}">'
            )
        return f"<table>{rows}</table>{pictures}"


def explain(
    data: _Paths,
    model: models.Model | str | os.PathLike[str] | None = None,
    method: str | Sequence[str] | None = None,
    *,
    out: str | os.PathLike[str] = "explanations",
    **options: Any,
) -> Result:
    """Explain all pictures of folders, lists and tables, and write files. For one picture: :meth:`dvm.Model.explain`.

    Parameters
    ----------
    data : path, or list of paths
        Folders, pictures, lists, tables (CSV, Parquet).
    model : Model, str or path, optional
        The network.
    method : str or list of str, optional
        Methods.
    out : path
        Folder for the results; ``manifest.jsonl`` in it has a line for each picture.
    **options
        Other flags of ``dvm explain``: ``formats="npy,png", skip_existing=True, shard="1/4"``.

    Returns
    -------
    Result
        ``folder`` contains the files; ``failed`` tells whether some pictures failed.
    """
    arguments = [*_paths(data), *_network(model), *_flag("method", method)]
    return _run("explain", arguments, options, out, as_json=False)


def bench(work: str, model: models.Model | str | os.PathLike[str] | None = None, **options: Any) -> Result:
    """Measure how long a network takes.

    Parameters
    ----------
    work : str
        What to measure: ``"forward"``, ``"occlusion"`` or another one of ``dvm bench --help``.
    model : Model, str or path, optional
        The network.
    **options
        Other flags of ``dvm bench``: ``batch=16, runs=5``.

    Returns
    -------
    Result
        ``seconds``, ``gflops`` and others.
    """
    return _run("bench", [work, *_network(model)], options, None)


def compare(
    data: _Paths,
    model: models.Model | str | os.PathLike[str] | None = None,
    method: str | Sequence[str] | None = None,
    metrics: str | Sequence[str] | None = None,
    *,
    out: str | os.PathLike[str] = "comparison",
    **options: Any,
) -> Result:
    """Compare methods for a network: methods × metrics over many pictures, with intervals and controls.

    Parameters
    ----------
    data : path, or list of paths
        A data set, folders of pictures, pictures, or lists.
    model : Model, str or path, optional
        The network.
    method, metrics : str or list of str, optional
        The methods to compare, and the metrics to compare them by.
    out : path
        Folder for the results.
    **options
        Other flags of ``dvm compare``: ``limit=100, resume=True, settings={"rise.masks": 500}``.

    Returns
    -------
    Result
    """
    arguments = [*_paths(data), *_network(model), *_flag("method", method), *_flag("metrics", metrics)]
    return _run("compare", arguments, options, out)


def survey(
    data: _Paths,
    model: models.Model | str | os.PathLike[str] | None = None,
    method: str | None = None,
    *,
    out: str | os.PathLike[str] = "survey",
    **options: Any,
) -> Result:
    """Show where a network looks over a whole data set, with a warning of shortcuts.

    Parameters
    ----------
    data : path
        A data set, or a folder of pictures.
    model : Model, str or path, optional
        The network.
    method : str, optional
        The method.
    out : path
        Folder for the results.
    **options
        Other flags of ``dvm survey``.

    Returns
    -------
    Result
    """
    return _run("survey", [*_paths(data), *_network(model), *_flag("method", method)], options, out)


def evaluate(
    data: str | os.PathLike[str],
    model: models.Model | str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Result:
    """Evaluate a network on labelled pictures.

    Parameters
    ----------
    data : path
        A data set.
    model : Model, str or path, optional
        The network.
    out : path, optional
        Folder for a report.
    **options
        Other flags of ``dvm evaluate``: ``split="val", bootstrap=1000``.

    Returns
    -------
    Result
        ``accuracy``, ``classes`` and others.
    """
    return _run("evaluate", [*_paths(data), *_network(model)], options, out)


def train(
    data: str | os.PathLike[str] | None = None, *, out: str | os.PathLike[str] | None = None, **options: Any
) -> Result:
    """Train a network on a folder of pictures.

    Parameters
    ----------
    data : path, optional
        A data set, as written by :func:`prepare`.
    out : path, optional
        Folder for the run.
    **options
        Flags of ``dvm train``: ``model="resnet18", epochs=10, learning_rate=0.01``, ``resume="runs/flowers"``.

    Returns
    -------
    Result
        ``run``, ``accuracy``, ``best_epoch``. ``dvm.load(result.folder)`` opens the best weights.
    """
    found = _run("train", [] if data is None else _paths(data), options, out)
    if "run" in found:
        found.folder = Path(found["run"])
    return found


def prepare(kind: str, *arguments: str | os.PathLike[str], **options: Any) -> Result:
    """Make a data set of labelled pictures, or check one.

    Parameters
    ----------
    kind : str
        ``"folder"``, ``"audit"`` or another one of ``dvm prepare --help``.
    *arguments : path
        The source and the destination.
    **options
        Flags of ``dvm prepare``.

    Returns
    -------
    Result
    """
    return _run("prepare", [kind, *(os.fspath(argument) for argument in arguments)], options, None)


def convert(model: models.Model | str | os.PathLike[str], out: str | os.PathLike[str], **options: Any) -> Path:
    """Convert a network to the format of the file extension: ``.onnx``, ``.safetensors`` or ``.pth``.

    Returns
    -------
    Path
        The file.
    """
    file: str | os.PathLike[str] = ""
    if isinstance(model, models.Model):
        options = {**{name: model._opened[name] for name in ("part",) if model._opened.get(name)}, **options}
        file = model._opened["model"]
    else:
        file = model
    _run("models", ["convert", os.fspath(file), os.fspath(out)], options, None, as_json=False)
    return Path(out)


def fetch(*names: str, **options: Any) -> None:
    """Download published weights of networks, by name."""
    _run("models", ["fetch", *names], options, None, as_json=False)


def _paths(data: _Paths) -> list[str]:
    if isinstance(data, (str, os.PathLike)):
        return [os.fspath(data)]
    return [os.fspath(path) for path in data]


def _network(model: models.Model | str | os.PathLike[str] | None) -> list[str]:
    if model is None:
        return []
    if not isinstance(model, models.Model):
        best = Path(model, "best.safetensors")
        return ["--model", str(best) if best.is_file() else os.fspath(model)]
    opened = model._opened
    arguments = ["--model", os.fspath(opened["model"])]
    if opened.get("device", "cpu") != "cpu":
        arguments += ["--device", opened["device"]]
    for name in ("weights", "part", "output"):
        if opened.get(name) is not None:
            arguments += [f"--{name}", os.fspath(opened[name])]
    classes = opened.get("classes")
    if classes is not None:
        if not isinstance(classes, (str, os.PathLike)):
            classes = model._written("classes.json", json.dumps(list(map(str, classes))))
        arguments += ["--classes", os.fspath(classes)]
    preprocess = opened.get("preprocess")
    if preprocess is not None:
        if preprocess.lstrip().startswith("{"):
            preprocess = model._written("preprocess.json", preprocess)
        arguments += ["--preprocess", os.fspath(preprocess)]
    if opened.get("size") is not None:
        arguments += ["--size", "x".join(map(str, opened["size"]))]
    return arguments


def _flag(name: str, value: Any) -> list[str]:
    """A flag with its value, as a command-line argument."""
    # `class_` is the flag `--class`, because `class` is a keyword of Python.
    flag = f"--{name.rstrip('_').replace('_', '-')}"
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if name == "settings":
        pairs = ((option, models.text(setting)) for option, setting in value.items())
        return [part for option, setting in pairs for part in ("--set", f"{option}={setting}")]
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return [flag, ",".join(value)]
    return [flag, models.text(value)]


def _run(command: str, arguments: list[str], options: Mapping[str, Any], out: Any, as_json: bool = True) -> Result:
    """Run the command; its messages go to standard error immediately."""
    words = [command, *arguments]
    if out is not None:
        words += ["--out", os.fspath(out)]
    for name, value in options.items():
        words += _flag(name, value)
    if as_json:
        words.append("--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "dvm", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None and process.stderr is not None
    heard: list[str] = []
    listener = threading.Thread(target=_pass_on, args=(process.stderr, heard), daemon=True)
    listener.start()
    try:
        answer = process.stdout.read().decode()
        status = process.wait()
    except BaseException:
        # In a terminal, Ctrl-C reaches the command directly.
        process.terminate()
        process.wait()
        raise
    finally:
        listener.join()
    if status not in (0, 1):
        text = "".join(heard).strip().splitlines()
        said = next((line for line in reversed(text) if line.startswith("error: ")), text[-1] if text else "")
        words_of_error = _as_keywords(said.removeprefix("error: ")) or f"dvm {command} ended with status {status}"
        raise (UsageError if status == 2 else Error)(words_of_error)
    found = json.loads(answer) if as_json and answer.strip() else {}
    return Result(found, Path(out) if out is not None else None, status == 1)


def _pass_on(stream: Any, heard: list[str]) -> None:
    """Copy the command's messages to this process's standard error, which a notebook shows below the cell."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while chunk := stream.read1(65536):
        text = decoder.decode(chunk)
        heard.append(text)
        sys.stderr.write(text)
        sys.stderr.flush()


def _as_keywords(words: str) -> str:
    """Replace the command's flags by the keyword arguments of the function."""
    return re.sub(r"--([a-z][a-z-]*)", lambda flag: f"`{flag[1].replace('-', '_')}=`", words)
