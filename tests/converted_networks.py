"""Compares `dvm models convert` with PyTorch, ONNX Runtime and onnx's checker, network by network.

    python converted_networks.py path/to/dvm [--only NAME …] [--ops FOLDER] [--jobs N]

For every network of `dvm models list`, the same network of torchvision or timm gets random weights and is saved as
a state dict. `dvm models convert` makes an ONNX file and a safetensors file of
it and a state dict of each of these. Then

- onnx's checker accepts the ONNX file, with shapes inferred;
- ONNX Runtime (one picture and two), PyTorch in f64 and `dvm classify` on each of the files agree
  to 1e-4 of the largest logit, and `dvm classify` gives the same digits for all of them;
- both state dicts and the safetensors file load into PyTorch's module with `strict=True`, with the
  saved numbers; classes and preprocessing are kept.

`--ops` compares the files of `cargo run -p dvm-onnx --example exported_ops FOLDER` with ONNX Runtime.
Needs torch, torchvision, timm, onnx, onnxruntime, safetensors, numpy and pillow.
"""

import argparse
import concurrent.futures
import json
import math
import multiprocessing
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import timm
import torch
import torchvision
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

TOLERANCE = 1e-4
CLASSES = 7
PREPARED = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
# Names of timm's, where torchvision does not have the network.
TIMM = {f"efficientnet_lite{i}": f"tf_efficientnet_lite{i}" for i in range(5)}


def run(*command) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def built(name: str) -> torch.nn.Module:
    """The network of another library, with heads that only training has where it has them."""
    if name in torchvision.models.list_models(module=torchvision.models):
        more = {}
        if name in ("inception_v3", "googlenet"):
            more = {"init_weights": False, "aux_logits": True}
        network = torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **more)
        if name == "inception_v3":
            network.transform_input = True
        if name == "googlenet":
            network.transform_input = True
        return network
    return timm.create_model(TIMM.get(name, name), pretrained=False, num_classes=CLASSES)


