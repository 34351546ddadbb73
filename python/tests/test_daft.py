"""Many pictures in a Daft dataframe."""

from __future__ import annotations

import numpy as np
import pytest

import dvm

daft = pytest.importorskip("daft")


def test_a_column_of_files_becomes_a_column_of_maps(coffee, model):
    frame = daft.from_pydict({"bytes": [coffee.read_bytes(), b"no picture", None]})
    explain = dvm.daft.explainer(model, "gradient")
    found = frame.with_column("found", explain(frame["bytes"])).to_pydict()["found"]
    expected = model.explain(coffee, "gradient")
    assert found[0]["class_name"] == expected.class_name and found[0]["error"] is None
    assert np.array_equal(np.array(found[0]["gradient"], np.float32), expected.map.ravel())
    for broken in found[1:]:
        assert "PictureError" in broken["error"] and broken["gradient"] is None
