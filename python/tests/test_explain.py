"""Networks, pictures, explanations."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import dvm


def test_a_map_equals_the_one_that_the_command_writes(model, coffee, tmp_path):
    e = model.explain(coffee, "grad-cam,occlusion", window=60, stride=40)
    run = [
        sys.executable,
        "-m",
        "dvm",
        "explain",
        str(coffee),
        "--model",
        "squeezenet1_1",
        "--method",
        "grad-cam,occlusion",
    ]
    subprocess.run([*run, "--window", "60", "--stride", "40", "--out", str(tmp_path)], check=True, capture_output=True)
    written = tmp_path / "coffee"
    for method in ("grad-cam", "occlusion"):
        assert np.array_equal(e[method].map, np.load(written / f"{method}.npy"))
        assert np.array_equal(e[method].raw, np.load(written / f"{method}.raw.npy"))
    record = json.loads((written / "explanation.json").read_text())
    for of in (record, own := dict(e.record)):
        # Paths, and the checksum for reruns of the command.
        for name in ("files", "seconds", "request"):
            of.pop(name, None)
        for method in of["methods"]:
            method.pop("seconds")
            for array in method["arrays"]:
                array.pop("file", None)
    for of in (own, record):
        for name in ("file", "bytes", "modified"):
            of["image"].pop(name, None)
    assert own == record


def test_an_explanation_saves_the_same_files_as_the_command(model, coffee, tmp_path):
    files = model.explain(coffee, "grad-cam").save(tmp_path / "out")
    assert sorted(file.name for file in files) == sorted(
        [
            "explanation.json",
            "figure.png",
            "grad-cam.npy",
            "grad-cam.overlay.png",
            "grad-cam.png",
            "grad-cam.raw.npy",
            "input.png",
        ]
    )
    assert all(file.stat().st_size for file in files)


def test_pictures_may_be_files_bytes_images_and_arrays(model, coffee):
    image = pytest.importorskip("PIL.Image").open(coffee)
    pixels = np.asarray(image.convert("RGB"))
    maps = [model.explain(one, "gradient").map for one in (coffee, str(coffee), coffee.read_bytes(), image, pixels)]
    for one in maps[1:]:
        assert np.array_equal(one, maps[0])


def test_a_grey_array_is_a_grey_picture(model, noise):
    grey = np.ascontiguousarray(noise[:, :, 0])
    three = np.repeat(grey[:, :, None], 3, axis=2)
    assert np.array_equal(model.explain(grey, "gradient").map, model.explain(three, "gradient").map)


def test_a_tensor_is_a_prepared_input(model, coffee):
    torch = pytest.importorskip("torch")
    prepared = np.random.default_rng(0).standard_normal((3, 224, 224)).astype(np.float32)
    of_array = model.explain(prepared, "gradient", 7)
    of_tensor = model.explain(torch.from_numpy(prepared), "gradient", 7)
    assert np.array_equal(of_array.map, of_tensor.map)
    assert np.allclose(of_array.logits, model(prepared[None])[0], atol=1e-4)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((8, 8, 3), np.float32), "prepared"),
        (np.zeros((8, 8, 3), np.uint16), "uint16"),
        (np.zeros((8, 8, 4), np.uint8), "(rows, columns, 3)"),
        (np.zeros((0, 8, 3), np.uint8), "no pixels"),
        (np.full((3, 8, 8), np.nan, np.float32), "NaN"),
        (np.zeros((1, 8, 8), np.float32), "(3, rows, columns)"),
    ],
)
def test_an_ambiguous_array_is_an_error(model, array, words):
    with pytest.raises(ValueError, match="(?i)" + __import__("re").escape(words)):
        model.explain(array, "gradient")


def test_a_batch_gives_a_list(model, coffee, noise):
    found = model.explain([coffee, noise], "gradient")
    assert [e.map.shape for e in found] == [(224, 224)] * 2
    assert np.array_equal(found[1].map, model.explain(noise, "gradient").map)


def test_several_classes_give_several_explanations(model, coffee):
    found = model.explain(coffee, "gradient", ["espresso", 504, None])
    assert [e.class_index for e in found] == [967, 504]
    one = model.explain(coffee, "gradient", "cup", against="espresso")
    assert one.title == "cup against espresso"


def test_classes_are_found_by_index_even_if_their_names_are_numbers(noise):
    names = [str(999 - index) for index in range(1000)]
    numbered = dvm.load("squeezenet1_1", classes=names)
    assert numbered.explain(noise, "gradient", 5).class_index == 5
    assert numbered.explain(noise, "gradient", "5").class_index == 994


def test_checks_of_a_map_are_returned(model, coffee):
    e = dvm.check(model, coffee, "grad-cam", metrics=["sparseness", "complexity"])
    assert [check.name for check in e.first.checks] == ["sparseness", "complexity"]
    assert all(np.isfinite(check.value) for check in e.first.checks)


def test_pictures_of_an_explanation_equal_the_saved_ones(model, coffee, tmp_path):
    image = pytest.importorskip("PIL.Image")
    e = model.explain(coffee, "occlusion", window=60, stride=40)
    e.save(tmp_path / "out")

    def saved(name: str) -> np.ndarray:
        return np.asarray(image.open(tmp_path / "out" / name).convert("RGB"))

    assert np.array_equal(np.asarray(e.figure()), saved("figure.png"))
    assert np.array_equal(np.asarray(e.overlay()), saved("occlusion.overlay.png"))
    assert np.array_equal(e.first.picture_array(), saved("occlusion.png"))
    assert np.array_equal(e.crop, saved("input.png"))
    assert e.figure_file("svg").startswith(b"<svg") or b"<svg" in e.figure_file("svg")[:200]


def test_a_notebook_shows_an_explanation_as_its_figure(model, coffee):
    e = model.explain(coffee, "grad-cam")
    assert e._repr_png_().startswith(b"\x89PNG")
    page = e._repr_html_()
    assert "data:image/png;base64," in page and 'alt="' in page


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (lambda m, c: m.explain("missing.png"), FileNotFoundError, "missing.png"),
        (lambda m, c: m.explain(b"no picture"), dvm.PictureError, "not in a supported picture format"),
        (lambda m, c: m.explain(c, "grad-cm"), dvm.UsageError, "did you mean"),
        (lambda m, c: m.explain(c, "gradient", "expresso"), dvm.UsageError, "espresso"),
        (lambda m, c: m.explain(c, "gradient", 1000), dvm.UsageError, "0 to 999"),
        (lambda m, c: m.explain(c, "gradient", -1), TypeError, "-1"),
        (lambda m, c: m.explain(c, "occlusion", windw=3), dvm.UsageError, "windw"),
        (lambda m, c: m.explain(c, "occlusion", window="x"), dvm.UsageError, "window"),
        (lambda m, c: m.explain(c, "attention-rollout"), dvm.MethodError, "attention"),
        (lambda m, c: m.explain(c, "grad-cam", layer="nothing"), dvm.MethodError, "nothing"),
        (lambda m, c: m.explain(3.5), TypeError, "float"),
        (lambda m, c: dvm.load("no such network"), dvm.UsageError, "no such network"),
        (lambda m, c: dvm.load(c), dvm.ModelError, "coffee"),
        (lambda m, c: dvm.load("vgg16"), dvm.ModelError, "vgg16"),
        (lambda m, c: dvm.load("squeezenet1_1", output="number"), dvm.UsageError, "output"),
    ],
)
def test_errors_have_the_right_type_and_message(model, coffee, act, kind, words):
    with pytest.raises(kind, match="(?i)" + __import__("re").escape(words)):
        act(model, coffee)


def test_no_error_names_a_flag_of_the_command(model, coffee):
    with pytest.raises(dvm.Error) as error:
        model.explain(coffee, "occlusion", stride=0)
    assert "--" not in str(error.value)


def test_a_folder_with_other_files_is_not_replaced(model, coffee, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(dvm.SaveError, match=r"mine\.txt"):
        model.explain(coffee, "gradient").save(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_assumptions_give_warnings_until_they_are_settled(tmp_path):
    file = dvm.convert("squeezenet1_1", tmp_path / "bare.onnx")
    onnx = pytest.importorskip("onnx")
    bare = onnx.load(file)
    del bare.metadata_props[:]
    onnx.save(bare, file)
    with pytest.warns(dvm.AssumptionWarning):
        dvm.load(file)
    said = {
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "crop": [224, 224],
        "resize": "none",
        "interpolation": "bilinear",
        "channels": "rgb",
    }
    names = [f"class {index}" for index in range(1000)]
    with __import__("warnings").catch_warnings():
        __import__("warnings").simplefilter("error", dvm.AssumptionWarning)
        settled = dvm.load(file, preprocess=said, output="logits", classes=names)
    assert settled.preprocess["mean"] == [0.5] * 3


def test_progress_is_reported(model, coffee):
    heard = []
    model.explain(coffee, "occlusion", window=30, stride=8, progress=lambda *step: heard.append(step))
    assert heard and heard[-1][0] == "occlusion"
    assert all(done <= total for _, done, total in heard)


def test_an_exception_in_progress_stops_the_work_and_the_next_one_is_complete(model, coffee):
    class Enough(Exception):
        pass

    def stop(*_):
        raise Enough

    with pytest.raises(Enough):
        model.explain(coffee, "rise", settings={"rise.masks": 4000}, progress=stop)
    assert np.isfinite(model.explain(coffee, "gradient").map).all()


def test_ctrl_c_stops_long_work(coffee):
    script = f"""