def pictures(size, count: int, seed: int) -> np.ndarray:
    """`[count, H, W, 3]` bytes: coarse patterns with some noise. Of noise alone, deep networks make
    means that hardly differ from picture to picture, and batch-norms whose statistics are of such
    pictures blow rounding up to anything."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 6, 6, 3), np.uint8)
    enlarged = [Image.fromarray(one).resize(size[::-1], Image.Resampling.BICUBIC) for one in coarse]
    noise = random.normal(0, 12, (count, *size, 3))
    return np.clip(np.stack(enlarged) + noise, 0, 255).astype(np.uint8)


def prepared(bytes_: np.ndarray) -> torch.Tensor:
    """`[N, 3, H, W]` floats as the network sees them."""
    values = bytes_.transpose(0, 3, 1, 2).astype(np.float32) / 255
    mean, std = (np.float32(PREPARED[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    return torch.from_numpy(np.ascontiguousarray((values - mean) / std))


def weighted(name: str, size) -> torch.nn.Module:
    """The network with random weights that keep the size of a signal, and statistics of its own."""
    seen = prepared(pictures(size, 6, 1))
    torch.manual_seed(0)
    network = built(name)
    with torch.no_grad():
        for key, value in network.named_parameters():
            if value.ndim in (2, 4):
                fan_in = math.prod(value.shape[1:])
                value.normal_(0, math.sqrt(1.6 / fan_in))
            elif key.endswith("bias"):
                value.normal_(0, 0.1)
            elif value.ndim == 1 or value.shape[1:] == (1, 1):
                value.uniform_(0.5, 1.5)
            else:
                value.normal_(0, 0.1)
        norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        if norms:
            kept = [norm.momentum for norm in norms]
            for norm in norms:
                norm.momentum = None
                norm.reset_running_stats()
            network.train()
            for module in network.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.eval()
            network(seen)
            for norm, momentum in zip(norms, kept):
                norm.momentum = momentum
        network.eval()
        # Logits of a few units: of larger ones most probabilities are 0.
        largest = network(seen[:2]).abs().max()
        layers = [m for m in network.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
        ends = [m for m in layers if m.weight.shape[0] == CLASSES]
        ends[-1].weight *= 3 / largest
        ends[-1].bias *= 3 / largest
    return network


def close(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference beside the largest number."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape, f"{found.shape} instead of {expected.shape}"
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert error <= TOLERANCE, f"off by {error:.1e} of the largest"
    return float(error)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, np.float64)
    largest = logits.max(-1, keepdims=True)
    return logits - largest - np.log(np.exp(logits - largest).sum(-1, keepdims=True))


def same_numbers(found: dict, expected: dict) -> None:
    for key, value in expected.items():
        if value.is_floating_point():
            assert torch.equal(found[key], value), f"{key} has other numbers"
        elif "num_batches_tracked" not in key:
            assert torch.equal(found[key], value), f"{key} has other numbers"


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Converted:
    """One network on its way through all formats, in a folder of its own."""

    def __init__(self, dvm: Path, name: str, folder: Path):
        self.dvm, self.name, self.folder = dvm, name, folder
        shown = json.loads(run(dvm, "models", "show", name, "--json"))
        crop = shown["preprocess"]["crop"]
        self.size = tuple(crop)
        self.classes = [f"class of {name} no. {index}" for index in range(CLASSES)]
        (folder / "names.txt").write_text("\n".join(self.classes) + "\n")
        preprocess = {"resize": "none", "crop": list(self.size), **PREPARED}
        (folder / "prepare.json").write_text(json.dumps(preprocess))
        two = pictures(self.size, 2, 0)
        Image.fromarray(two[0]).save(folder / "picture.png")
        self.input = prepared(two)

    def convert(self, source: str, target: str, *more) -> None:
        run(self.dvm, "models", "convert", self.folder / source, self.folder / target, *more)

    def done_with(self, *files: str) -> None:
        """Large networks would fill the disk many times over."""
        for file in files:
            (self.folder / file).unlink()

    def classified(self, file: str) -> np.ndarray:
        """Logarithms of what `dvm classify` gives each class."""
        answer = run(
            self.dvm, "classify", self.folder / "picture.png", "--model", self.folder / file,
            "--top", CLASSES, "--json",
        )  # fmt: skip
        top = json.loads(answer)[0]["top"]
        assert {entry["name"] for entry in top} == set(self.classes), f"{file}: other classes"
        probabilities = np.zeros(CLASSES)
        for entry in top:
            probabilities[entry["index"]] = entry["probability"]
        return np.log(probabilities)

    def check(self) -> str:
        network = weighted(self.name, self.size)
        with torch.no_grad():
            self.state = {key: value.clone() for key, value in network.state_dict().items()}
            self.expected = network.double()(self.input.double()).numpy()
        self.answers, self.errors = {}, []
        torch.save(self.state, self.folder / "first.pth")
        given = ("--classes", self.folder / "names.txt", "--preprocess", self.folder / "prepare.json")
        self.convert("first.pth", "out.onnx", "--model", self.name, *given)
        self.convert("first.pth", "out.safetensors", "--model", self.name, *given)
        self.done_with("first.pth")

        self.runs_elsewhere("out.onnx")
        self.back_from("out.onnx")
        self.done_with("out.onnx")

        self.answer("out.safetensors")
        self.convert("out.safetensors", "second.pth")
        self.strict(load_file(self.folder / "out.safetensors"), self.state)
        self.done_with("out.safetensors")
        self.answer("second.pth")
        self.convert("second.pth", "again.safetensors")
        self.strict(torch.load(self.folder / "second.pth", weights_only=True), self.state)
        self.done_with("second.pth")
        self.answer("again.safetensors")
        with safe_open(self.folder / "again.safetensors", "pt") as file:
            facts = file.metadata()
        assert json.loads(facts["dvm.classes"]) == self.classes
        assert json.loads(facts["dvm.preprocess"])["crop"] == list(self.size)

        first = next(iter(self.answers.values()))
        for file, answer in self.answers.items():
            assert np.array_equal(answer, first), f"{file} answers with other digits"
        return f"off by {max(self.errors):.1e} at most"

    def answer(self, file: str) -> None:
        """What `dvm` says beside PyTorch."""
        answer = self.classified(file)
        error = np.abs(answer - log_softmax(self.expected)[0]).max()
        error = float(error / np.abs(self.expected[0]).max())
        assert error <= TOLERANCE, f"{file}: off by {error:.1e} of the largest"
        self.errors.append(error)
        self.answers[file] = answer

    def strict(self, found: dict, state: dict) -> None:
        """Tensors that PyTorch's own module takes, every one of them."""
        built(self.name).load_state_dict(found, strict=True)
        same_numbers(found, state)

    def runs_elsewhere(self, file: str) -> None:
        """The ONNX file before onnx's checker and in ONNX Runtime."""
        path = self.folder / file
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        facts = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(facts["dvm.classes"]) == self.classes
        assert json.loads(facts["dvm.preprocess"])["crop"] == list(self.size)
        assert facts["dvm.architecture"] == self.name
        strangers = {initializer.name for initializer in model.graph.initializer} - set(self.state)
        assert not strangers, f"initialisers {sorted(strangers)[:3]}"
        del model
        opened = session(path)
        for count in (1, 2):
            found = opened.run(["logits"], {"input": self.input[:count].numpy()})[0]
            self.errors.append(close(found, self.expected[:count]))

    def back_from(self, file: str) -> None:
        """The way back from the ONNX file, as the architecture that it says to hold."""
        self.answer(file)
        self.convert(file, "from_onnx.safetensors")
        with safe_open(self.folder / "from_onnx.safetensors", "pt") as opened:
            assert opened.metadata().get("dvm.architecture") == self.name
        self.answer("from_onnx.safetensors")
        self.done_with("from_onnx.safetensors")
        self.convert(file, "from_onnx.pth")
        self.answer("from_onnx.pth")
        found = torch.load(self.folder / "from_onnx.pth", weights_only=True)
        # Heads that only training has are in no ONNX file.
        same_numbers(found, {key: self.state[key] for key in found})
        self.done_with("from_onnx.pth")


