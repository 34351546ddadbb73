"""The tables of docs/benchmarks.md and its plot, from the measurements of compare.py.

    python benches/peers/tables.py
"""

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).resolve().parent / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "pictures" / "benchmarks.svg"
BEGIN, END = "<!-- tables -->", "<!-- /tables -->"

# Part, heading, what it compares, unit, factor from the figures kept.
PARTS = (
    (
        "forward",
        "Forward, per image",
        "Logits of a batch of 224 × 224 pixels, f32, random weights.",
        "ms",
        1e3,
    ),
    (
        "guided",
        "Guided backprop of one photo",
        "PyTorch with the same rule by backward hooks, weights frozen.",
        "ms",
        1e3,
    ),
    (
        "train",
        "A training step",
        "Forward in training mode, cross-entropy, backward to all parameters, Adam; random weights.",
        "s",
        1.0,
    ),
    (
        "train-memory",
        "Memory of training",
        "Peak memory of the process, with weights and libraries.",
        "MB",
        1e-6,
    ),
    (
        "occlusion",
        "Occlusion, window 20, stride 10: 484 windows",
        "Captum with `perturbations_per_eval=16` in inference mode; ONNX Runtime on all 484 covered "
        "pictures in batches of 16, prepared beforehand. Both compute the score of one class per window, "
        "dvm those of all classes.",
        "s",
        1.0,
    ),
    ("occlusion-vgg16", "Occlusion of VGG16, the same windows", "One round: Captum takes minutes.", "s", 1.0),
    (
        "command",
        "The README's command, cold",
        "`dvm explain assets/samples/coffee.png` and `benches/peers/explain.py`, which does the same "
        "with timm, Captum and matplotlib: complete processes, from picture to figure on disk.",
        None,
        None,
    ),
    (
        "cold",
        "Guided backprop of ResNet18, cold",
        "`dvm explain --method guided-backprop` with a weight file of random weights, and the same "
        "script with torchvision and the same file.",
        None,
        None,
    ),
    (
        "memory",
        "Memory of occlusion 20/10 beyond the weights",
        "Peak memory of the process, without one copy of the weights.",
        "MB",
        1e-6,
    ),
)

# What must be reached: part, row, peer, ratio; or with no peer, a limit in the unit of the table.
TARGETS = {
    ("forward", "resnet18, batch 16"): [("ONNX Runtime", 0.50), ("PyTorch", 0.40)],
    ("forward", "vgg16, batch 8"): [("ONNX Runtime", 0.37)],
    ("forward", "efficientnet_lite0, batch 1"): [("ONNX Runtime", 0.85)],
    ("forward", "efficientnet_lite0, batch 16"): [("ONNX Runtime", 0.85)],
    ("forward", "squeezenet1_1, batch 1"): [("ONNX Runtime", 0.85)],
    ("forward", "squeezenet1_1, batch 16"): [("ONNX Runtime", 0.85)],
    ("guided", "resnet18"): [("PyTorch", 0.35)],
    ("train", "resnet18, batch 20"): [("PyTorch", 0.50)],
    ("train", "efficientnet_lite0, batch 20"): [("PyTorch", 0.40)],
    ("train-memory", "resnet18, batch 20"): [("PyTorch", 1.0)],
    ("train-memory", "efficientnet_lite0, batch 20"): [("PyTorch", 1.0)],
    ("occlusion", "resnet18"): [("Captum", 0.10), ("ONNX Runtime", 0.18)],
    ("occlusion-vgg16", "vgg16"): [("Captum", 0.04)],
    ("command", "efficientnet_lite0, guided backprop and occlusion 20/10: seconds"): [(None, 2.5)],
    ("cold", "resnet18, guided backprop: seconds"): [("Python script", 0.1)],
    ("memory", "resnet18"): [(None, 300.0)],
}


def machine(rounds):
    """What the figures were taken on, and when."""
    packages = ("torch", "torchvision", "timm", "captum", "onnxruntime")
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "rounds": rounds,
        "date": datetime.date.today().isoformat(),
    }


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def load():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(results):
    replace(RESULTS, json.dumps(results, indent=1) + "\n")


def replace(path, text):
    """Writes under a temporary name and renames, so that a broken run leaves no half file."""
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text)
    os.replace(temporary, path)


def ratio(mine, theirs):
    """The median of the ratios, pair by pair."""
    return statistics.median(a / b for a, b in zip(mine, theirs))


