"""Times one kind of work of one peer and prints JSON, as the example `measure` of `dvm` does.

    python peer.py torch|onnxruntime|captum forward|guided-backprop|occlusion MODEL BATCH RUNS
"""

import json
import os
import statistics
import sys
import tempfile
import time

from networks import guided, network

CORES = os.cpu_count()


def torch_forward(model, batch):
    import torch

    net = network(model)
    x = torch.randn(batch, 3, 224, 224)

    def step():
        with torch.inference_mode():
            net(x)

    return step


def torch_guided(model, batch):
    import torch

    net = guided(network(model))
    x = torch.randn(batch, 3, 224, 224)

    def step():
        picture = x.clone().requires_grad_()
        net(picture)[:, 3].sum().backward()

    return step


def onnxruntime_forward(model, batch):
    import numpy as np
    import onnxruntime
    import torch

    net = network(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        x = torch.randn(batch, 3, 224, 224)
        torch.onnx.export(net, (x,), path, input_names=["x"], dynamo=False)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {"x": np.random.randn(batch, 3, 224, 224).astype(np.float32)}
    return lambda: session.run(None, feed)


def captum_occlusion(model, batch):
    import torch
    from captum.attr import Occlusion

    method = Occlusion(network(model))
    x = torch.randn(batch, 3, 224, 224)

    def step():
        with torch.inference_mode():
            method.attribute(
                x,
                sliding_window_shapes=(3, 20, 20),
                strides=(3, 10, 10),
                target=3,
                perturbations_per_eval=16,
            )

    return step


WORK = {
    ("torch", "forward"): torch_forward,
    ("torch", "guided-backprop"): torch_guided,
    ("onnxruntime", "forward"): onnxruntime_forward,
    ("captum", "occlusion"): captum_occlusion,
}


def main(peer, work, model, batch, runs):
    import torch

    torch.set_num_threads(CORES)
    step = WORK[peer, work](model, int(batch))
    step()
    seconds = []
    for _ in range(int(runs)):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    result = {"min": min(seconds), "median": statistics.median(seconds), "max": max(seconds)}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
