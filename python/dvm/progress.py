"""A line that shows the progress of long work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = ["Line", "Progress"]

Progress = bool | Callable[[str, int, int], object] | None
"""Whether and how progress is shown: ``None`` shows it in a terminal or notebook if it takes longer than a second,
``True`` always, ``False`` never; a function is called with what is computed, the finished steps and all steps."""

_PATIENCE = 1.0
_WIDTH = 30


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    shell = shell.get_ipython() if shell is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


class Line:
    """Shows progress in one line, which is erased at the end: on standard error, or below the cell of a notebook."""

    def __init__(self, progress: Progress, name: str = "") -> None:
        self._began = time.monotonic()
        self._drawn = 0
        self._name = name
        self._call = progress if callable(progress) else None
        self._patience = _PATIENCE if progress is None else 0.0
        self._notebook = _in_notebook()
        self._shown: Any = None
        is_seen = self._notebook or (sys.stderr is not None and sys.stderr.isatty())
        self._draws = progress is True or (progress is None and is_seen)

    @property
    def callback(self) -> Callable[[str, int, int], object] | None:
        """The function for the engine to call."""
        if self._call is not None:
            return self._call
        return self.update if self._draws else None

    def update(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` steps are finished."""
        elapsed = time.monotonic() - self._began
        if elapsed < self._patience or total <= 0:
            return
        filled = _WIDTH * done // total
        bar = "█" * filled + "·" * (_WIDTH - filled)
        left = elapsed * (total - done) / done if done else float("inf")
        rest = f"{left:.0f} s left" if left < 1e6 else ""
        text = f"{self._name}{what}: {bar} {done}/{total} {rest}"
        self._show(text)

    def _show(self, text: str) -> None:
        """Replace the text shown before."""
        if self._notebook:
            from IPython.display import display

            data = {"text/plain": text}
            if self._shown is None:
                self._shown = display(data, raw=True, display_id=True)
            else:
                self._shown.update(data, raw=True)
            return
        sys.stderr.write("\r" + text.ljust(self._drawn))
        sys.stderr.flush()
        self._drawn = len(text)

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is not None:
            self._shown.update({"text/plain": ""}, raw=True)
        elif self._drawn:
            sys.stderr.write("\r" + " " * self._drawn + "\r")
            sys.stderr.flush()