import dvm, sys, time
model = dvm.load("squeezenet1_1")
print("ready", flush=True)
began = time.monotonic()
try:
    model.explain({str(coffee)!r}, "rise", settings={{"rise.masks": 100000}}, progress=False)
except KeyboardInterrupt:
    print("stopped", flush=True)
    print(model.explain({str(coffee)!r}, "gradient").class_name)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, _ = process.communicate(timeout=60)
    assert out.splitlines() == ["stopped", "espresso"]
    assert time.monotonic() - began < 20


def test_other_python_threads_run_during_the_work(model, coffee):
    steps = 0
    done = threading.Event()

    def count() -> None:
        nonlocal steps
        while not done.is_set():
            steps += 1
            time.sleep(0.002)

    counter = threading.Thread(target=count)
    counter.start()
    began = time.monotonic()
    model.explain(coffee, "rise", settings={"rise.masks": 300})
    took = time.monotonic() - began
    done.set()
    counter.join()
    # If the interpreter were blocked, it would count only once or twice.
    assert steps > took * 50


def test_two_threads_may_explain_at_once(model, coffee, noise):
    expected = [model.explain(one, "gradient").map for one in (coffee, noise)]
    found = {}
    threads = [
        threading.Thread(target=lambda place=place, one=one: found.update({place: model.explain(one, "gradient").map}))
        for place, one in enumerate((coffee, noise))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in (0, 1):
        assert np.array_equal(found[place], expected[place])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only on systems with fork")
def test_a_forked_process_raises_an_error_and_does_not_hang(coffee):
    script = f"""
import os, dvm
model = dvm.load("squeezenet1_1")
model.explain({str(coffee)!r}, "gradient")
child = os.fork()
if child == 0:
    try:
        model.explain({str(coffee)!r}, "gradient")
    except RuntimeError as error:
        print("spawn" in str(error), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "True\n", done.stderr


def test_memory_does_not_grow(model, noise):
    resource = pytest.importorskip("psutil").Process()
    picture = np.random.default_rng(0).standard_normal((3, 64, 64)).astype(np.float32)

    def explain(times: int) -> int:
        for _ in range(times):
            e = model.explain(picture, "grad-cam", 3)
            e.map, e.raw, e.record
        return resource.memory_info().rss

    before = explain(100)
    after = explain(300)
    # 64 × 64 × 4 bytes for each map kept would be 5 MB.
    assert after - before < 3_000_000


def test_a_model_can_be_pickled(model, noise, tmp_path):
    import pickle

    file = dvm.convert(model, tmp_path / "network.safetensors")
    mine = dvm.load(file, classes=[f"kind {index}" for index in range(1000)])
    packed = pickle.dumps(mine)
    file.unlink()
    again = pickle.loads(packed)
    assert again.classes[3] == "kind 3"
    assert np.array_equal(again.explain(noise, "gradient").map, mine.explain(noise, "gradient").map)


def test_the_lists_contain_methods_metrics_and_models():
    assert "grad-cam" in dvm.methods() and "deletion" in dvm.metrics()
    assert dvm.models()["squeezenet1_1"] is True
    window = next(option for option in dvm.methods()["occlusion"]["options"] if option["name"] == "window")
    assert window["default"] == "20"


def test_without_pillow_figures_are_arrays(coffee):
    script = f"""
import sys
sys.modules["PIL"] = None
import dvm
e = dvm.load("squeezenet1_1").explain({str(coffee)!r}, "gradient")
print(e.figure_array().shape[2], e._repr_png_()[:4] == bytes([137, 80, 78, 71]))
try:
    e.figure()
except ImportError as error:
    print("pip install pillow" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "3 True\nTrue\n", done.stderr


def test_the_command_is_in_the_wheel():
    command = Path(sys.executable).parent / "dvm"
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == f"dvm {dvm.__version__}"
    wrong = subprocess.run([command, "explain", "--no-such-flag"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "--no-such-flag" in wrong.stderr


def test_the_command_starts_without_numpy():
    script = "import sys, dvm.__main__; from dvm import _dvm; print('numpy' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_a_picture_from_memory_has_a_record_without_a_file(model):
    buffer = io.BytesIO()
    pytest.importorskip("PIL.Image").new("RGB", (50, 40), (200, 30, 30)).save(buffer, "PNG")
    record = model.explain(buffer.getvalue(), "gradient").record
    assert record["image"]["file"] == "bytes" and len(record["image"]["sha256"]) == 64
