# Debian's packages, to unpack and never to install: for scripts to source. Takes a Debian machine, but not root, and leaves what apt and
# dpkg know of this machine alone: apt works in a folder of its own.
# shellcheck shell=bash

# the mirror this machine's own packages come from
MIRROR=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -m 1 '/debian$' || true)}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
NO_MIRROR="this machine has no Debian mirror among its package sources: name one with DEBIAN_MIRROR=http://HOST/debian"

# apt_in FOLDER SUITE [ARCHITECTURE]: makes an apt in FOLDER/apt that knows no installed packages and one suite. Of this machine's
# settings it takes how to reach a mirror (a proxy, retries), and no hooks.
apt_in() {
    local dir=$1/apt
    mkdir -p "$dir"/{lists/partial,archives/partial,apt.conf.d,preferences.d}
    : >"$dir/status"
    echo "deb [signed-by=$KEYRING] $MIRROR $2 main" >"$dir/sources.list"
    {
        apt-config dump | grep -E '^Acquire::(https?|Retries|ForceIPv)' || true
        [ -z "${3-}" ] || echo "APT::Architecture \"$3\"; APT::Architectures { \"$3\"; };"
        cat <<CONF
Dir::State "$dir"; Dir::State::status "$dir/status"; Dir::Cache "$dir"; Dir::Etc "$dir"; Dir::Etc::sourceparts "-";
APT::Install-Recommends "false"; APT::Sandbox::User "root"; Debug::NoLocking "true";
Acquire::Languages "none"; Acquire::Check-Valid-Until "false";
CONF
    } >"$dir/conf"
}

apt_get() { APT_CONFIG=$1/apt/conf apt-get -qq "${@:2}"; }

# Reads the suite's list of packages. Without the option, apt takes an unreachable mirror for a warning.
apt_update() { apt_get "$1" -o APT::Update::Error-Mode=any update; }
