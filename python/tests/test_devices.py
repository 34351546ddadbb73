"""Devices, without a GPU."""

from __future__ import annotations

import warnings

import pytest

import dvm


def test_the_cpu_is_the_first_device():
    first, *others = dvm.devices()
    assert (first["device"], first["name"]) == ("cpu", "CPU")
    assert first["interface"] and not first["is_software"]
    assert [other["device"] for other in others] == [f"gpu:{number}" for number in range(len(others))]


def test_a_wrong_word_is_an_error():
    with pytest.raises(dvm.UsageError, match="gpu:N"):
        dvm.load("squeezenet1_1", device="cuda")


def test_a_gpu_that_does_not_exist_is_an_error():
    with pytest.raises(dvm.DeviceError):
        dvm.load("squeezenet1_1", device="gpu:999")


def test_exact_arithmetic_is_only_on_the_cpu():
    with pytest.raises(dvm.DeviceError, match="exact"):
        dvm.load("squeezenet1_1", device="gpu", exact=True)


def test_auto_says_why_it_computes_on_the_cpu(noise):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = dvm.load("squeezenet1_1", device="auto")
    assert model.classify(noise).ranked
    said = [str(warning.message) for warning in caught if "computing on the CPU" in str(warning.message)]
    assert (model.device == "cpu") == (len(said) == 1)


def test_the_cpu_is_the_default_and_not_in_the_record(model, noise):
    assert model.device == "cpu"
    assert "device" not in model.explain(noise, "gradient").record["model"]
