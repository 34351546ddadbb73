"""The documents are correct: runs every Python block of docs/python.md, and the notebook."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import COFFEE, ROOT


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with the files that the documents use."""
    image = pytest.importorskip("PIL.Image")
    shutil.copy(COFFEE, tmp_path / "photo.jpg")
    shutil.copytree(COFFEE.parent, tmp_path / "photos", ignore=shutil.ignore_patterns("*.md"))
    noise = np.random.default_rng(0)
    for name in ("daisy", "roses"):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        for number in range(8):
            pixels = noise.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            image.fromarray(pixels).save(tmp_path / "flowers" / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_block_of_the_document_runs(desk):
    pytest.importorskip("torch")
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 6
    script = "\n".join(blocks)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_notebook_runs():
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    folder = ROOT / "docs" / "notebooks"
    notebook = nbformat.read(folder / "explain.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pages = [output.data["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert any("data:image/png" in page for page in pages)
