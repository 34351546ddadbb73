"""Training in PyTorch: losses, optimisers, schedules."""

import warnings

import numpy as np
import timm
import torch
import torchvision
from sklearn import metrics
from torch import nn

import seeded
from store import destination, save_json, save_tensors

SCRIPT = "training.py"
PACKAGES = ["numpy", "scikit-learn", "timm", "torch", "torchvision"]

LOSS_CASES = [
    {"name": "plain", "smoothing": 0.0, "weighted": False, "mixed": False},
    {"name": "smooth", "smoothing": 0.1, "weighted": False, "mixed": False},
    {"name": "weighted", "smoothing": 0.0, "weighted": True, "mixed": False},
    {"name": "smooth_weighted", "smoothing": 0.3, "weighted": True, "mixed": False},
    {"name": "mixed", "smoothing": 0.0, "weighted": False, "mixed": True},
    {"name": "smooth_weighted_mixed", "smoothing": 0.1, "weighted": True, "mixed": True},
]

OPTIMISERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}

# (name, optimiser, learning rate, options as dvm calls them)
OPTIMISER_CASES = [
    ("sgd", "sgd", 0.1, {}),
    ("sgd_momentum", "sgd", 0.1, {"momentum": 0.9, "weight_decay": 0.01}),
    ("sgd_nesterov", "sgd", 0.1, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("sgd_decay_all", "sgd", 0.1, {"weight_decay": 0.1, "decay_all": True}),
    ("adam", "adam", 0.001, {}),
    ("adam_l2", "adam", 0.01, {"beta1": 0.8, "beta2": 0.99, "eps": 0.001, "weight_decay": 0.1}),
    ("adamw", "adamw", 0.01, {}),
    ("adamw_decay_all", "adamw", 0.01, {"weight_decay": 0.5, "decay_all": True}),
    ("rmsprop", "rmsprop", 0.0001, {}),
    ("rmsprop_l2", "rmsprop", 0.01, {"alpha": 0.9, "eps": 0.001, "weight_decay": 0.1}),
    ("rmsprop_momentum", "rmsprop", 0.01, {"momentum": 0.9}),
    ("rmsprop_centered", "rmsprop", 0.01, {"centered": True, "alpha": 0.9}),
    ("rmsprop_all", "rmsprop", 0.01, {"centered": True, "momentum": 0.5, "eps": 0.01}),
]
STEPS = 6

# The parameters of a small network: convolution, batch-norm, linear layer.
PARAMETERS = {
    "conv.weight": (4, 3, 3, 3),
    "conv.bias": (4,),
    "bn.weight": (4,),
    "bn.bias": (4,),
    "fc.weight": (5, 4),
    "fc.bias": (5,),
}


def losses():
    """Logits are seeded.uniform("loss.logits", [4, 5], -3, 3)."""
    targets = [3, 0, 4, 3]
    partners = [1, 0, 2, 4]
    shares = np.array([0.75, 0.5, 0.0, 0.9], dtype=np.float32)
    weights = np.array([0.5, 1.0, 2.0, 0.25, 3.0], dtype=np.float32)
    for case in LOSS_CASES:
        logits = torch.tensor(seeded.uniform("loss.logits", (4, 5), -3, 3), dtype=torch.float64)
        logits.requires_grad_()
        target = torch.tensor(targets)
        if case["mixed"]:
            one_hot = nn.functional.one_hot(target, 5).double()
            other = nn.functional.one_hot(torch.tensor(partners), 5).double()
            share = torch.tensor(shares, dtype=torch.float64)[:, None]
            target = share * one_hot + (1 - share) * other
        weight = torch.tensor(weights, dtype=torch.float64) if case["weighted"] else None

        def loss(reduction):
            function = nn.CrossEntropyLoss(
                weight, reduction=reduction, label_smoothing=float(np.float32(case["smoothing"]))
            )
            return function(logits, target)

        mean = loss("mean")
        mean.backward()
        yield {
            **case,
            "targets": targets,
            "partners": partners,
            "shares": [float(share) for share in shares],
            "weights": [float(weight) for weight in weights],
            "mean": mean.item(),
            "sum": loss("sum").item(),
            "per_sample": loss("none").tolist(),
            "gradient": logits.grad.flatten().tolist(),
        }


def torch_options(options):
    """The options as PyTorch calls them; weight decay is set per parameter."""
    found = {k: v for k, v in options.items() if k not in ("beta1", "beta2", "decay_all", "weight_decay")}
    if "beta1" in options:
        found["betas"] = (options["beta1"], options["beta2"])
    return found


def optimisers(tensors):
    """Step `t` (from 0) has the learning rate `rate · (1 − t / 10)` and the gradients
    seeded.uniform("<parameter>.gradient<t>", shape, -1, 1)."""
    for name, optimiser, rate, options in OPTIMISER_CASES:
        values = {
            parameter: torch.nn.Parameter(
                torch.tensor(seeded.parameter(parameter, shape), dtype=torch.float64)
            )
            for parameter, shape in PARAMETERS.items()
        }
        default = 0.01 if optimiser == "adamw" else 0.0
        decay = options.get("weight_decay", default)
        groups = [
            {
                "params": [value],
                "weight_decay": decay
                if options.get("decay_all") or parameter in ("conv.weight", "fc.weight")
                else 0.0,
            }
            for parameter, value in values.items()
        ]
        torch_optimiser = OPTIMISERS[optimiser](groups, lr=rate, **torch_options(options))
        for step in range(STEPS):
            for parameter, value in values.items():
                gradient = seeded.uniform(f"{parameter}.gradient{step}", value.shape, -1, 1)
                value.grad = torch.tensor(gradient, dtype=torch.float64)
            for group in torch_optimiser.param_groups:
                group["lr"] = rate * (1 - step / 10)
            torch_optimiser.step()
        for parameter, value in values.items():
            tensors[f"{name}.{parameter}"] = value.detach().numpy().astype(np.float32)
            for slot, kept in torch_optimiser.state[value].items():
                if slot != "step" and kept is not None:
                    tensors[f"{name}.optimiser.{slot}.{parameter}"] = kept.numpy().astype(np.float32)
        yield {
            "name": name,
            "optimiser": optimiser,
            "learning_rate": rate,
            "options": options,
            "steps": STEPS,
        }


def scheduled(make, steps, per_epoch, by_epoch=False):
    """Learning rates over a training whose base rate is 1."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimiser)
    rates = []
    for step in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if not by_epoch or (step + 1) % per_epoch == 0:
            if step + 1 < steps:
                schedule.step()
    return rates


def schedules():
    lr = torch.optim.lr_scheduler

    def case(schedule, options, steps, per_epoch, make, by_epoch=False):
        return {
            "schedule": schedule,
            "options": options,
            "steps": steps,
            "steps_per_epoch": per_epoch,
            "factors": scheduled(make, steps, per_epoch, by_epoch),
        }

    yield case("step", {}, 65 * 2, 2, lambda o: lr.StepLR(o, 30), by_epoch=True)
    yield case(
        "step", {"every": 2, "gamma": 0.5}, 30, 3, lambda o: lr.StepLR(o, 2, 0.5), by_epoch=True
    )

    def cosine(rising, steps, start, end):
        def make(optimiser):
            fall = lr.CosineAnnealingLR(optimiser, steps - rising, eta_min=end)
            if rising == 0:
                return fall
            rise = lr.LinearLR(optimiser, start_factor=start, total_iters=rising)
            return lr.SequentialLR(optimiser, [rise, fall], [rising])

        return make

    yield case("cosine", {"warm_up": 0.0}, 40, 4, cosine(0, 40, 0, 0))
    yield case("cosine", {}, 100, 10, cosine(5, 100, 0.01, 0))
    yield case(
        "cosine",
        {"warm_up": 0.25, "start": 0.1, "end": 0.01},
        60,
        6,
        cosine(15, 60, 0.1, 0.01),
    )

    def one_cycle(steps, **options):
        return lambda o: lr.OneCycleLR(o, 1.0, total_steps=steps, cycle_momentum=False, **options)

    yield case("one_cycle", {}, 100, 10, one_cycle(100))
    yield case("one_cycle", {}, 37, 10, one_cycle(37))
    yield case("one_cycle", {}, 3, 3, one_cycle(3))
    yield case(
        "one_cycle",
        {"rise": 0.1, "divisor": 10.0, "final_divisor": 100.0},
        50,
        5,
        one_cycle(50, pct_start=0.1, div_factor=10.0, final_div_factor=100.0),
    )


def plateaus():
    """After each epoch the schedule sees a number; `factors[i]` is the rate after number `i`."""
    falling = [1.0, 0.8, 0.79, 0.85, 0.79, 0.7899999, 0.9, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.76]
    rising = [0.5, 0.6, 0.6, 0.55, 0.6, 0.600001, 0.61, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]
    for criterion, mode, values, options in [
        ("loss", "min", falling * 2, {}),
        ("loss", "min", falling, {"patience": 2, "gamma": 0.5}),
        ("loss", "min", falling, {"patience": 1, "gamma": 0.5, "cooldown": 2}),
        ("loss", "min", falling, {"patience": 0, "gamma": 0.5, "end": 0.2, "threshold": 0.05}),
        ("accuracy", "max", rising, {"patience": 2}),
        ("balanced_accuracy", "max", rising, {"patience": 1, "cooldown": 1, "gamma": 0.25}),
    ]:
        optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser,
            mode,
            factor=options.get("gamma", 0.1),
            patience=options.get("patience", 10),
            threshold=options.get("threshold", 1e-4),
            cooldown=options.get("cooldown", 0),
            min_lr=options.get("end", 0.0),
        )
        factors = []
        for value in values:
            schedule.step(value)
            factors.append(optimiser.param_groups[0]["lr"])
        yield {
            "options": {"criterion": criterion, **options},
            "values": values,
            "factors": factors,
        }


def initialisations():
    """How the layers of networks begin in torchvision and timm with ten classes: standard deviation
    and largest magnitude of one weight of every shape with enough values to measure. The largest layers
    are left out: they take long and are drawn as smaller ones are."""
    torch.manual_seed(1)
    of_torchvision = [
        "resnet18",
        "vgg11_bn",
        "squeezenet1_1",
        "alexnet",
        "densenet121",
        "googlenet",
        "inception_v3",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "shufflenet_v2_x1_0",
        "efficientnet_b0",
        "convnext_tiny",
        "vit_b_16",
        "swin_t",
    ]
    of_timm = {
        "efficientnet_lite0": "tf_efficientnet_lite0",
        "mobilenetv3_small_100": "mobilenetv3_small_100",
        "vit_tiny_patch16_224": "vit_tiny_patch16_224",
    }
    networks = {name: torchvision.models.get_model(name, num_classes=10) for name in of_torchvision}
    networks |= {name: timm.create_model(other, num_classes=10) for name, other in of_timm.items()}
    for model, network in networks.items():
        # What differs from its kind has a shape of its own in all of these.
        of_shape = {
            tuple(value.shape): name
            for name, value in network.named_parameters()
            if value.dim() > 1 and 2000 <= value.numel() <= 3_000_000
        }
        values = network.state_dict()
        yield {
            "model": model,
            "weights": {
                name: [values[name].std(correction=0).item(), values[name].abs().max().item()]
                for name in of_shape.values()
            },
        }


def evaluation():
    """Scores of 300 pictures among seven classes by scikit-learn. Logits are
    seeded.uniform("metrics.logits", [300, 7], -4, 4) with 2 added at the class of every second
    picture; picture i is of class ⌊6 · unit²⌋, so that classes differ in size and the last has no
    picture."""
    count, kinds = 300, 7
    classes = np.floor(6 * seeded.unit("metrics.classes", count) ** 2).astype(int)
    logits = seeded.uniform("metrics.logits", (count, kinds), -4, 4)
    logits[np.arange(0, count, 2), classes[::2]] += np.float32(2)
    predicted = logits.argmax(1)
    probabilities = torch.softmax(torch.tensor(logits, dtype=torch.float64), 1).numpy()
    confidence = probabilities.max(1)
    everything = list(range(kinds))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        classes, predicted, labels=everything, zero_division=np.nan
    )
    # As in the code of arXiv 1706.04599.
    borders = np.linspace(0, 1, 16)
    error = 0.0
    for low, high in zip(borders[:-1], borders[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            gap = abs(confidence[inside].mean() - (predicted == classes)[inside].mean())
            error += gap * inside.mean()

    def listed(values):
        return [None if np.isnan(value) else float(value) for value in values]

    # scikit-learn warns that the last class has no pictures, and leaves it out.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        balanced = metrics.balanced_accuracy_score(classes, predicted)
    return {
        "count": count,
        "kinds": kinds,
        "classes": classes.tolist(),
        "accuracy": metrics.accuracy_score(classes, predicted),
        "balanced_accuracy": balanced,
        "macro_f1": metrics.f1_score(classes, predicted, average="macro"),
        "loss": metrics.log_loss(classes, probabilities, labels=everything),
        "top_k": {
            str(k): metrics.top_k_accuracy_score(classes, logits, k=k, labels=everything)
            for k in (1, 2, 3, 5)
        },
        "calibration_error": error,
        "precision": listed(precision),
        "recall": listed(recall),
        "f1": listed(f1),
        "support": support.tolist(),
        "confusion": metrics.confusion_matrix(classes, predicted, labels=everything).tolist(),
    }


PARITY = {"batches": 5, "pictures": 8, "size": 64, "block": 16, "classes": 5, "steps": 20}

# (optimiser, learning rate, largest norm of the gradients or 0, options as dvm calls them). The rates
# are those at which PyTorch's own f32 keeps to its f64: at ten times as much a ReLU that flips by a
# rounding error is a different training a few steps later.
PARITY_CASES = [
    ("sgd", 1e-5, 0, {"momentum": 0.9, "nesterov": True}),
    ("sgd", 1e-3, 1, {"momentum": 0.9, "nesterov": True}),
    ("adam", 1e-5, 0, {}),
    ("rmsprop", 1e-6, 0, {}),
]


def parity_batch(index):
    """Pictures of coarse patches with noise on them, and a class each."""
    count, size, block = PARITY["pictures"], PARITY["size"], PARITY["block"]
    coarse = (count, 3, size // block, size // block)
    patches = seeded.uniform(f"parity.patches{index}", coarse, -1, 1)
    noise = seeded.uniform(f"parity.noise{index}", (count, 3, size, size), -1, 1)
    pictures = patches.repeat(block, axis=2).repeat(block, axis=3) + noise
    classes = [(3 * index + 2 * picture) % PARITY["classes"] for picture in range(count)]
    return pictures, classes


def train_resnet18(dtype, optimiser, rate, clip, options):
    """Losses of the steps, and the running statistics after them."""
    network = torchvision.models.resnet18(num_classes=PARITY["classes"])
    seeded.fill(network)
    network = network.to(dtype).train()
    torch_optimiser = OPTIMISERS[optimiser](network.parameters(), lr=rate, **torch_options(options))
    losses = []
    for step in range(PARITY["steps"]):
        pictures, classes = parity_batch(step % PARITY["batches"])
        logits = network(torch.tensor(pictures).to(dtype))
        loss = nn.functional.cross_entropy(logits, torch.tensor(classes))
        torch_optimiser.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(network.parameters(), clip)
        torch_optimiser.step()
        losses.append(loss.item())
    statistics = {
        name: value.double().numpy()
        for name, value in network.state_dict().items()
        if "running" in name
    }
    return np.array(losses), statistics


def parity_case(optimiser, rate, clip, options):
    """ResNet18 trained for some steps, in f64, and how far PyTorch's own f32 is off."""
    losses, statistics = train_resnet18(torch.float64, optimiser, rate, clip, options)
    losses_f32, statistics_f32 = train_resnet18(torch.float32, optimiser, rate, clip, options)

    def measure(name, values):
        probe = seeded.uniform(f"probe.{name}", values.shape, -1, 1).astype(np.float64)
        return [float(np.linalg.norm(values)), float(values @ probe)]

    off = [
        np.linalg.norm(statistics_f32[name] - value) / np.linalg.norm(value)
        for name, value in statistics.items()
    ]
    return {
        "optimiser": optimiser,
        "learning_rate": rate,
        "clip": clip,
        "options": options,
        "losses": losses.tolist(),
        "losses_f32": losses_f32.tolist(),
        "losses_f32_error": float(np.abs(losses_f32 / losses - 1).max()),
        "statistics_f32_error": float(max(off)),
        "statistics": {name: measure(name, value) for name, value in statistics.items()},
    }


def parity():
    return [PARITY, *(parity_case(*case) for case in PARITY_CASES)]


def main():
    torch.set_num_threads(1)
    tensors = {}
    save_json(destination("dvm-train", "losses.json"), list(losses()))
    save_json(destination("dvm-train", "optimisers.json"), list(optimisers(tensors)))
    save_json(destination("dvm-train", "schedules.json"), list(schedules()))
    save_json(destination("dvm-train", "plateaus.json"), list(plateaus()))
    save_json(destination("dvm-train", "initialisations.json"), list(initialisations()))
    save_json(destination("dvm-train", "evaluation.json"), evaluation())
    save_json(destination("dvm-train", "parity.json"), parity())
    save_tensors(destination("dvm-train", "optimisers.safetensors"), tensors, SCRIPT, PACKAGES)


if __name__ == "__main__":
    main()
