"""PyTorch and Captum in one process that stays: importing them for every measurement would take minutes.

    python worker.py cpu|cuda|cuda:N SIZES < requests > answers

One JSON object per line. The first answer says what is installed. A request names work, network, batch, runs and
precision; the answer has the median of the runs in seconds, or the error. `compare.py` writes the requests.

"f32" is f32 everywhere, as `dvm` computes. "TF32" is PyTorch's default: convolutions may use TF32, matrix products
may not. Both layouts of feature maps, and some numbers of pictures per pass of a method, are tried once; the fastest
is measured. cuDNN times its algorithms beforehand (`cudnn.benchmark`).
"""

import importlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

START = time.perf_counter()
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peers"))

LAYOUTS = ("default", "channels-last")
PRECISIONS = ("f32", "TF32")
# Masks of RISE with which the fastest way is found.
TRIAL_MASKS = 512


def version(package):
    """The version of a package that can be imported; `None` if it cannot."""
    try:
        found = importlib.import_module(package)
        # Captum imports its methods, and what they need, later.
        importlib.import_module(f"{package}.attr" if package == "captum" else package)
        return getattr(found, "__version__", "unknown")
    except Exception as error:
        print(f"{package}: {error}", file=sys.stderr)
        return None


def set_precision(precision):
    import torch

    torch.backends.cudnn.allow_tf32 = precision == "TF32"
    torch.backends.cuda.matmul.allow_tf32 = False
    # MIOpen (AMD) takes minutes for its search.
    torch.backends.cudnn.benchmark = torch.version.hip is None


def largest_errors(device, precision):
    """Of a convolution and a matrix product, relative to the largest value in f64: shows whether TF32 is used."""
    import torch

    set_precision(precision)
    torch.manual_seed(0)
    x, weights = torch.randn(2, 256, 14, 14, device=device), torch.randn(256, 256, 3, 3, device=device)
    a, b = torch.randn(512, 512, device=device), torch.randn(512, 512, device=device)
    pairs = {
        "convolution": (torch.conv2d(x, weights), torch.conv2d(x.double(), weights.double())),
        "matrix product": (a @ b, a.double() @ b.double()),
    }
    return {name: float((found - exact).abs().max() / exact.abs().max()) for name, (found, exact) in pairs.items()}


def grad_cam(net, _together):
    import torch
    from captum.attr import LayerAttribution, LayerGradCam
    from peer import SIDE, TARGET

    method = LayerGradCam(net, net.layer4)
    x = torch.randn(1, 3, SIDE, SIDE)
    return lambda: LayerAttribution.interpolate(method.attribute(x, target=TARGET), (SIDE, SIDE), "bilinear")


def integrated_gradients(steps, net, together):
    import torch
    from captum.attr import IntegratedGradients
    from peer import SIDE, TARGET

    method = IntegratedGradients(net)
    x = torch.randn(1, 3, SIDE, SIDE)
    return lambda: method.attribute(x, target=TARGET, n_steps=steps, internal_batch_size=together)


