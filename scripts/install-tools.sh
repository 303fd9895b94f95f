#!/usr/bin/env bash
# Installs the programs that some tests and the benchmark run: wrk, redis-server, strace, e2fsprogs, python3, postgresql. Needs root on Debian or Ubuntu.
# Exits 1 and names what is missing where it cannot.
set -euo pipefail

declare -A package=([wrk]=wrk [redis-server]=redis-server [strace]=strace [mkfs.ext4]=e2fsprogs [python3]=python3)

missing() {
  for program in "${!package[@]}"; do
    command -v "$program" >/dev/null || echo "${package[$program]}"
  done | sort
  # Its server is not on the PATH: Debian keeps one a version.
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
}

wanted=$(missing)
[ -z "$wanted" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  # PostgreSQL makes a cluster of its own when it is installed, and starts it, unless it is told not to.
  if [[ $wanted == *postgresql* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  # A new package list first: an old one names files that are gone. Run level 1 keeps apt from starting a server.
  # shellcheck disable=SC2086 -- one word a package
  { apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $wanted; } >/dev/null ||
    echo "install-tools: apt-get failed" >&2
else
  echo "install-tools: not root, or no apt-get" >&2
fi

wanted=$(missing)
[ -z "$wanted" ] && exit 0
echo "install-tools: MISSING $(echo $wanted); install with: sudo apt-get install $(echo $wanted)" >&2
exit 1
