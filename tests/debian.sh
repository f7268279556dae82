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

# make_once CACHE NAME COMMAND...: makes the folder CACHE/NAME, unless it is there. The command is told a folder to work in as its last argument, and
# leaves what it made there, in root. Several runs at once: one makes it, the others wait. A run that breaks off leaves nothing that looks
# finished.
make_once() (
    local cache=$1 name=$2 work
    [ ! -d "$cache/$name" ] || return 0
    mkdir -p "$cache"
    exec 9>"$cache/.lock-$name"
    flock -n 9 || { say "$name is being made by another run: waiting"; flock 9; }
    [ ! -d "$cache/$name" ] || return 0
    # what a run that was killed has left
    rm -rf "$cache/.making-$name"-*
    work=$(mktemp -d "$cache/.making-$name-XXXXXX")
    # shellcheck disable=SC2064 # the folder is known now
    trap "rm -rf '$work'" EXIT
    "${@:3}" "$work"
    mv "$work/root" "$cache/$name"
)

# own_loader ROOT PROGRAM...: puts a script before each of these programs of ROOT that starts it through the loader and with the libraries of its
# own suite. It sees from its own name where ROOT lies, without a process more, and takes ARGUMENTS before those it is given.
own_loader() {
    local root=$1 loader libraries program inside
    loader=$(first_of "$root"/{usr/,}lib/*-linux-gnu*/ld-linux*.so.*)
    [ -n "$loader" ] || fail "Debian's packages do not lie as they used to: there is no loader in them"
    libraries=$(dirname "$loader")
    libraries="\$root/lib/${libraries##*/}:\$root/usr/lib/${libraries##*/}"
    for program in "${@:2}"; do
        # scripts start by themselves
        [ "$(head -c 4 "$program" | tail -c 3)" = ELF ] || continue
        mv "$program" "$program.real"
        inside=${program#"$root"}
        cat >"$program" <<SCRIPT
#!/bin/sh
root=\${0%$inside}
exec "\$root${loader#"$root"}" --library-path "$libraries" "\$0.real" ${ARGUMENTS-} "\$@"
SCRIPT
        chmod +x "$program"
    done
}

first_of() {
    local file
    for file; do
        if [ -e "$file" ]; then echo "$file"; return; fi
    done
}
