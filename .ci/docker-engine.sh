#!/usr/bin/env bash
# A Docker engine for the tests, on Debian and Ubuntu, as root and without an init system:
#   docker-engine.sh start FOLDER   install what is missing, start the engine, and wait for it;
#                                   FOLDER/environment then sets DOCKER_HOST for who sources it
#   docker-engine.sh stop FOLDER    stop it and remove FOLDER
# It has no network, asks no registry, and knows gVisor (`runsc`) where that can be had. Where an
# engine answers already, by DOCKER_HOST or at the usual socket, that one is used and left alone.
set -euo pipefail

usage="usage: docker-engine.sh start|stop FOLDER"
action=${1:?$usage}
folder=${2:?$usage}
wait_s=60
install_s=240

# Not by Docker's own client, which some distributions pack apart from the engine.
answers() {
    timeout 5 python3 - "$1" <<'PYTHON' >/dev/null 2>&1
import socket, sys, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
if url.scheme == "unix":
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(url.path)
else:
    engine = socket.create_connection((url.hostname, url.port))
engine.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
sys.exit(b" 200 " not in engine.recv(4096))
PYTHON
}

apt() {
    DEBIAN_FRONTEND=noninteractive timeout "$install_s" apt-get -qq -o Acquire::Retries=0 \
        -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10 "$@" >/dev/null
}

install_packages() {
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        echo "not root on a system with apt: install docker.io, iptables and runsc by hand" >&2
        return 1
    fi
    apt update || return 1
    if ! command -v dockerd >/dev/null; then
        apt install -y --no-install-recommends docker.io iptables || return 1
    fi
    # Not every distribution has it.
    apt install -y --no-install-recommends runsc || echo "no runsc: gVisor tests skip" >&2
}

write_configuration() {
    local runsc
    if runsc=$(command -v runsc); then
        # The other platforms are missing in Debian's build, or hang.
        printf '{"runtimes": {"runsc": {"path": "%s", "runtimeArgs": ["%s", "%s"]}}}\n' \
            "$runsc" --platform=ptrace --network=none
    else
        echo '{}'
    fi >"$folder/daemon.json"
}

start() {
    local usual=${DOCKER_HOST:-unix:///var/run/docker.sock} own="unix://$folder/docker.sock"
    mkdir -p "$folder"
    if answers "$usual"; then
        echo "export DOCKER_HOST=$usual" >"$folder/environment"
        return
    fi
    if ! command -v dockerd >/dev/null || ! command -v runsc >/dev/null; then
        install_packages || true
    fi
    if ! command -v dockerd >/dev/null; then
        echo "the Docker engine is missing" >&2
        return 1
    fi
    write_configuration
    setsid dockerd --config-file="$folder/daemon.json" --host="$own" --pidfile="$folder/pid" \
        --data-root="$folder/data" --exec-root="$folder/exec" --bridge=none \
        --iptables=false --ip6tables=false --exec-opt native.cgroupdriver=cgroupfs \
        >"$folder/log" 2>&1 </dev/null &
    local engine=$! deadline=$((SECONDS + wait_s))
    until answers "$own"; do
        if ! kill -0 "$engine" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            echo "the Docker engine did not start; its last words:" >&2
            tail -n 5 "$folder/log" >&2
            return 1
        fi
        sleep 0.2
    done
    echo "export DOCKER_HOST=$own" >"$folder/environment"
}

mounts_below() { awk -v below="$folder/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo; }

stop() {
    if [ -f "$folder/pid" ]; then
        local engine
        engine=$(cat "$folder/pid")
        kill "$engine" 2>/dev/null || true
        for _ in $(seq $((wait_s * 5))); do
            kill -0 "$engine" 2>/dev/null || break
            sleep 0.2
        done
    fi
    # The engine forgets some of its own; the deepest comes last.
    mounts_below | tac | while read -r point; do umount "$point" || true; done
    rm -rf "$folder"
}

case $action in
    start)
        start || {
            stop
            exit 1
        }
        ;;
    stop) stop ;;
    *)
        echo "$usage" >&2
        exit 2
        ;;
esac
