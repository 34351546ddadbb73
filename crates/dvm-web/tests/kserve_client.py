"""KServe's own Python client (kserve 0.21) talks to a running `dvm serve`, by V1 and by V2, in JSON and in binary data.
Not part of the usual tests: the client brings sixty packages.

    pip install kserve==0.21.0
    dvm serve --port 8080 &
    python kserve_client.py http://127.0.0.1:8080 efficientnet_lite0 photo.png
"""

import asyncio
import base64
import sys
from pathlib import Path

import httpx
import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def image(raw, count):
    given = InferInput("image", [count], "BYTES")
    given.set_data_from_numpy(np.array([raw] * count, np.object_))
    return given


def outputs(answer):
    return {output.name: output.as_numpy() for output in answer.outputs}


async def first(client, base, model, raw):
    """V1: readiness, predictions of every form of an instance, an explanation, an error. Gives the map."""
    b64 = base64.b64encode(raw).decode()
    assert await client.is_model_ready(base, model)
    forms = [{"b64": b64}, {"image": {"b64": b64}}, {"image_bytes": {"b64": b64}}]
    said = (await client.infer(base, {"instances": forms}, model_name=model))["predictions"]
    assert len(said) == 3 and said[0] == said[1] == said[2], said
    body = {"instances": forms[:1], "parameters": {"method": "grad-cam", "class": said[0]["index"]}}
    told = await client.explain(base, model, body)
    (explanation,) = told["explanations"]
    assert explanation["class"] == said[0]["class"] == told["predictions"][0]["class"]
    made = np.array(explanation["map"], np.float32)
    assert list(made.shape) == explanation["shape"]
    try:
        await client.infer(base, {"instances": [{"b64": "%"}]}, model_name=model)
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 400 and "base64" in str(error), error
    else:
        raise AssertionError("a broken picture is refused")
    return said[0], made


async def second(client, base, model, raw, prediction, made):
    """V2: health, readiness, files and tensors, maps, in JSON and in binary data."""
    assert await client.is_server_live(base) and await client.is_server_ready(base)
    assert await client.is_model_ready(base, model) and await client.is_model_ready(base, model + ":grad-cam")
    assert not await client.is_model_ready(base, "nothing")
    found = outputs(await client.infer(base, InferRequest(model, [image(raw, 1)]), model_name=model))
    assert found["class"].tolist() == [prediction["index"]], found["class"]
    assert np.isclose(found["probabilities"].max(), prediction["probability"], rtol=1e-6)
    parameters = {"class": prediction["index"], "binary_data_output": True}
    asked = InferRequest(model, [image(raw, 2)], parameters=parameters)
    found = outputs(await client.infer(base, asked, model_name=model + ":grad-cam"))
    assert found["map"].shape == (2, *made.shape) and found["map"].dtype == np.float32
    assert np.array_equal(found["map"][0], made) and np.array_equal(found["map"][1], made)
    numbers = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    logits = []
    for is_binary in (True, False):
        given = InferInput("input", list(numbers.shape), "FP32")
        given.set_data_from_numpy(numbers, binary_data=is_binary)
        wanted = [RequestedOutput("logits", {"binary_data": is_binary})]
        asked = InferRequest(model, [given], request_outputs=wanted)
        logits.append(outputs(await client.infer(base, asked, model_name=model))["logits"])
    assert np.array_equal(*logits)


async def main(base, model, picture):
    raw = Path(picture).read_bytes()
    prediction, made = await first(InferenceRESTClient(RESTConfig(protocol="v1")), base, model, raw)
    await second(InferenceRESTClient(RESTConfig(protocol="v2")), base, model, raw, prediction, made)
    print(f"V1 and V2: {prediction['class']} {prediction['probability']:.4f}, a map of {made.shape}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