def rise(count, net, together):
    """The authors' formula, with masks that are enlarged and shifted on the GPU."""
    import torch
    from peer import SIDE, TARGET

    cell = -(-SIDE // 7)
    x = torch.randn(1, 3, SIDE, SIDE)
    grids = (torch.rand(count, 1, 7, 7) < 0.5).float()
    shifts = torch.randint(0, cell, (count, 2)).tolist()

    def step():
        total = torch.zeros(SIDE, SIDE, device=x.device)
        with torch.inference_mode():
            for first in range(0, count, together):
                some = slice(first, first + together)
                large = torch.nn.functional.interpolate(grids[some], size=(8 * cell,) * 2, mode="bilinear")
                masks = torch.stack([m[0, a : a + SIDE, b : b + SIDE] for m, (a, b) in zip(large, shifts[some])])
                scores = net(x * masks[:, None]).softmax(1)[:, TARGET]
                total += (scores[:, None, None] * masks).sum(0)
        return 2 * total / count

    return step


def occlusion(window, stride, net, together):
    import peer

    peer.WINDOW, peer.STRIDE, peer.TOGETHER = window, stride, together
    return peer.captum_occlusion(net, 1)


class Worker:
    def __init__(self, device, sizes):
        self.device, self.sizes = device, sizes
        # By work, network, batch and precision: the fastest layout and number of pictures per pass, and the seconds
        # of the first run.
        self.fastest = {}

    def greeting(self):
        """What is installed; `gpu` is `None` if PyTorch cannot use the device."""
        names = ("torch", "torchvision", "captum")
        found = {"python": sys.version.split()[0], "packages": {name: version(name) for name in names}, "gpu": None}
        if not found["packages"]["torch"]:
            return found
        import torch

        torch.set_num_threads(os.cpu_count())
        if self.device == "cpu":
            found["gpu"] = "CPU"
        elif torch.cuda.is_available():
            found["gpu"] = torch.cuda.get_device_name(self.device)
        if found["gpu"]:
            found["largest_errors"] = {each: largest_errors(self.device, each) for each in PRECISIONS}
        found["start_seconds"] = time.perf_counter() - START
        return found

    def finish(self):
        import torch

        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def release(self):
        """Leaves the memory of the GPU to `dvm`."""
        import gc

        import torch

        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def step(self, request, sizes, layout, together):
        """A function that does the work once."""
        import peer
        import torch
        from networks import network

        works = {
            "forward": peer.torch_forward,
            "train": peer.torch_train,
            "occlusion": lambda *rest: occlusion(sizes["window"], sizes["stride"], *rest),
            "grad-cam": grad_cam,
            "integrated-gradients": lambda *rest: integrated_gradients(sizes["steps"], *rest),
            "rise": lambda *rest: rise(sizes["masks"], *rest),
        }
        # Networks and pictures are made on the device. The first convolution hands its layout on.
        with torch.device(self.device):
            net = network(request["model"])
            if layout == "channels-last":
                net = net.to(memory_format=torch.channels_last)
            return works[request["work"]](net, together or request["batch"])

    def warm(self, request, sizes, choice):
        """The step, after runs that are not measured, and the seconds until the first was done."""
        start = time.perf_counter()
        step = self.step(request, sizes, *choice)
        began = time.perf_counter()
        step()
        self.finish()
        first = time.perf_counter() - start
        # Until the clocks of the GPU are up.
        while time.perf_counter() - began < 0.3:
            step()
            self.finish()
        return step, first

    def timed(self, step, runs):
        seconds = []
        for _ in range(runs):
            start = time.perf_counter()
            step()
            self.finish()
            seconds.append(time.perf_counter() - start)
        return seconds

    def choose(self, request):
        """The fastest layout and number of pictures per pass, and the seconds of the first run."""
        sizes = self.sizes | {"masks": min(self.sizes["masks"], TRIAL_MASKS)}
        alone = request["work"] in ("forward", "train", "grad-cam")
        together = [None] if alone else self.sizes["together"]
        tried, errors = {}, []
        for choice in [(layout, count) for layout in LAYOUTS for count in together]:
            try:
                step, first = self.warm(request, sizes, choice)
                tried[choice] = min(self.timed(step, 2)), first
            except Exception as error:
                errors.append(error)
            step = None
            self.release()
        if not tried:
            raise errors[0]
        best = min(tried, key=tried.get)
        return best, None if request["work"] == "rise" else tried[best][1]

    def answer(self, request):
        set_precision(request["precision"])
        key = tuple(request[name] for name in ("work", "model", "batch", "precision"))
        start = time.perf_counter()
        if key not in self.fastest:
            self.fastest[key] = self.choose(request)
        choosing = time.perf_counter() - start
        choice, first = self.fastest[key]
        step, _ = self.warm(request, self.sizes, choice)
        seconds = self.timed(step, request["runs"])
        layout, together = choice
        return {
            "seconds": statistics.median(seconds),
            "first_seconds": first,
            "choosing_seconds": choosing,
            "runs": request["runs"],
            "layout": layout,
            "pictures_per_pass": together,
        }


def main(device, sizes):
    # Libraries may print; only answers go to the real output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def send(answer):
        print(json.dumps(answer), file=answers, flush=True)

    worker = Worker(device, json.loads(sizes))
    send(worker.greeting())
    for line in sys.stdin:
        try:
            send(worker.answer(json.loads(line)))
        except Exception as error:
            send({"error": f"{type(error).__name__}: {error}".splitlines()[0]})
        worker.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
