"""dvm.cam compared with pytorch-grad-cam."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("pytorch_grad_cam")

from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

from dvm import cam as ours  # noqa: E402

NAMES = [
    "GradCAM",
    "GradCAMPlusPlus",
    "XGradCAM",
    "HiResCAM",
    "LayerCAM",
    "GradCAMElementWise",
]


def agree(found, expected) -> None:
    assert found.shape == expected.shape and found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layers", [["layer2"], ["layer1.1"], ["layer1", "layer2"]])
def test_maps_agree(torch_net, batch, name, layers):
    targets = [ClassifierOutputTarget(3), ClassifierOutputTarget(1)]
    layers = [torch_net.get_submodule(layer) for layer in layers]
    with getattr(theirs, name)(model=torch_net, target_layers=layers) as cam:
        expected = cam(input_tensor=batch, targets=targets)
    with getattr(ours, name)(model=torch_net, target_layers=layers) as cam:
        agree(cam(input_tensor=batch, targets=targets), expected)


def test_the_default_target_is_the_most_probable_class(torch_net, batch):
    layers = [torch_net.layer2]
    expected = theirs.GradCAM(model=torch_net, target_layers=layers)(input_tensor=batch)
    agree(ours.GradCAM(model=torch_net, target_layers=layers)(input_tensor=batch), expected)


def test_augmented_maps_agree(torch_net, batch):
    keywords = {"aug_smooth": True}
    targets = [ClassifierOutputTarget(3), ClassifierOutputTarget(1)]
    layers = [torch_net.layer1]
    expected = theirs.GradCAM(model=torch_net, target_layers=layers)(input_tensor=batch, targets=targets, **keywords)
    agree(
        ours.GradCAM(model=torch_net, target_layers=layers)(input_tensor=batch, targets=targets, **keywords), expected
    )


def test_finer_cam_agrees(torch_net, batch):
    layers = [torch_net.layer1]
    expected = theirs.FinerCAM(model=torch_net, target_layers=layers)(input_tensor=batch)
    agree(ours.FinerCAM(model=torch_net, target_layers=layers)(input_tensor=batch), expected)


@pytest.mark.parametrize("name", ["ScoreCAM", "AblationCAM"])
@pytest.mark.parametrize("layers", [["layer2"], ["layer1", "layer2"]])
def test_maps_from_outputs_agree(torch_net, batch, name, layers):
    targets = [ClassifierOutputTarget(3), ClassifierOutputTarget(1)]
    layers = [torch_net.get_submodule(layer) for layer in layers]
    expected = getattr(theirs, name)(model=torch_net, target_layers=layers)(input_tensor=batch, targets=targets)
    agree(getattr(ours, name)(model=torch_net, target_layers=layers)(input_tensor=batch, targets=targets), expected)


def test_full_grad_agrees(torch_net, batch):
    # pytorch-grad-cam uses all layers with a bias, and one picture at a time.
    one, targets = batch[:1], [ClassifierOutputTarget(3)]
    expected = theirs.FullGrad(model=torch_net, target_layers=[])(input_tensor=one, targets=targets)
    agree(ours.FullGrad(model=torch_net, target_layers=[])(input_tensor=one, targets=targets), expected)


@pytest.mark.parametrize("name", ["EigenCAM", "EigenGradCAM"])
def test_first_components_agree_except_for_their_sign(torch_net, batch, name):
    # The sign of a principal component is arbitrary: pytorch-grad-cam's is that of its linear algebra, ours makes the
    # largest value positive.
    layers = [torch_net.layer1[1]]
    targets = [ClassifierOutputTarget(3), ClassifierOutputTarget(1)]
    expected = getattr(theirs, name)(model=torch_net, target_layers=layers)(input_tensor=batch, targets=targets)
    cam = getattr(ours, name)(model=torch_net, target_layers=layers)
    found = cam(input_tensor=batch, targets=targets)
    scaled = cam._scaled
    cam._scaled = lambda made: scaled(type("", (), {"arrays": {"raw": -made.raw}, "map": made.map}))
    turned = cam(input_tensor=batch, targets=targets)
    for one, other, wanted in zip(found, turned, expected):
        assert min(np.abs(one - wanted).max(), np.abs(other - wanted).max()) <= 1e-4


def test_layers_may_be_given_by_name(torch_net, batch, model):
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    by_name = ours.GradCAM(model, ["features.12"])(x, [5])
    assert by_name.shape == (1, 64, 64) and by_name.min() >= 0 and by_name.max() == pytest.approx(1, abs=1e-5)


def test_an_unsupported_target_is_an_error(torch_net, batch):
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    cam = ours.GradCAM(torch_net, [torch_net.layer2])
    with pytest.raises(ValueError, match="ClassifierOutputSoftmaxTarget"):
        cam(batch, [ClassifierOutputSoftmaxTarget(1)] * 2)
    with pytest.raises(ValueError, match="1 targets for 2"):
        cam(batch, [ClassifierOutputTarget(1)])
