"""The tables of compare.py, in the form of docs/benchmarks.md."""

import statistics

import tables
from rows import DVM, PARTS, TF32

ABOUT = (
    "Medians; in brackets, the median of the ratios dvm / other, pair by pair. Random weights. Pictures are on the "
    "device before the runs; every run ends when the device has finished. dvm computes in f32. The compared column is "
    "PyTorch in f32 (no TF32), with its faster layout of feature maps and `cudnn.benchmark`, without `torch.compile`; "
    "Captum and RISE with {together} pictures per pass, the faster of them. The column TF32 is the same with "
    "PyTorch's default precision: convolutions in TF32, matrix products in f32."
)
START_UP = (
    "dvm: the process, opening the device, compiling kernels and the first run; in the first round, and the median of "
    "all rounds (drivers keep compiled kernels). PyTorch and Captum: building the network on the device and the first "
    "run, in a process that has imported them."
)


def written(machine, rows, sizes):
    """The whole page."""
    blocks = [facts(machine), ABOUT.format(together=" or ".join(map(str, sizes["together"])))]
    measured = [row for row in rows if row.rounds]
    for part in PARTS:
        if those := [row for row in measured if row.part is part]:
            blocks.append(table(part, those, sizes))
    if measured:
        blocks.append(start_up(measured))
    if lines := gaps(rows):
        blocks.append("### Not measured, and notes\n\n" + "\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def amount(seconds):
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def line(cells):
    return "| " + " | ".join(cells) + " |"


def table(part, rows, sizes):
    head = ["", DVM, part.peer, part.peer + TF32, "rounds", "target"]
    lines = [f"### {part.heading.format(**sizes)}", "", part.about, "", line(head), "|" + "---|" * len(head)]
    for row in rows:
        cells = [cell(row, who) for who in (DVM, part.peer, part.peer + TF32)]
        mine, _ = row.pairs(part.peer)
        lines.append(line([row.name, *cells, str(len(mine)), goal(row)]))
    return "\n".join(lines)


def cell(row, who):
    """The median; of a peer also the median of the ratios."""
    figures = row.figures(who)
    if not figures:
        return "–"
    text = amount(statistics.median(figures) / (row.batch if row.work == "forward" else 1))
    mine, theirs = row.pairs(who)
    return text if who == DVM or not mine else f"{text} (**{tables.ratio(mine, theirs):.2f}**)"


def goal(row):
    """What is aimed at, with a mark that says whether it is reached."""
    part = row.part
    if part.target is None:
        return "–"
    mine, theirs = row.pairs(part.peer)
    text = f"≤ {part.target:.2f} × {part.peer}"
    return f"{text} {'✓' if tables.ratio(mine, theirs) <= part.target else '✗'}" if mine else text


def start_up(rows):
    """First runs, which the other tables leave out."""
    head = ["", "dvm, first round", "dvm, median", "PyTorch or Captum"]
    lines = ["### Start-up", "", START_UP, "", line(head), "|" + "---|" * len(head)]
    for row in rows:
        own, peer = (row.figures(who, "first_seconds") for who in (DVM, row.part.peer))
        cells = [amount(own[0]), amount(statistics.median(own))] if own else ["–", "–"]
        lines.append(line([f"{row.work}: {row.name}", *cells, amount(peer[0]) if any(peer) else "–"]))
    return "\n".join(lines)


def gaps(rows):
    """Rows and figures that are missing, and why; notes of `dvm`."""
    lines = [f"- {row.work}, {row.name}: {who}: {why}" for row in rows for who, why in row.missing.items()]
    lines += [f"- {row.work}, {row.name}: skipped, too little time was left" for row in rows if not row.rounds]
    notes = {note for row in rows for each in row.rounds for note in each.get(DVM, {}).get("notes", ())}
    return lines + [f"- dvm: {note}" for note in sorted(notes)]


def facts(m):
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in m["packages"].items())
    lines = [
        f"Machine: {m['dvm_device'] or 'no device'} (PyTorch: {m['pytorch_device'] or 'no device'}); "
        f"{m['processor']}, {m['cores']} cores, {m['memory_gb']} GB. {m['dvm']}, {versions}, Python {m['python']}. "
        f"{m['date']}, rounds: at most {m['rounds']}.",
        *m["facts"],
    ]
    for precision, errors in (m["pytorch_largest_errors"] or {}).items():
        each = ", ".join(f"{name} {error:.0e}" for name, error in errors.items())
        lines.append(f"Largest relative error of PyTorch, {precision}: {each}.")
    if seconds := m["pytorch_start_seconds"]:
        lines.append(f"Importing PyTorch and Captum, and opening the device: {amount(seconds)}.")
    return "\n".join(lines)
