"""Compares every architecture with PyTorch (error of the logits) and ONNX Runtime (seconds).

    python benches/peers/architectures.py prepare FOLDER [--dvm PATH] [--only NAME,…]
    python benches/peers/architectures.py time FOLDER [--dvm PATH] [--only NAME,…] [--rounds 2]

`prepare` builds each network with torchvision or timm and seeded weights, computes the logits of one picture of
noise with `dvm` and with PyTorch in f64, and exports it into FOLDER; other work on the machine does not matter.
`time` then measures batches of 1 and 16, `dvm` and ONNX Runtime in turns, each in its own process. Every row is
saved to `architectures.json` at once; at the end the table of docs/benchmarks.md is written.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tables

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).resolve().parent / "architectures.json"
BEGIN, END = "<!-- architectures -->", "<!-- /architectures -->"
BATCHES = (1, 16)
SEED = 0
# Multiply-adds that one round of one contestant should make, so that small networks run more often.
WORTH = 5e10
# Networks whose signal drowns in their many gates or branches unless the statistics are those of the signal.
# (The residual sums of others would rather make much of every rounding then, PyTorch's own included.)
BRANCHED = ("efficientnet", "googlenet", "inception")
# What timm calls networks that have another name here.
TIMM = {f"efficientnet_lite{i}": f"tf_efficientnet_lite{i}" for i in range(5)}


def reported(command):
    """The JSON that a command prints."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def network(name, size):
    """The network in evaluation mode, filled so that a signal comes through: Kaiming's weights, factors near
    one, statistics that are not trivial."""
    import timm
    import torch
    import torchvision

    torch.manual_seed(SEED)
    if name in torchvision.models.list_models(module=torchvision.models):
        net = torchvision.models.get_model(name, weights=None, **heads(name))
    else:
        net = timm.create_model(TIMM.get(name, name), pretrained=False, num_classes=1000)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                torch.nn.init.kaiming_normal_(module.weight)
        norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.weight.uniform_(0.8, 1.2)
            norm.bias.uniform_(-0.1, 0.1)
            norm.running_mean.uniform_(-0.1, 0.1)
            norm.running_var.uniform_(0.8, 1.2)
        if norms and any(word in name for word in BRANCHED):
            momenta = [norm.momentum for norm in norms]
            for norm in norms:
                norm.momentum = 1.0
            net.eval()
            for norm in norms:
                norm.train()
            net(torch.rand(2, 3, *size) * 2 - 1)
            for norm, momentum in zip(norms, momenta):
                norm.momentum = momentum
    return net.eval()


def heads(name):
    """Published files of these carry the heads that only training has."""
    if name in ("inception_v3", "googlenet"):
        return {"aux_logits": True, "transform_input": True, "init_weights": False}
    return {}


