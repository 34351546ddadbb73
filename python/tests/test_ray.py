"""Many pictures with Ray, on this machine."""

from __future__ import annotations

import collections
import os

import numpy as np
import pytest

import dvm

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
image = pytest.importorskip("PIL.Image")

COUNT = 24


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    noise = np.random.default_rng(0)
    for number in range(COUNT):
        image.fromarray(noise.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(folder / f"{number:03}.png")
    (folder / "007.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return folder


def pictures(folder, blocks: int = 6):
    return ray.data.read_binary_files(str(folder), include_paths=True, override_num_blocks=blocks)


def test_the_maps_equal_those_of_one_process_and_a_broken_picture_has_an_error(cluster, folder, model):
    found = dvm.ray.explain(pictures(folder), model, "grad-cam", batch_size=4, workers=2).take_all()
    rows = {os.path.basename(row["path"]): row for row in found}
    assert len(rows) == len(found) == COUNT
    broken = rows.pop("007.png")
    assert "PictureError" in broken["error"] and broken["class_index"] == -1
    for name, row in rows.items():
        expected = model.explain(folder / name, "grad-cam")
        assert row["error"] is None
        assert row["class_index"] == expected.class_index
        assert np.array_equal(row["grad-cam"], expected.map)


def test_a_killed_worker_loses_and_repeats_nothing(cluster, folder, tmp_path):
    class Fragile(dvm.ray.Explainer):
        """Kills its own process once, during the work."""

        def __call__(self, batch):
            found = super().__call__(batch)
            flag = tmp_path / "killed"
            if any(path.endswith("010.png") for path in batch["path"]) and not flag.exists():
                flag.touch()
                os.kill(os.getpid(), 9)
            return found

    original, dvm.ray.Explainer = dvm.ray.Explainer, Fragile
    try:
        found = dvm.ray.explain(pictures(folder), "squeezenet1_1", "gradient", batch_size=4, workers=2).take_all()
    finally:
        dvm.ray.Explainer = original
    assert (tmp_path / "killed").exists()
    names = collections.Counter(os.path.basename(row["path"]) for row in found)
    assert len(names) == COUNT and set(names.values()) == {1}


def test_rows_are_written_to_parquet_with_their_maps(cluster, folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    found = dvm.ray.explain(pictures(folder), "squeezenet1_1", "gradient", maps="float16", workers=1)
    found.write_parquet(str(tmp_path / "maps"))
    table = parquet.read_table(tmp_path / "maps")
    assert table.num_rows == COUNT
    assert {"path", "class_name", "probability", "warnings", "error", "gradient"} <= set(table.column_names)


def test_pixels_and_a_model_from_a_file_are_accepted(cluster, tmp_path, model):
    file = dvm.convert(model, tmp_path / "network.safetensors")
    frames = np.random.default_rng(1).integers(0, 256, (3, 30, 30, 3), dtype=np.uint8)
    data = ray.data.from_items([{"image": frame, "name": str(index)} for index, frame in enumerate(frames)])
    shipped = dvm.load(file)
    found = dvm.ray.explain(data, shipped, "gradient", keep=["name"], maps="none", workers=1)
    rows = found.take_all()
    assert sorted(row["name"] for row in rows) == ["0", "1", "2"]
    assert all(row["error"] is None and "gradient" not in row for row in rows)