def scale(name, unit, factor):
    """Unit and factor of a row; rows of whole processes say in their name what they are."""
    if unit:
        return unit, factor
    return ("MB", 1e-6) if name.endswith("peak memory") else ("s", 1.0)


def row(part, name, figures, peers, unit, factor):
    unit, factor = scale(name, unit, factor)
    cells = [name, f"{statistics.median(figures['dvm']) * factor:.{digits(unit)}f} {unit}"]
    for peer in peers:
        if peer in figures:
            amount = statistics.median(figures[peer]) * factor
            cells.append(f"{amount:.{digits(unit)}f} {unit} (**{ratio(figures['dvm'], figures[peer]):.2f}**)")
        else:
            cells.append("–")
    cells.append(", ".join(goals(part, name, figures, unit, factor)) or "–")
    return "| " + " | ".join(cells) + " |"


def digits(unit):
    return 0 if unit == "MB" else 2


def goals(part, name, figures, unit, factor):
    """What must be reached, each with a mark that says whether it is."""
    for peer, limit in TARGETS.get((part, name), ()):
        if peer is None:
            reached = statistics.median(figures["dvm"]) * factor <= limit
            yield f"≤ {limit:g} {unit} {'✓' if reached else '✗'}"
        elif peer in figures:
            reached = ratio(figures["dvm"], figures[peer]) <= limit
            yield f"≤ {limit:.2f} × {peer} {'✓' if reached else '✗'}"


def table(part, heading, about, unit, factor, rows):
    peers = [peer for peer in ("PyTorch", "Captum", "ONNX Runtime", "Python script") if any(peer in r for r in rows.values())]
    head = ["", "dvm", *peers, "target"]
    lines = [f"## {heading}", "", about, "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [row(part, name, figures, peers, unit, factor) for name, figures in rows.items()]
    return "\n".join(lines)


def written(results):
    """Everything between the markers."""
    m = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in m["packages"].items())
    facts = (
        f"Machine: {m['processor']}, {m['cores']} cores, {m['memory_gb']} GB. {versions}, Python "
        f"{m['python']}. {m['date']}, rounds: {m['rounds']}."
    )
    blocks = [facts]
    for part, *rest in PARTS:
        if rows := results.get("figures", {}).get(part):
            blocks.append(table(part, *rest, rows))
    return "\n\n".join(blocks)


def draw(results):
    """Bars of dvm / peer, one per row and peer; what must be reached as a stroke across."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "benchmarks"
    import matplotlib.pyplot as plt

    colours = {"PyTorch": "#c44e52", "ONNX Runtime": "#4c72b0", "Captum": "#dd8452", "Python script": "#8172b3"}
    bars = []
    for part, heading, *_ in PARTS:
        for name, figures in results.get("figures", {}).get(part, {}).items():
            goals = dict(TARGETS.get((part, name), ()))
            what = name if ": " in name else f"{heading.split(',')[0].split(':')[0]}: {name}"
            bars += [
                (what, peer, ratio(figures["dvm"], figures[peer]), goals.get(peer))
                for peer in figures
                if peer != "dvm"
            ]
    figure, axis = plt.subplots(figsize=(10, 1.2 + 0.3 * len(bars)))
    for place, (_, peer, value, goal) in enumerate(bars):
        axis.barh(place, value, color=colours[peer], height=0.7)
        axis.text(value, place, f" {value:.2f}", va="center", fontsize=8)
        if goal:
            axis.plot([goal, goal], [place - 0.45, place + 0.45], color="black", linewidth=2)
    axis.set_yticks(range(len(bars)), [what for what, *_ in bars], fontsize=8)
    axis.invert_yaxis()
    axis.axvline(1, color="grey", linewidth=1)
    axis.set_xlabel("dvm / peer: shorter is better; black strokes: what must be reached")
    peers = [peer for peer in colours if any(peer == bar[1] for bar in bars)]
    axis.legend([plt.Rectangle((0, 0), 1, 1, color=colours[peer]) for peer in peers], peers, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    temporary = PLOT.with_name(PLOT.name + ".partial")
    figure.savefig(temporary, format="svg", metadata={"Date": None})
    os.replace(temporary, PLOT)


def publish(results):
    """Replaces what stands between the markers of the page, and the plot."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    replace(PAGE, f"{before}{BEGIN}\n{written(results)}\n{END}{after}")
    draw(results)


if __name__ == "__main__":
    publish(load())
