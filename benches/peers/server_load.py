"""Load test of `dvm serve` and of a FastAPI + Captum server with the same functions (`server_peer.py`), on loopback:
latency and throughput of `:explain` with Grad-CAM and of the live window on ResNet18 at 1, 8 and 64 clients; memory
over many requests; kill -9 and restart under load.

    python server_load.py --dvm PATH/dvm --weights resnet18.safetensors --picture photo.png [--json FILE]

Needs `httpx`, `fastapi`, `uvicorn` and the packages in `requirements.txt`. Each measurement takes `--seconds` (5), and at most as
long again for the last responses; `--only` runs one of the three parts. Clients keep their connections and send the next
request after the last response. The queue has 64 places, so no request of the 64 clients is refused (a 429 would be
counted, and sent again after a tenth of a second).
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

HERE = Path(__file__).resolve().parent
CLIENTS = (1, 8, 64)
#: The longest that anything may keep a client waiting before it counts as silence.
PATIENCE = 60.0


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Server:
    """A process that serves on a port."""

    def __init__(self, name, command, port):
        self.name, self.command, self.port = name, command, port
        self.base = f"http://127.0.0.1:{port}"
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"{self.base}/health").is_success:
                    return
            except httpx.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{self.name} does not start")
            time.sleep(0.05)

    def resident(self):
        """Bytes of memory that the process holds."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=90)


def explain_body(picture, maps=None):
    instance = {"b64": base64.b64encode(picture).decode()}
    body = {"instances": [instance]}
    if maps:
        body["parameters"] = {"method": "grad-cam", "maps": maps}
    return json.dumps(body).encode()


def window_bodies(picture_id):
    """A window of 40 × 40 that moves over the crop."""
    return [
        json.dumps(
            {
                "picture": picture_id,
                "model": "resnet18",
                "rows": [top, top + 40],
                "columns": [left, left + 40],
                "classes": [0, 1, 2],
            }
        ).encode()
        for top in range(0, 184, 23)
        for left in range(0, 184, 23)
    ]


