"""Measures one kind of work of one tool and prints JSON, as `dvm bench --json` does.

    python peer.py torch|onnxruntime|captum forward|guided-backprop|train|occlusion MODEL BATCH RUNS
"""

import json
import os
import resource
import statistics
import sys
import tempfile
import time

from networks import guided, network

CORES = os.cpu_count()
SIDE, WINDOW, STRIDE, TARGET = 224, 20, 10, 3
# Covered pictures per forward pass, of all who cover.
TOGETHER = 16


def torch_forward(net, batch):
    import torch

    x = torch.randn(batch, 3, SIDE, SIDE)

    def step():
        with torch.inference_mode():
            net(x)

    return step


def torch_guided(net, batch):
    import torch

    net = guided(net)
    x = torch.randn(batch, 3, SIDE, SIDE)

    def step():
        picture = x.clone().requires_grad_()
        net(picture)[:, TARGET].sum().backward()

    return step


def torch_train(net, batch):
    """A step of training: forward, cross-entropy, back to all parameters, Adam."""
    import torch

    net.train()
    x = torch.randn(batch, 3, SIDE, SIDE)
    labels = torch.randint(0, 1000, (batch,))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step():
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(x), labels).backward()
        optimiser.step()

    return step


def onnx_session(net, batch, **export):
    """The network in ONNX Runtime, on all cores."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        x = torch.randn(batch, 3, SIDE, SIDE)
        torch.onnx.export(net, (x,), path, input_names=["x"], dynamo=False, **export)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def onnxruntime_forward(net, batch):
    import numpy as np

    session = onnx_session(net, batch)
    feed = {"x": np.random.randn(batch, 3, SIDE, SIDE).astype(np.float32)}
    return lambda: session.run(None, feed)


def onnxruntime_occlusion(net, _batch):
    """Brute force: every window is a picture of its own, covered beforehand."""
    import numpy as np

    session = onnx_session(net, TOGETHER, dynamic_axes={"x": {0: "n"}})
    picture = np.random.randn(3, SIDE, SIDE).astype(np.float32)
    corners = range(0, STRIDE * (-(-(SIDE - WINDOW) // STRIDE) + 1), STRIDE)
    covered = []
    for top in corners:
        for left in corners:
            copy = picture.copy()
            copy[:, top : top + WINDOW, left : left + WINDOW] = 0
            covered.append(copy)
    assert len(covered) == 484
    batches = [np.stack(covered[i : i + TOGETHER]) for i in range(0, len(covered), TOGETHER)]
    del covered
    session.run(None, {"x": batches[0]})

    def step():
        for batch in batches:
            session.run(None, {"x": batch})[0][:, TARGET]

    return step


def captum_occlusion(net, batch):
    import torch
    from captum.attr import Occlusion

    method = Occlusion(net)
    x = torch.randn(batch, 3, SIDE, SIDE)
    with torch.inference_mode():
        net(x)

    def step():
        with torch.inference_mode():
            method.attribute(
                x,
                sliding_window_shapes=(3, WINDOW, WINDOW),
                strides=(3, STRIDE, STRIDE),
                target=TARGET,
                perturbations_per_eval=TOGETHER,
            )

    return step


WORK = {
    ("torch", "forward"): torch_forward,
    ("torch", "guided-backprop"): torch_guided,
    ("torch", "train"): torch_train,
    ("onnxruntime", "forward"): onnxruntime_forward,
    ("onnxruntime", "occlusion"): onnxruntime_occlusion,
    ("captum", "occlusion"): captum_occlusion,
}


def main(peer, work, model, batch, runs):
    import torch

    torch.set_num_threads(CORES)
    net = network(model)
    weights = sum(value.nbytes for value in net.state_dict().values())
    step = WORK[peer, work](net, int(batch))
    # Occlusion is many passes, and was warmed up by one.
    if work != "occlusion":
        step()
    seconds = []
    for _ in range(int(runs)):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    result = {
        "seconds": {"min": min(seconds), "median": statistics.median(seconds), "max": max(seconds)},
        "weights_bytes": weights,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
