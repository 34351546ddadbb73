"""The server that `dvm serve` is compared with: a typical one of FastAPI and Captum. It has the same protocol for
`:explain`, the same network and weights, and computes the live window from the complete covered picture.

    python server_peer.py WEIGHTS.safetensors PORT

One process, as for `dvm serve`; PyTorch uses all cores for one request, and requests wait for each other (a lock: two
backward passes at once would be slower together).
"""

import base64
import io
import os
import sys
import threading

import torch
import torchvision
import uvicorn
from captum.attr import LayerAttribution, LayerGradCam
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
PREPARE = transforms.Compose(
    [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
)


def main(weights, port):
    torch.set_num_threads(os.cpu_count())
    net = torchvision.models.resnet18()
    net.load_state_dict(load_file(weights))
    net.eval()
    cam = LayerGradCam(net, net.layer4)
    lock = threading.Lock()
    pictures = {}
    app = FastAPI()

    def prepared(raw):
        return PREPARE(Image.open(io.BytesIO(raw)).convert("RGB"))[None]

    def explained(b64):
        with lock:
            x = prepared(base64.b64decode(b64))
            with torch.inference_mode():
                probabilities = net(x).softmax(1)[0]
            target = int(probabilities.argmax())
            coarse = cam.attribute(x, target=target, relu_attributions=True)
            map_ = LayerAttribution.interpolate(coarse, (224, 224), interpolate_mode="bilinear")[0, 0]
        return {"index": target, "probability": float(probabilities[target]), "map": map_.tolist()}

    def covered(request):
        x, whole = pictures[request["picture"]]
        (top, bottom), (left, right) = request["rows"], request["columns"]
        with lock, torch.inference_mode():
            changed = x.clone()
            changed[:, :, top:bottom, left:right] = x.mean(dim=(2, 3), keepdim=True)
            after = net(changed).softmax(1)[0]
        return {
            "classes": [
                {"index": index, "before": float(whole[index]), "after": float(after[index])}
                for index in request["classes"]
            ]
        }

    @app.post("/v1/models/resnet18:explain")
    async def explain(request: Request):
        body = await request.json()
        return {"explanations": [await run_in_threadpool(explained, one["b64"]) for one in body["instances"]]}

    @app.post("/api/pictures")
    async def put(request: Request):
        x = prepared(await request.body())
        with torch.inference_mode():
            pictures[str(len(pictures))] = (x, net(x).softmax(1)[0])
        return {"id": str(len(pictures) - 1)}

    @app.post("/api/window")
    async def window(request: Request):
        return await run_in_threadpool(covered, await request.json())

    @app.get("/health")
    async def health():
        return {"status": "ok"}

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
