"""Writes crates/dvm-engine/tests/references/weights: tiny files of weights in every format.

All values are computed by `ramp`, which crates/dvm-engine/tests/weights repeats, so the tests compare exact
values. No file contains random numbers. The container of PyTorch before 0.1.10 (tar) is made by hand, because
current versions do not write it. The legacy format and TorchScript contain memory addresses, so the bytes of those
files differ from run to run; their values do not.
"""

import argparse
import collections
import io
import os
import pickle
import struct
import tarfile
import tempfile
from collections import OrderedDict
from unittest import mock

import numpy
import torch
from safetensors.torch import save
from torch import nn

import store

FOLDER = store.destination("dvm-engine", "weights")


def ramp(shape, start: float, step: float, dtype=torch.float32) -> torch.Tensor:
    """start, start + step, start + 2 step, ... in row-major order."""
    count = torch.Size(shape).numel()
    return (start + step * torch.arange(count, dtype=torch.float64)).reshape(shape).to(dtype)


def tiny() -> OrderedDict:
    """The state dict that most files hold."""
    return OrderedDict(
        [
            ("conv.weight", ramp([2, 3, 2, 2], -1.0, 0.125)),
            ("bn.running_mean", ramp([2], 0.5, 1.0)),
            ("bn.num_batches_tracked", torch.tensor(7)),
            ("fc.weight", ramp([3, 2], 2.0, -0.25)),
            ("fc.bias", ramp([3], -0.5, 0.5)),
        ]
    )


def prefixed(prefix: str) -> OrderedDict:
    return OrderedDict((prefix + name, value) for name, value in tiny().items())


def views() -> OrderedDict:
    """Tensors whose elements do not lie in the order of their indices."""
    base = ramp([4, 6], 0.0, 1.0)
    return OrderedDict(
        [
            ("transposed", base.t()),
            ("sliced", base[1:3, 2:5]),
            ("stepped", ramp([10], 0.0, 1.0)[1::3]),
            ("expanded", ramp([3, 1], 1.0, 1.0).expand(3, 4)),
            ("channels_last", ramp([2, 3, 2, 2], 0.0, 1.0).to(memory_format=torch.channels_last)),
            ("permuted", ramp([2, 3, 4], 0.0, 1.0).permute(2, 0, 1)),
            ("empty", torch.zeros(0, 3)),
            ("scalar", torch.tensor(2.5)),
        ]
    )


def types() -> OrderedDict:
    floats = ["float16", "bfloat16", "float32", "float64"]
    integers = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
    tensors = OrderedDict()
    for name in floats:
        tensors[name] = ramp([3], -0.5, 0.75, getattr(torch, name))
    for name in integers:
        start = 1.0 if name.startswith("u") else -1.0
        tensors[name] = ramp([3], start, 20.0, getattr(torch, name))
    tensors["bool"] = torch.tensor([True, False, True])
    return tensors


def module() -> nn.Module:
    model = nn.Sequential(
        OrderedDict(
            [
                ("conv", nn.Conv2d(3, 2, 2, bias=False)),
                ("bn", nn.BatchNorm2d(2, affine=False)),
                ("relu", nn.ReLU()),
                ("fc", nn.Linear(2, 3)),
            ]
        )
    )
    state = tiny()
    state["bn.running_var"] = ramp([2], 1.0, 1.0)
    model.load_state_dict(state)
    return model


