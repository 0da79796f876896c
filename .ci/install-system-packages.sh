#!/usr/bin/env bash
# Installs what the tests use besides Python packages, on Debian and Ubuntu, as root:
#   chromium    to look at the report as a reader does
#   libseccomp2 the sandbox's system-call filter (present on most systems)
# Without them the tests that need them are skipped by name, and pytest counts the skips.
set -euo pipefail

packages=(chromium libseccomp2)

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "not root on a system with apt: install ${packages[*]} by hand" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
