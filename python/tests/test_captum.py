"""dvm.captum compared with Captum: the same code, the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import dvm

torch = pytest.importorskip("torch")
attr = pytest.importorskip("captum.attr")

from dvm import captum as ours  # noqa: E402

TOLERANCE = 1e-4


def agree(found, expected) -> None:
    assert isinstance(found, torch.Tensor)
    assert found.shape == expected.shape
    expected = expected.detach()
    assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max()


@pytest.mark.parametrize("name", ["Saliency", "InputXGradient", "GuidedBackprop", "Deconvolution"])
@pytest.mark.filterwarnings("ignore")
def test_gradients_agree(torch_net, batch, name):
    expected = getattr(attr, name)(torch_net).attribute(batch.clone().requires_grad_(), target=[3, 1])
    agree(getattr(ours, name)(torch_net).attribute(batch, target=[3, 1]), expected)


def test_a_signed_saliency_keeps_its_sign(torch_net, batch):
    expected = attr.Saliency(torch_net).attribute(batch.clone().requires_grad_(), target=2, abs=False)
    agree(ours.Saliency(torch_net).attribute(batch, target=2, abs=False), expected)


@pytest.mark.parametrize("baselines", [None, 0, 0.3, "picture", "each"])
def test_integrated_gradients_agree(torch_net, batch, baselines):
    if baselines == "picture":
        baselines = batch[:1] * 0.5
    elif baselines == "each":
        baselines = batch.flip(0) * 0.5
    expected = attr.IntegratedGradients(torch_net).attribute(
        batch, baselines, target=1, n_steps=20, return_convergence_delta=True
    )
    found = ours.IntegratedGradients(torch_net).attribute(
        batch, baselines, target=1, n_steps=20, return_convergence_delta=True
    )
    agree(found[0], expected[0])
    scale = expected[0].abs().sum(dim=(1, 2, 3))
    assert ((found[1] - expected[1]).abs() <= TOLERANCE * scale).all()


def apart(network):
    """A copy in which a ReLU and a max-pool share no tensor: otherwise Captum's hooks give the first of them the
    gradient before the rule of the second."""
    import copy

    class Apart(torch.nn.Module):
        def forward(self, x):
            return x * 1.0

    network = copy.deepcopy(network)
    stem = network.stem
    network.stem = torch.nn.Sequential(stem[0], stem[1], Apart(), stem[2], Apart())
    return network


@pytest.mark.filterwarnings("ignore")
def test_deeplift_for_one_baseline_and_several_agrees(torch_net, batch):
    torch_net = apart(torch_net)
    # For a baseline of one colour, values under a max-pool are equal, and the largest is arbitrary.
    base = torch.randn_like(batch[:1])
    agree(
        ours.DeepLift(torch_net).attribute(batch, base, target=4),
        attr.DeepLift(torch_net).attribute(batch, base.expand_as(batch), target=4),
    )
    many = torch.stack([batch[0] * 0.1, batch[1] * -0.2, batch[1] + 0.3])
    agree(
        ours.DeepLiftShap(torch_net).attribute(batch, many, target=4),
        attr.DeepLiftShap(torch_net).attribute(batch, many, target=4),
    )


@pytest.mark.parametrize("baselines", [0, 0.5])
@pytest.mark.parametrize(
    ("window", "strides"), [((3, 15, 15), (3, 8, 8)), ((3, 12, 20), (3, 12, 7)), ((3, 16, 16), 16)]
)
def test_occlusion_agrees(torch_net, batch, window, strides, baselines):
    keywords = {"sliding_window_shapes": window, "strides": strides, "target": 3, "baselines": baselines}
    expected = attr.Occlusion(torch_net).attribute(batch, perturbations_per_eval=32, **keywords)
    agree(ours.Occlusion(torch_net).attribute(batch, **keywords), expected)


def test_feature_ablation_agrees(torch_net, batch):
    mask = (torch.arange(64)[:, None] // 16 * 4 + torch.arange(64)[None] // 16)[None, None]
    expected = attr.FeatureAblation(torch_net).attribute(batch, target=1, feature_mask=mask)
    agree(ours.FeatureAblation(torch_net).attribute(batch, target=1, feature_mask=mask), expected)


def test_shapley_values_agree_within_their_standard_errors(torch_net, batch):
    mask = (torch.arange(64)[:, None] // 32 * 2 + torch.arange(64)[None] // 32)[None, None]
    one = batch[:1]
    exact = attr.ShapleyValues(torch_net).attribute(one, target=1, feature_mask=mask)
    for method, samples in ((ours.ShapleyValueSampling(torch_net), 400), (ours.KernelShap(torch_net), 2000)):
        found = method.attribute(one, target=1, feature_mask=mask, n_samples=samples)
        assert (found - exact).abs().max() <= 0.1 * exact.abs().max()


@pytest.mark.parametrize("name", ["stem", "layer1", "layer1.1", "layer1.0.relu1", "layer2"])
def test_grad_cam_of_any_layer_agrees(torch_net, batch, name):
    layer = torch_net.get_submodule(name)
    expected = attr.LayerGradCam(torch_net, layer).attribute(batch, target=[0, 5])
    agree(ours.LayerGradCam(torch_net, layer).attribute(batch, target=[0, 5]), expected)
    upsampled = ours.LayerAttribution.interpolate(expected, (64, 64), "bilinear")
    assert torch.equal(upsampled, attr.LayerAttribution.interpolate(expected, (64, 64), "bilinear"))


@pytest.mark.filterwarnings("ignore")
def test_guided_grad_cam_agrees(torch_net, batch):
    layer = torch_net.layer1
    expected = attr.GuidedGradCam(torch_net, layer).attribute(batch.clone().requires_grad_(), target=2)
    agree(ours.GuidedGradCam(torch_net, layer).attribute(batch, target=2), expected)


@pytest.mark.parametrize("kind", ["smoothgrad", "smoothgrad_sq", "vargrad"])
def test_a_noise_tunnel_draws_the_same_noise(torch_net, batch, kind):
    keywords = {"nt_type": kind, "nt_samples": 4, "stdevs": 0.2, "target": 1}
    torch.manual_seed(5)
    expected = attr.NoiseTunnel(attr.Saliency(torch_net)).attribute(batch.clone(), **keywords)
    torch.manual_seed(5)
    agree(ours.NoiseTunnel(ours.Saliency(torch_net)).attribute(batch, **keywords), expected)


@pytest.mark.parametrize("stdevs", [0.0, 0.1])
def test_gradient_shap_draws_the_same_numbers(torch_net, batch, stdevs):
    many = torch.stack([batch[0] * 0.1, batch[1] * -0.2, batch[1] + 0.3])
    keywords = {"n_samples": 6, "stdevs": stdevs, "target": [1, 4]}
    found = []
    for method in (attr.GradientShap(torch_net), ours.GradientShap(torch_net)):
        torch.manual_seed(5)
        np.random.seed(5)
        found.append(method.attribute(batch.clone(), many, **keywords))
    agree(found[1], found[0])


def test_the_value_of_a_layer_is_returned(torch_net, batch):
    layer = torch_net.layer1[0]
    expected = attr.LayerActivation(torch_net, layer).attribute(batch)
    agree(ours.LayerActivation(torch_net, layer).attribute(batch), expected)


def test_a_network_with_changed_weights_is_opened_again(torch_net, batch):
    import copy

    net = copy.deepcopy(torch_net)
    method = ours.Saliency(net)
    before = method.attribute(batch, target=1)
    with torch.no_grad():
        net.fc.weight.mul_(2)
    after = method.attribute(batch, target=1)
    agree(after, before * 2)


def test_a_module_keeps_its_mode_and_its_gradients(torch_net, batch):
    net = torch_net.train()
    net.zero_grad(set_to_none=True)
    try:
        ours.Saliency(net).attribute(batch, target=1)
        assert net.training and net.stem.training
        assert all(parameter.grad is None for parameter in net.parameters())
    finally:
        net.eval()


def test_arrays_give_arrays(model):
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    found = ours.Saliency(model).attribute(x, target=3)
    assert isinstance(found, np.ndarray) and found.shape == x.shape


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda n, x: ours.Saliency(n).attribute(x), "target"),
        (lambda n, x: ours.Saliency(n).attribute(x, target=[1, 2, 3]), "3 targets for 2"),
        (lambda n, x: ours.Saliency(n).attribute(x, target=99), "99"),
        (lambda n, x: ours.Saliency(n).attribute((x, x), target=1), "several"),
        (lambda n, x: ours.Saliency(n).attribute(x, target=1, additional_forward_args=(1,)), "additional"),
        (lambda n, x: ours.Occlusion(n).attribute(x, (1, 8, 8), target=1), "all channels"),
        (lambda n, x: ours.FeatureAblation(n).attribute(x, target=1), "feature_mask"),
        (lambda n, x: ours.IntegratedGradients(n).attribute(x, target=1, method="riemann_left"), "riemann_left"),
        (lambda n, x: ours.IntegratedGradients(n).attribute(x, x[:, :, :8], target=1), "shape"),
        (lambda n, x: ours.Saliency(lambda y: y), "function"),
    ],
)
def test_unsupported_arguments_are_an_error(torch_net, batch, act, words):
    with pytest.raises((ValueError, TypeError), match=words):
        act(torch_net, batch)


def test_a_network_whose_export_computes_something_else_is_an_error(batch):
    class Random(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(3, 4)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return self.fc(x.mean(dim=(2, 3))) * float(self.calls)

    with pytest.raises(dvm.ModelError, match="differ from those of Random"):
        dvm.from_torch(Random(), batch)


def test_a_module_that_is_no_classifier_is_an_error(batch):
    with pytest.raises(dvm.ModelError, match="not an image classifier"):
        dvm.from_torch(torch.nn.Conv2d(3, 4, 1), batch)
