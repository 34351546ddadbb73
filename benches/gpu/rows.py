"""What is measured on a GPU: the parts (tables) and their rows, with the aims."""

from dataclasses import dataclass, field

DVM, PYTORCH, CAPTUM, FORMULA = "dvm", "PyTorch", "Captum", "PyTorch (the authors' formula)"
# After a peer's name: convolutions in TF32.
TF32 = ", TF32"

# `together`: pictures per pass of a method of the peers; the fastest is taken.
SIZES = {"window": 20, "stride": 10, "steps": 50, "masks": 4000, "together": [16, 128]}
QUICK_SIZES = {"window": 60, "stride": 60, "steps": 4, "masks": 48, "together": [16]}


@dataclass
class Part:
    """A table."""

    work: str
    heading: str
    about: str
    peer: str
    # Largest ratio dvm / peer that is aimed at.
    target: float | None = None
    # Python packages that the peer needs.
    needs: tuple = ("torchvision",)


PARTS = (
    Part("forward", "Forward, per picture", "Logits of a batch of 224 × 224 pixels.", PYTORCH, 1.0),
    Part(
        "train",
        "A training step",
        "Forward in training mode, cross-entropy, backward to all parameters, Adam.",
        PYTORCH,
        1.0,
    ),
    Part(
        "occlusion",
        "Occlusion, window {window}, stride {stride}",
        "Captum's `Occlusion` computes the score of one class per window, dvm those of all classes. On a GPU, dvm "
        "computes every covered picture as a whole, as Captum does.",
        CAPTUM,
        0.25,
        ("torchvision", "captum"),
    ),
    Part(
        "grad-cam",
        "Grad-CAM",
        "Captum's `LayerGradCam`, interpolated to the size of the picture.",
        CAPTUM,
        needs=("torchvision", "captum"),
    ),
    Part(
        "integrated-gradients",
        "Integrated gradients, {steps} steps",
        "Captum's `IntegratedGradients`.",
        CAPTUM,
        needs=("torchvision", "captum"),
    ),
    Part("rise", "RISE, {masks:,} masks", "The formula of the paper's authors, with masks on the GPU.", FORMULA),
)


@dataclass
class Row:
    """One line of a table, with what was measured."""

    work: str
    model: str
    batch: int = 1
    # Of a round; later rounds make fewer if these take long.
    runs: int = 5
    # Seconds that the first round may take.
    estimate: float = 15
    # One dictionary per round: who => figures.
    rounds: list = field(default_factory=list)
    # Who has no figure => why.
    missing: dict = field(default_factory=dict)
    # Of the last round, without the choice of the peers' fastest way.
    seconds: float = 0

    @property
    def name(self):
        return f"{self.model}, batch {self.batch}" if self.work in ("forward", "train") else self.model

    @property
    def part(self):
        return next(part for part in PARTS if part.work == self.work)

    def figures(self, who, what="seconds"):
        return [each[who][what] for each in self.rounds if who in each]

    def pairs(self, who):
        """Figures of `dvm` and a peer of the rounds that have both."""
        both = [each for each in self.rounds if DVM in each and who in each]
        return [each[DVM]["seconds"] for each in both], [each[who]["seconds"] for each in both]


def rows(quick):
    """In order of importance. Estimates are for a GPU of a data centre."""
    if quick:
        pair = [Row("forward", "resnet18", batch, 3) for batch in (1, 2)]
        return [*pair, Row("train", "resnet18", 2, 2)] + [Row(part.work, "resnet18", runs=1) for part in PARTS[2:]]
    return [
        Row("forward", "resnet50", 64, 20, 20),
        Row("train", "resnet50", 64, 5, 25),
        Row("occlusion", "resnet50", runs=5, estimate=20),
        Row("forward", "vit_b_16", 64, 20, 20),
        Row("forward", "efficientnet_b0", 64, 20, 20),
        Row("forward", "resnet18", 64, 20, 12),
        Row("train", "resnet18", 64, 5, 15),
        Row("occlusion", "resnet18", runs=5, estimate=15),
        Row("forward", "resnet50", 1, 100, 12),
        Row("forward", "resnet18", 1, 100, 10),
        Row("forward", "vit_b_16", 1, 100, 12),
        Row("forward", "efficientnet_b0", 1, 100, 15),
        Row("train", "efficientnet_b0", 64, 5, 25),
        Row("train", "vit_b_16", 64, 5, 25),
        Row("grad-cam", "resnet18", runs=20, estimate=10),
        Row("integrated-gradients", "resnet18", runs=5, estimate=15),
        Row("rise", "resnet18", runs=1, estimate=30),
        Row("occlusion", "vit_b_16", runs=3, estimate=25),
        Row("occlusion", "efficientnet_b0", runs=3, estimate=20),
        Row("grad-cam", "resnet50", runs=20, estimate=10),
        Row("integrated-gradients", "resnet50", runs=5, estimate=15),
        Row("rise", "resnet50", runs=1, estimate=40),
    ]
