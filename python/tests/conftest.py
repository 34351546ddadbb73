"""Networks and pictures that the tests share."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import dvm

ROOT = Path(__file__).resolve().parents[2]
COFFEE = ROOT / "assets" / "samples" / "coffee.png"


@pytest.fixture(scope="session")
def model() -> dvm.Model:
    return dvm.load("squeezenet1_1")


@pytest.fixture(scope="session")
def coffee() -> Path:
    return COFFEE


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def torch_net():
    """A small network with the parts of torchvision's: convolutions, batch-norms, a residual, pools."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)
            self.relu1 = nn.ReLU()
            self.relu2 = nn.ReLU()

        def forward(self, x):
            return self.relu2(x + self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2))
            self.layer1 = nn.Sequential(Block(12), Block(12))
            self.layer2 = nn.Sequential(nn.Conv2d(12, 20, 3, stride=2, padding=1), nn.ReLU())
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Linear(20, 6)

        def forward(self, x):
            x = self.layer2(self.layer1(self.stem(x)))
            return self.fc(self.pool(x).flatten(1))

    torch.manual_seed(0)
    net = Net()
    # The statistics of batch-norms must differ from 0 and 1.
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(8, 3, 64, 64))
    return net.eval()


@pytest.fixture(scope="session")
def batch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    return torch.randn(2, 3, 64, 64)


@pytest.fixture(autouse=True)
def ignore_assumption_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dvm.AssumptionWarning)
        yield
