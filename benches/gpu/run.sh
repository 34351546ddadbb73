#!/usr/bin/env bash
# Tests and measures dvm on the GPU of this machine, beside PyTorch and Captum. Takes under six minutes and downloads
# nothing. What was measured is always written.
#
#   run.sh FOLDER OUT [options of compare.py]
#
# FOLDER was made by prepare.sh. Needs Linux on x86-64, bash, coreutils, and Python 3; PyTorch and torchvision for the
# comparison. PYTHON=… chooses the Python. A rehearsal without a GPU: run.sh FOLDER OUT --device cpu --quick
set -u
TOTAL=350
if [[ $# -lt 2 ]]; then
    echo "usage: run.sh FOLDER OUT [options of compare.py]" >&2
    exit 2
fi
mkdir -p "$2" || exit
folder=$(realpath "$1") out=$(realpath "$2")
shift 2
python=${PYTHON:-python3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

left() { echo $((TOTAL - SECONDS)); }

# limited SECONDS COMMAND: never longer than the time that is left.
limited() {
    local limit=$1
    shift
    ((limit <= $(left))) || limit=$(left)
    ((limit > 0)) || return 124
    timeout -k 5 "$limit" "$@"
}

known=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null)
has_library() { [[ $known == *"$1"* ]]; }

add_libraries() { export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$1"; }

# Vulkan: the loader, which machines for computing often lack, and NVIDIA's driver.
find_vulkan() {
    local file
    mkdir "$place/libraries"
    for file in "$folder"/libraries/*; do
        [[ -e $file ]] && ! has_library "${file##*/}" && ln -s "$file" "$place/libraries/"
    done
    add_libraries "$place/libraries"
    [[ -d /usr/local/nvidia/lib64 ]] && add_libraries /usr/local/nvidia/lib64
    [[ -n ${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-} ]] && return
    for file in {/usr/share,/usr/local/share,/etc}/vulkan/icd.d/*nvidia*.json; do
        [[ -e $file ]] && return
    done
    for file in /usr/local/nvidia/{share/,}vulkan/icd.d/*.json; do
        [[ -e $file ]] && export VK_DRIVER_FILES=$file VK_ICD_FILENAMES=$file && return
    done
    for file in libEGL_nvidia.so.0 libGLX_nvidia.so.0; do
        if has_library $file; then
            echo "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"$file\", \"api_version\": \"1.3.0\"}}" \
                >"$place/nvidia.json"
            export VK_DRIVER_FILES=$place/nvidia.json VK_ICD_FILENAMES=$place/nvidia.json
            return
        fi
    done
}

# CUDA: its compiler and headers, which PyTorch's packages bring along.
find_cuda() {
    local packages file
    packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    if ! has_library libnvrtc.so; then
        for file in "$packages"/nvidia/*/lib/libnvrtc.so.* /usr/local/cuda/lib64/libnvrtc.so.*; do
            [[ -e $file ]] && add_libraries "${file%/*}" && break
        done
    fi
    if [[ -z ${CUDA_PATH:-} && ! -e /usr/local/cuda && ! -e /opt/cuda ]]; then
        for file in "$packages"/nvidia/*/include/cuda_runtime.h; do
            [[ -e $file ]] && export CUDA_PATH=${file%/include/*} && break
        done
    fi
}

# test NAME SECONDS: runs a test program and adds its last line to the facts.
facts=() failed=0
run_tests() {
    local name=$1 start=$SECONDS line result=""
    limited "$2" "$place/$name" >"$out/$name.txt" 2>&1
    local status=$?
    while read -r line; do
        [[ $line == "test result:"* ]] && result=${line#test result: }
    done <"$out/$name.txt"
    [[ -n $result ]] || result="no result, exit code $status (124: stopped at the time limit)."
    ((status == 0)) || failed=1
    echo "== $name: $result"
    ((status == 0)) || tail -n 40 "$out/$name.txt"
    facts+=(--fact "\`$name\` on the device, $((SECONDS - start)) s: $result")
}

"$python" -m tarfile -e "$folder/programs.tar.xz" "$place" || exit
export PYTHONPATH="$folder/python${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
find_vulkan
find_cuda

echo "== devices"
{
    limited 20 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader ||
        limited 20 rocm-smi --showproductname --showdriverversion
    limited 40 "$place/dvm" devices
} 2>&1 | tee "$out/devices.txt"

run_tests test-ops 70
run_tests test-maps 50

echo "== comparison"
limited "$(left)" "$python" "$folder/gpu/compare.py" --dvm "$place/dvm" --out "$out" --seconds $(($(left) - 8)) \
    "${facts[@]}" "$@" 2>&1 | tee "$out/log.txt"
((PIPESTATUS[0] == 0)) || failed=1
echo "== $SECONDS s; results.md and results.json are in $out"
exit $failed
