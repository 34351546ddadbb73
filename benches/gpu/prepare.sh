#!/usr/bin/env bash
# Builds dvm with GPU support and its tests on a device, and collects in one folder what run.sh needs on a machine with
# a GPU. Run it on the developer's machine.
#
#   benches/gpu/prepare.sh [--cuda|--rocm] [FOLDER]        FOLDER: target/gpu-bench
#
# By default dvm uses Vulkan. --cuda and --rocm build in NVIDIA's and AMD's own interface, which is then preferred.
# Needs Rust and Python 3 with pip, which downloads Captum. PYTHON=… chooses the Python.
set -euo pipefail
MOST=64 # MiB
here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../..")
python=${PYTHON:-python3}

cli=gpu tests=dvm-gpu/wgpu,dvm/gpu folder=
for word in "$@"; do
    case $word in
    --cuda) cli=gpu-cuda tests=dvm-gpu/cuda,dvm/gpu-cuda ;;
    --rocm) cli=gpu-rocm tests=dvm-gpu/rocm,dvm/gpu-rocm ;;
    -*)
        echo "prepare.sh: there is no option $word; options are --cuda and --rocm" >&2
        exit 2
        ;;
    *) folder=$(realpath -m "$word") ;;
    esac
done
cd "$root"
folder=${folder:-$root/target/gpu-bench}
if [[ -e $folder && ! -e $folder/programs.tar.xz && -n $(ls -A "$folder") ]]; then
    echo "prepare.sh: $folder is not empty and was not made by prepare.sh; name another folder" >&2
    exit 1
fi

# built CARGO-ARGUMENTS: lines "CRATE PROGRAM" of what cargo built. The release profile strips symbols.
built() {
    cargo "$@" --release --locked --message-format=json-render-diagnostics | "$python" -c '
import json, pathlib, sys

for line in sys.stdin:
    found = json.loads(line)
    if found.get("executable") and set(found["target"]["kind"]) & {"bin", "test"}:
        print(pathlib.Path(found["manifest_path"]).parent.name, found["executable"])'
}

programs=$(built build -p dvm-cli --bin dvm --features "$cli")
programs+=$'\n'$(built test --no-run -p dvm-gpu -p dvm --features "$tests" --test gpu)

rm -rf "$folder"
mkdir -p "$folder"
# One solid archive: the programs contain the same weights. It marks a folder that may be replaced.
"$python" -c '
import lzma, sys, tarfile

NAMES = {"dvm-cli": "dvm", "dvm": "test-maps", "dvm-gpu": "test-ops"}
found = dict(line.split(" ", 1) for line in sys.stdin.read().splitlines() if line)
window = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 128 << 20}]
with lzma.open(sys.argv[1], "w", filters=window) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
    for crate, name in NAMES.items():
        archive.add(found[crate], name)' "$folder/programs.tar.xz" <<<"$programs"

mkdir "$folder/gpu" "$folder/peers" "$folder/python" "$folder/libraries"
cp "$here/run.sh" "$folder/"
cp "$here"/{compare,report,rows,worker}.py "$folder/gpu/"
cp benches/peers/{networks,peer,tables}.py "$folder/peers/"

captum=$(grep '^captum==' benches/peers/requirements.txt)
"$python" -m pip install --quiet --no-deps --no-compile --target "$folder/python" "$captum" ||
    echo "prepare.sh: $captum could not be installed; its rows need it on the other machine" >&2

# Vulkan's loader and what drivers need, for machines that lack them.
known=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p)
for library in libvulkan.so.1 libEGL.so.1 libGLdispatch.so.0 libX11.so.6 libXext.so.6 libxcb.so.1 libXau.so.6 \
    libXdmcp.so.6 libbsd.so.0 libmd.so.0; do
    file=$(awk -v name=$library '$1 == name && /x86-64/ { print $NF; exit }' <<<"$known")
    [[ -z $file ]] || cp -L "$file" "$folder/libraries/$library"
done

cat >"$folder/README.txt" <<README
dvm ($cli) beside PyTorch and Captum on a GPU, in under six minutes, without downloads:

    bash run.sh . OUT

Needs Linux on x86-64 and Python 3 with PyTorch and torchvision. OUT/results.md has the tables.
README

size=$(du -sm "$folder" | cut -f 1)
echo "$folder: $size MiB; copy it to the machine and run there: bash run.sh . OUT"
if ((size > MOST)); then
    echo "prepare.sh: the folder is larger than $MOST MiB" >&2
    exit 1
fi