def error(dvm, name, net, size, folder):
    """The largest difference of `dvm`'s logits from PyTorch's in f64, relative to the largest logit, for a
    picture of noise at the network's own size."""
    import numpy as np
    import torch
    from PIL import Image

    weights, picture, preparation = (folder / f for f in ("weights.pth", "noise.png", "preprocess.json"))
    torch.save(net.state_dict(), weights)
    height, width = size
    pixels = np.random.default_rng(SEED).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(picture)
    half = {"resize": "none", "crop": [height, width], "mean": [0.5] * 3, "std": [0.5] * 3}
    preparation.write_text(json.dumps(half))
    said = reported(
        [dvm, "classify", picture, "--model", name, "--weights", weights]
        + ["--preprocess", preparation, "--json"]
    )
    logits = np.array(one(said)["logits"])
    x = (torch.from_numpy(pixels).double().permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
    with torch.inference_mode():
        expected = net.double()(x)[0].numpy()
    net.float()
    return float(np.abs(logits - expected).max() / np.abs(expected).max())


def one(said):
    """What was said of the only picture."""
    said = said["images"] if isinstance(said, dict) and "images" in said else said
    return said[0] if isinstance(said, list) else said


def prepare(dvm, model, folder):
    import torch

    name = model["name"]
    facts = reported([dvm, "models", "show", name, "--json"])
    size = tuple(facts["preprocess"]["crop"])
    net = network(name, size)
    with tempfile.TemporaryDirectory(dir=folder) as own:
        off = error(dvm, name, net, size, Path(own))
    path, part = folder / f"{name}.onnx", folder / f"{name}.part"
    if not path.exists():
        x = torch.randn(2, 3, *size)
        torch.onnx.export(
            net, (x,), str(part), input_names=["x"], dynamic_axes={"x": {0: "n"}}, dynamo=False, opset_version=17
        )  # fmt: skip
        os.replace(part, path)
    return {
        "parameters": facts["parameters"],
        "multiply_adds": facts["multiply_adds"],
        "size": size,
        "error": off,
    }


def runs(multiply_adds, batch):
    return max(3 if batch == 1 else 2, min(20, round(WORTH / multiply_adds / batch)))


def onnxruntime_seconds(path, size, multiply_adds):
    """Median seconds for each batch: in a process of its own."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    medians = {}
    for batch in BATCHES:
        feed = {"x": np.random.randn(batch, 3, *size).astype(np.float32)}
        session.run(None, feed)
        seconds = []
        for _ in range(runs(multiply_adds, batch)):
            start = time.perf_counter()
            session.run(None, feed)
            seconds.append(time.perf_counter() - start)
        medians[batch] = statistics.median(seconds)
    print(json.dumps(medians))


def timed(dvm, name, facts, folder, rounds):
    figures = {str(batch): {"dvm": [], "ONNX Runtime": []} for batch in BATCHES}
    for _ in range(rounds):
        for batch in BATCHES:
            command = [dvm, "bench", "forward", "--model", name, "--random-weights", "--json"]
            command += ["--batch", batch, "--runs", runs(facts["multiply_adds"], batch)]
            figures[str(batch)]["dvm"].append(reported(command)["seconds"]["median"])
        theirs = reported(
            [sys.executable, __file__, "onnxruntime", folder / f"{name}.onnx", "--facts", json.dumps(facts)]
        )
        for batch in BATCHES:
            figures[str(batch)]["ONNX Runtime"].append(theirs[str(batch)])
    return figures


def written(results):
    """The table, between its markers."""
    m = results["machine"]
    lines = [
        f"Machine: {m['processor']}, {m['cores']} cores. torch {m['packages']['torch']}, onnxruntime "
        f"{m['packages']['onnxruntime']}, {m['date']}, rounds: {m['rounds']}.",
        "",
        "| network | pixels | parameters | multiply-adds | error | batch 1 | ONNX Runtime | batch 16, each | ONNX Runtime |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    ratios = {str(batch): [] for batch in BATCHES}
    for name, facts in results["networks"].items():
        cells = [
            name,
            "×".join(map(str, facts["size"])),
            f"{facts['parameters'] / 1e6:.1f} M",
            f"{facts['multiply_adds'] / 1e9:.2f} G",
            f"{facts['error']:.1e}",
        ]
        for batch in map(str, BATCHES):
            figures = facts.get("seconds", {}).get(batch)
            if not figures:
                cells += ["–", "–"]
                continue
            per = 1e3 / int(batch)
            ratio = tables.ratio(figures["dvm"], figures["ONNX Runtime"])
            ratios[batch].append(ratio)
            cells.append(f"{statistics.median(figures['dvm']) * per:.1f} ms")
            cells.append(f"{statistics.median(figures['ONNX Runtime']) * per:.1f} ms (**{ratio:.2f}**)")
        lines.append("| " + " | ".join(cells) + " |")
    worst = max(results["networks"].items(), key=lambda item: item[1]["error"])
    lines += ["", f"{len(results['networks'])} networks; the largest error is {worst[1]['error']:.1e}, of {worst[0]}."]
    for batch, all_ratios in ratios.items():
        if all_ratios:
            faster = sum(ratio < 1 for ratio in all_ratios)
            lines.append(
                f"Batch {batch}: median ratio {statistics.median(all_ratios):.2f}, faster than ONNX Runtime on "
                f"{faster} of {len(all_ratios)}."
            )
    return "\n".join(lines)


def publish(results):
    page = tables.PAGE.read_text()
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    tables.replace(tables.PAGE, f"{before}{BEGIN}\n{written(results)}\n{END}{after}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=("prepare", "time", "table", "onnxruntime"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--dvm", type=Path, default=ROOT / "target" / "release" / "dvm")
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--facts", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step == "onnxruntime":
        facts = arguments.facts
        return onnxruntime_seconds(str(arguments.folder), facts["size"], facts["multiply_adds"])
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"networks": {}}
    results["machine"] = tables.machine(arguments.rounds)
    wanted = arguments.only.split(",") if arguments.only else None
    models = [m for m in reported([arguments.dvm, "models", "list", "--json"]) if not wanted or m["name"] in wanted]
    for model in models if arguments.step != "table" else []:
        name, known = model["name"], results["networks"]
        if arguments.step == "prepare":
            known[name] = prepare(arguments.dvm, model, arguments.folder)
        else:
            known[name]["seconds"] = timed(arguments.dvm, name, known[name], arguments.folder, arguments.rounds)
        print(name, known[name], file=sys.stderr, flush=True)
        tables.replace(RESULTS, json.dumps(results, indent=1) + "\n")
    publish(results)


if __name__ == "__main__":
    main()
