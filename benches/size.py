"""Size and build time of the program: the table "Size" of docs/benchmarks.md.

    python benches/size.py            # or `make size`; builds everything once, into a temporary folder
    python benches/size.py --dry      # prints the table and does not change the page

The crates must have been downloaded (`cargo fetch`). The time is processor time of all threads and
processes of the build, which depends little on other work of the machine. Needs only Python.
"""

import argparse
import datetime
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- size -->", "<!-- /size -->"

LARGEST = 25e6  # bytes of the program
LONGEST = 6 * 60  # seconds of processor time


def built(folder: Path) -> tuple[float, int]:
    """Seconds of processor time that a clean release build takes, and the bytes of the program."""
    environment = os.environ | {"CARGO_TARGET_DIR": str(folder)}
    # Other settings than the workspace's would be measured otherwise.
    for name in ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"):
        environment.pop(name, None)
    command = ["cargo", "build", "--release", "--locked", "--offline"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    name = "dvm.exe" if platform.system() == "Windows" else "dvm"
    return seconds, (folder / "release" / name).stat().st_size


def embedded() -> int:
    """Bytes of the program that are networks and fonts."""
    kept = [*(ROOT / "crates/dvm-zoo/embedded").iterdir(), *(ROOT / "crates/dvm-render/assets/fonts").iterdir()]
    return sum(path.stat().st_size for path in kept if path.suffix in (".safetensors", ".ttf", ".otf"))


def compiler() -> str:
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split(" (")[0]


def table(seconds: float, size: int, data: int) -> str:
    verdict = {True: "✓", False: "✗"}
    lines = [
        f"{platform.system()}, {platform.machine()}, {compiler()}, {datetime.date.today()}; `python benches/size.py`.",
        "",
        "| | | target |",
        "|---|---|---|",
        f"| the program | {size / 1e6:.1f} MB | ≤ {LARGEST / 1e6:.0f} MB {verdict[size <= LARGEST]} |",
        f"| of which networks and fonts | {data / 1e6:.1f} MB | – |",
        f"| clean release build, crates already downloaded: processor time | {seconds / 60:.1f} min "
        f"| ≤ {LONGEST / 60:.0f} min {verdict[seconds <= LONGEST]} |",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true", help="print the table and change no file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dvm-size-") as folder:
        seconds, size = built(Path(folder))
        written = table(seconds, size, embedded())
    print(written)
    if arguments.dry:
        return
    page = PAGE.read_text()
    if BEGIN not in page or END not in page:
        sys.exit(f"{PAGE}: {BEGIN} and {END} must mark where the table goes")
    before, rest = page.split(BEGIN, 1)
    PAGE.write_text(f"{before}{BEGIN}\n{written}\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    main()