async def load(base, path, bodies, clients, seconds):
    """Latencies in seconds, answers per second, and how many answers there were of each status."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    headers = {"Content-Type": "application/json"}
    took, statuses = [], {}
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=PATIENCE) as http:
        start = time.perf_counter()

        async def client(number):
            turn = number
            while time.perf_counter() - start < seconds:
                sent = time.perf_counter()
                try:
                    answer = await http.post(path, content=bodies[turn % len(bodies)], headers=headers)
                except httpx.TimeoutException:
                    statuses["silent"] = statuses.get("silent", 0) + 1
                    continue
                statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
                if answer.status_code == 429:
                    await asyncio.sleep(0.1)
                    continue
                answer.raise_for_status()
                took.append(time.perf_counter() - sent)
                turn += clients

        await asyncio.gather(*(client(number) for number in range(clients)))
        whole = time.perf_counter() - start
    return took, len(took) / whole, statuses


def quantiles(took):
    if not took:
        return {"p50_ms": None, "p99_ms": None, "answers": 0}
    took = sorted(took)
    at = lambda share: took[min(len(took) - 1, int(share * len(took)))] * 1000
    return {"p50_ms": round(at(0.5), 2), "p99_ms": round(at(0.99), 2), "answers": len(took)}


def put(server, picture):
    headers = {"Content-Type": "application/octet-stream"}
    answer = httpx.post(f"{server.base}/api/pictures?name=load.png", content=picture, headers=headers, timeout=PATIENCE)
    answer.raise_for_status()
    return answer.json()["id"]


def measure(server, picture, seconds):
    works = {
        "explain": ("/v1/models/resnet18:explain", [explain_body(picture)]),
        "window": ("/api/window", window_bodies(put(server, picture))),
    }
    found = []
    for work, (path, bodies) in works.items():
        asyncio.run(load(server.base, path, bodies, 1, 0.5))
        for clients in CLIENTS:
            took, rate, statuses = asyncio.run(load(server.base, path, bodies, clients, seconds))
            found.append(
                {"server": server.name, "work": work, "clients": clients, **quantiles(took),
                 "per_second": round(rate, 1), "refused": statuses.get(429, 0), "without_answer": statuses.get("silent", 0)}
            )
            print(json.dumps(found[-1]), flush=True)
    return found


async def many(base, path, bodies, count, clients, seen):
    """So many requests, as fast as they go; `seen` is called after every tenth of them."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    headers = {"Content-Type": "application/json"}
    done = 0
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=PATIENCE) as http:

        async def client(number):
            nonlocal done
            for turn in range(number, count, clients):
                answer = await http.post(path, content=bodies[turn % len(bodies)], headers=headers)
                answer.raise_for_status()
                done += 1
                if done % max(1, count // 10) == 0:
                    seen(done)

        await asyncio.gather(*(client(number) for number in range(clients)))


def memory(server, picture, count):
    """The memory held after each tenth of so many requests: explanations, then windows."""
    windows = window_bodies(put(server, picture))
    found = []
    for work, path, bodies, share in [
        ("explain", "/v1/models/resnet18:explain", [explain_body(picture, "npy")], 0.05),
        ("window", "/api/window", windows, 0.95),
    ]:
        held = []
        asyncio.run(
            many(server.base, path, bodies, int(count * share), 8, lambda done: held.append((done, server.resident() >> 20)))
        )
        found.append({"server": server.name, "work": work, "requests": int(count * share), "held_mib": held})
        print(json.dumps(found[-1]), flush=True)
    return found


def survive(server, picture, seconds=4.0, clients=16):
    """Kills the server under load and starts it again. Every request that was sent must end: by an answer, or by an
    error of the connection. What takes longer than the patience of its client is silence."""
    ended = {"answered": 0, "refused": 0, "error": 0, "silent": 0}
    body = explain_body(picture, "npy")
    headers = {"Content-Type": "application/json"}

    async def run():
        start = time.perf_counter()
        async with httpx.AsyncClient(base_url=server.base, timeout=httpx.Timeout(PATIENCE)) as http:

            async def client():
                while time.perf_counter() - start < seconds:
                    try:
                        answer = await http.post("/v1/models/resnet18:explain", content=body, headers=headers)
                        ended["answered" if answer.is_success else "refused"] += 1
                    except httpx.TimeoutException:
                        ended["silent"] += 1
                    except httpx.TransportError:
                        ended["error"] += 1
                        await asyncio.sleep(0.05)

            async def killer():
                await asyncio.sleep(seconds / 3)
                await asyncio.to_thread(server.stop, signal.SIGKILL)
                await asyncio.to_thread(server.start)

            await asyncio.gather(killer(), *(client() for _ in range(clients)))
            after = await http.post("/v1/models/resnet18:explain", content=body, headers=headers)
            after.raise_for_status()

    asyncio.run(run())
    found = {"server": server.name, "work": "kill -9 and restart", **ended}
    print(json.dumps(found), flush=True)
    if ended["silent"] or not ended["answered"] or not ended["error"]:
        sys.exit("a client was left without a word, or nothing was killed")
    return [found]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--dvm", required=True, help="the program")
    parser.add_argument("--weights", required=True, help="ResNet18 of torchvision as .safetensors")
    parser.add_argument("--picture", required=True)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure")
    parser.add_argument("--requests", type=int, default=10_000, help="over which memory is watched")
    parser.add_argument("--only", choices=["speed", "memory", "kill"], help="one part alone")
    parser.add_argument("--no-peer", action="store_true", help="without the FastAPI server")
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    picture = Path(given.picture).read_bytes()

    def dvm():
        port = free_port()
        command = [given.dvm, "serve", "--model", "resnet18", "--weights", given.weights]
        command += ["--port", str(port), "--queue", "64", "--log", "none"]
        return Server("dvm", command, port)

    def peer():
        port = free_port()
        command = [sys.executable, str(HERE / "server_peer.py"), given.weights, str(port)]
        return Server("fastapi+captum", command, port)

    found = []
    if given.only in (None, "speed"):
        for make in [dvm] if given.no_peer else [dvm, peer]:
            server = make()
            try:
                found += measure(server, picture, given.seconds)
            finally:
                server.stop()
    parts = {"memory": lambda server: memory(server, picture, given.requests), "kill": lambda server: survive(server, picture)}
    for name, part in parts.items():
        if given.only not in (None, name):
            continue
        server = dvm()
        try:
            found += part(server)
        finally:
            code = server.stop()
        if code != 0:
            sys.exit(f"after SIGTERM the server ends with {code}")
    if given.json:
        text = {"cores": os.cpu_count(), "figures": found}
        given.json.write_text(json.dumps(text, indent=1) + "\n")


if __name__ == "__main__":
    main()