def saved(content, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def saved_tar() -> bytes:
    """What PyTorch before 0.1.10 wrote; read back by torch.load below."""
    storages, tensors = [], []
    state = tiny()
    del state["bn.num_batches_tracked"]
    persistent = {}
    for key, (name, value) in enumerate(state.items(), start=1):
        if name == "fc.bias":
            # A view of a part of another storage, by its own key.
            padded = torch.cat([ramp([2], 9.0, 0.0), value])
            storages.append((100 + key, padded))
            shared = [(200 + key, 100 + key, 2, 3)]
            tensors.append((key, 200 + key, value))
        else:
            storages.append((100 + key, value.flatten()))
            tensors.append((key, 100 + key, value))
        persistent[id(value)] = str(key)

    def described(first: int, second: bytes, kind: str) -> bytes:
        fields = b"M" + struct.pack("<H", first) + second + f"ctorch\n{kind}\n".encode()
        return b"\x80\x02" + fields + b"\x87."

    storages_entry = pickle.dumps(len(storages), 2)
    for key, values in storages:
        storages_entry += described(key, b"X\x03\x00\x00\x00cpu", "FloatStorage")
        storages_entry += struct.pack("<q", values.numel()) + values.numpy().tobytes()
    storages_entry += pickle.dumps(shared, 2)

    tensors_entry = pickle.dumps(len(tensors), 2)
    for key, storage, value in tensors:
        storage_key = b"M" + struct.pack("<H", storage)
        tensors_entry += described(key, storage_key, "FloatTensor")
        tensors_entry += struct.pack("<ii", value.dim(), 0)
        tensors_entry += struct.pack(f"<{value.dim()}q", *value.shape)
        tensors_entry += struct.pack(f"<{value.dim()}q", *value.stride())
        tensors_entry += struct.pack("<q", 0)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return persistent.get(id(value))

    object_entry = io.BytesIO()
    Pickler(object_entry, 2).dump(state)
    system = {"protocol_version": 1000, "little_endian": True, "type_sizes": {"int": 4}}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        for name, content in [
            ("sys_info", pickle.dumps(system, 2)),
            ("pickle", object_entry.getvalue()),
            ("tensors", tensors_entry),
            ("storages", storages_entry),
        ]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    content = buffer.getvalue().rstrip(b"\0")
    content += bytes(-len(content) % 512 + 1024)
    with tempfile.NamedTemporaryFile() as file:  # The old format is read from real files only.
        file.write(content)
        file.flush()
        loaded = torch.load(file.name, weights_only=False)
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    return content


def saved_with_source(model: nn.Module) -> bytes:
    """A whole module as saved before 1.6, with a short source in place of PyTorch's own."""
    source = (["class Linear(Module):\n", "    pass\n"], 1, "linear.py")
    with mock.patch("torch.serialization.get_source_lines_and_file", lambda _: source):
        return saved(model, _use_new_zipfile_serialization=False)


class Average:
    """A moving average as training scripts keep it: an object that holds a module."""

    def __init__(self) -> None:
        self.decay = 0.999
        self.module = nn.Module()
        self.module.conv = nn.Module()
        self.module.conv.weight = nn.Parameter(ramp([2], 5.0, 1.0))
        self.decay_of = {"conv.weight": torch.tensor(0.5)}
        self.itself = self


def saved_as(name: str, content) -> bytes:
    """Saved under this name, which the archive in the file gets, too."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        torch.save(content, path)
        with open(path, "rb") as file:
            return file.read()


def training_state() -> dict:
    """What scripts save beside weights: numbers of NumPy, arguments, random states, objects."""
    return {
        "arch": "tiny",
        "args": argparse.Namespace(model="tiny_net", lr=0.1),
        "epoch": 3,
        "best": numpy.float64(0.75),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "history": collections.defaultdict(list, loss=[0.5, 0.25]),
        "model": OrderedDict([("conv.weight", ramp([2], 1.0, 1.0))]),
        "ema": Average(),
    }


class Attack:
    """Runs a shell command when it is unpickled by Python."""

    def __reduce__(self):
        return os.system, ("touch created-by-a-pickle",)


def safetensors(tensors, metadata=None) -> bytes:
    content = save({name: value.contiguous() for name, value in tensors.items()}, metadata)
    return store.with_sorted_metadata(content) if metadata else content


def quantised() -> OrderedDict:
    weight = torch.quantize_per_tensor(ramp([4], 0.0, 1.0), 0.5, 0, torch.qint8)
    return OrderedDict([("conv.weight", ramp([2], 0.0, 1.0)), ("fc.weight", weight)])


def main() -> None:
    legacy = {"_use_new_zipfile_serialization": False}
    imaginary = OrderedDict(
        [("conv.weight", ramp([2], 0.0, 1.0)), ("fc.weight", torch.tensor([1 + 2j]))]
    )
    optimiser = {
        "state": {0: {"step": torch.tensor(3.0), "exp_avg": ramp([2, 3, 2, 2], 0.0, 1.0)}},
        "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999), "params": [0]}],
    }
    files = {
        "zip.pth": saved(tiny()),
        "protocol_4.pth": saved(tiny(), pickle_protocol=4),
        "legacy.pth": saved(tiny(), **legacy),
        "tar.pth": saved_tar(),
        "views_zip.pth": saved(views()),
        "views_legacy.pth": saved(views(), **legacy),
        "types.pth": saved(types()),
        "types.safetensors": safetensors(types()),
        "metadata.safetensors": safetensors(tiny(), {"classes": "cat,dog,newt", "epoch": "3"}),
        "state_dict.pth": saved({"epoch": 3, "arch": "tiny", "state_dict": prefixed("module.")}),
        "model_and_optimiser.pth": saved(
            {"model": tiny(), "optimizer": optimiser, "epoch": 3, "lr_scheduler": {"gamma": 0.1}}
        ),
        "parameters.pth": saved(
            OrderedDict(
                (name, nn.Parameter(value, requires_grad=value.is_floating_point()))
                for name, value in tiny().items()
            )
        ),
        "data_parallel.pth": saved(nn.DataParallel(module()).state_dict()),
        "module_zip.pth": saved(module()),
        "module_legacy.pth": saved_with_source(module().fc),
        "torchscript.pt": torch.jit.script(nn.Linear(2, 3)).save_to_buffer(),
        "complex.pth": saved(imaginary),
        "complex.safetensors": safetensors(imaginary),
        "quantised.pth": saved(quantised()),
        "best_model_checkpoint.pth": saved_as("best_model_checkpoint.pth", tiny()),
        "training_state.pth": saved(training_state()),
        "no_tensor.pth": saved({"epoch": 3}),
        "lone_tensor.pth": saved(ramp([2], 0.0, 1.0)),
        "attack_zip.pth": saved({"conv.weight": ramp([2], 0.0, 1.0), "extra": Attack()}),
        "attack_legacy.pth": saved(Attack(), **legacy),
        "attack_pickle.pkl": pickle.dumps(Attack()),
    }
    FOLDER.mkdir(exist_ok=True)
    for name, content in files.items():
        store.replace(FOLDER / name, content)
    store.save_json(
        FOLDER / "versions.json",
        {"script": "references/weights.py", **store.versions(["torch", "safetensors"])},
    )


if __name__ == "__main__":
    main()
