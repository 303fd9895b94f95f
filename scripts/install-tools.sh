#!/usr/bin/env bash
# Installs the programs that some tests and the benchmark run: wrk, redis-server, strace, e2fsprogs, python3, nats-server, postgresql. Needs root on Debian or Ubuntu.
# What stands in for Amazon SQS comes from PyPI, what stands in for MongoDB is built with Go, both into the user's cache folder.
# Exits 1 and names what is missing where it cannot.
set -euo pipefail

declare -A package=([wrk]=wrk [redis-server]=redis-server [strace]=strace [mkfs.ext4]=e2fsprogs [python3]=python3)
package[nats-server]=nats-server

# As in scripts/services/sqs.ts.
moto="${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/moto-5.2.1"

missing() {
  for program in "${!package[@]}"; do
    command -v "$program" >/dev/null || echo "${package[$program]}"
  done | sort
  # Its server is not on the PATH: Debian keeps one a version.
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
  python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
}

# The last file says that it is whole.
install_moto() {
  [ -e "$moto/whole" ] && return
  rm -rf "$moto"
  mkdir -p "$(dirname "$moto")"
  { python3 -m venv "$moto" && "$moto/bin/pip" install --quiet --disable-pip-version-check \
    'moto[sqs]==5.2.1' 'flask==3.1.2' 'flask-cors==6.0.1' && touch "$moto/whole"; } >&2 && return
  echo "install-tools: MISSING moto_server, which stands in for Amazon SQS: python3 with venv, and PyPI, are needed" >&2
  return 1
}

# As in scripts/services/mongodb.ts.
ferretdb="${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/ferretdb-1.24.0-1"

# FerretDB's own source, with lookups by index built in: see services/ferretdb/sqlite/pushdown.go.
build_ferretdb() {
  local work sqlite
  work=$(mktemp -d)
  cd "$(dirname "$0")/services/ferretdb" && command -v go && timeout 300 go mod download || return 1
  cp -r "$(go list -m -f '{{.Dir}}' github.com/FerretDB/FerretDB)" "$work/source" && chmod -R u+w "$work" || return 1
  cp go.mod go.sum main.go "$work"
  sqlite="$work/source/internal/backends/sqlite"
  cp sqlite/pushdown.go "$sqlite"
  sed -i "s/->'\$\._id'/->'_id'/" "$sqlite/metadata/metadata.go"
  sed -i 's/^\tq += whereClause$/\twhereClause, args = prepareWhereClause(params.Filter)\n&/' "$sqlite/collection.go"
  grep -q -e "->'_id'" "$sqlite/metadata/metadata.go" && grep -q prepareWhereClause "$sqlite/collection.go" || return 1
  cd "$work" && go mod edit -replace github.com/FerretDB/FerretDB=./source || return 1
  timeout 900 go build -trimpath -o "$ferretdb" . || return 1
  rm -rf "$work"
}

# Takes some three minutes the first time. Where there is a mongod, tests run against that.
install_ferretdb() {
  command -v mongod >/dev/null && return
  [ -e "$ferretdb" ] && return
  mkdir -p "$(dirname "$ferretdb")"
  (build_ferretdb) >&2 && return
  echo "install-tools: MISSING FerretDB, which stands in for MongoDB: Go (https://go.dev/dl) and its module proxy are needed, or mongod on the PATH" >&2
  return 1
}

wanted=$(missing)
if [ -z "$wanted" ]; then
  :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
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

failed=0
install_moto || failed=1
(install_ferretdb) || failed=1
wanted=$(missing)
[ -z "$wanted" ] && exit "$failed"
echo "install-tools: MISSING $(echo $wanted); install with: sudo apt-get install $(echo $wanted)" >&2
exit 1
