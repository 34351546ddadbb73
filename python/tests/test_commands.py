"""The commands as functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dvm


def test_a_comparison_returns_its_results(coffee, tmp_path, model):
    found = dvm.compare(
        coffee, model, ["gradient", "grad-cam"], ["sparseness"], out=tmp_path / "compared", bootstrap=10, class_="top"
    )
    assert found.folder == tmp_path / "compared" and not found.failed
    assert (found.folder / "compare.csv").is_file()
    assert {"gradient", "grad-cam"} <= {row["name"] for row in found["methods"]}


def test_a_folder_is_explained_into_files(coffee, tmp_path):
    found = dvm.explain(coffee.parent, "squeezenet1_1", "gradient", out=tmp_path / "maps", formats="npy")
    lines = (found.folder / "manifest.jsonl").read_text().splitlines()
    assert len(lines) == len(list(coffee.parent.glob("*.png")))
    assert np.load(found.folder / "coffee" / "gradient.npy").shape == (224, 224)


def test_bench_returns_the_time_of_a_network():
    assert dvm.bench("forward", "squeezenet1_1", runs=1)["seconds"]["median"] > 0


def test_an_invalid_value_is_an_error_with_the_message_of_the_command(coffee, tmp_path):
    with pytest.raises(dvm.UsageError, match="grad-cm"):
        dvm.compare(coffee, "squeezenet1_1", "grad-cm", out=tmp_path / "compared")


def test_an_error_names_keyword_arguments_instead_of_flags(coffee, tmp_path):
    dvm.compare(coffee, "squeezenet1_1", "gradient", "sparseness", out=tmp_path / "compared", bootstrap=10)
    with pytest.raises(dvm.UsageError, match="`overwrite=`") as error:
        dvm.compare(coffee, "squeezenet1_1", "gradient", "sparseness", out=tmp_path / "compared", bootstrap=10)
    assert "--" not in str(error.value)


def test_a_model_is_passed_to_a_command_with_its_arguments(tmp_path, noise):
    pytest.importorskip("PIL.Image").fromarray(noise).save(tmp_path / "noise.png")
    names = [f"kind {index}" for index in range(1000)]
    mine = dvm.load("squeezenet1_1", classes=names, preprocess={"mean": [0, 0, 0], "std": [1, 1, 1]})
    found = dvm.survey(tmp_path / "noise.png", mine, "gradient", out=tmp_path / "survey")
    expected = mine.classify(noise).name
    assert expected in (Path(found.folder) / "survey.md").read_text()


def test_a_converted_network_can_be_opened(tmp_path, model, noise):
    file = dvm.convert(model, tmp_path / "network.safetensors")
    again = dvm.load(file)
    assert np.allclose(again.classify(noise).logits, model.classify(noise).logits, atol=1e-5)