def ops(folder: Path) -> list[bool]:
    """Which cases of the exporter's tests pass in ONNX Runtime."""
    passed = []
    files = sorted(folder.glob("*.onnx"))
    assert files, f"no .onnx file in {folder}"
    for file in files:
        try:
            onnx.checker.check_model(onnx.load(file), full_check=True)
            case = load_file(file.with_suffix(".safetensors"))
            found = session(file).run(["logits"], {"input": case["input"].numpy()})[0]
            error = close(found, case["logits"].numpy())
            passed.append(True)
            print(f"{file.stem}: off by {error:.1e}", flush=True)
        except Exception as problem:
            passed.append(False)
            print(f"{file.stem}: FAILED: {problem}", flush=True)
    return passed


def network(dvm: Path, name: str) -> tuple[bool, str]:
    """Whether a network passed, and what is to be said of it."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        try:
            return True, Converted(dvm, name, Path(folder)).check()
        except Exception:
            return False, f"FAILED: {traceback.format_exc()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dvm", type=Path, help="the program")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks")
    parser.add_argument("--ops", type=Path, metavar="FOLDER", help="compare these cases as well")
    parser.add_argument("--no-networks", action="store_true", help="the cases alone")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="this many networks at a time")
    arguments = parser.parse_args()
    passed = ops(arguments.ops) if arguments.ops else []
    names = []
    if not arguments.no_networks:
        listed = json.loads(run(arguments.dvm, "models", "list", "--json"))
        names = arguments.only or [entry["name"] for entry in listed]
    workers = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs, mp_context=workers) as pool:
        checks = [pool.submit(network, arguments.dvm.resolve(), name) for name in names]
        for name, check in zip(names, checks):
            fine, said = check.result()
            passed.append(fine)
            print(f"{name}: {said}", flush=True)
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return 0 if passed and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
