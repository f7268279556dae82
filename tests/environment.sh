# What our scripts take of the environment they are started in, and what they leave behind there: for scripts to source, before they look at
# anything else. The settings of a person's Erlang, shell and service manager are not those of our tests; how cargo builds is told by us, and by
# whoever runs the machine in cargo's own files.
# shellcheck shell=bash

TOP=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

# cd would look elsewhere, and say so; and words of other languages are looked for in vain
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT LANGUAGE "${!LC_@}"
export LANG=C.UTF-8
# nodes and EPMD, what runs beside them, and what tells services who they are
unset "${!ERL_@}" "${!ELIXIR_@}" "${!MIX_@}" "${!PYTHON@}" "${!WATCHDOG_@}" "${!LISTEN_@}" \
    ERLC_USE_SERVER XDG_CONFIG_HOME NOTIFY_SOCKET JOURNAL_STREAM CREDENTIALS_DIRECTORY SENSOR RUST_LOG
# another repository's, in the hooks of one
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
# for which cross/test and people set variables, each for one command
unset BEAMLESS_PROGRAMS BEAMLESS_SEEDS BEAMLESS_DIFFER
# where cargo builds is a place that does not change with the folder, and that scripts know
: "${CARGO_TARGET_DIR:=${CARGO_BUILD_TARGET_DIR:-$TOP/target}}"
CARGO_TARGET_DIR=$(realpath -m -- "$CARGO_TARGET_DIR")
for name in RUSTFLAGS RUSTDOCFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_ENCODED_RUSTDOCFLAGS CARGO_TERM_VERBOSE CARGO_TERM_QUIET \
    "${!CARGO_BUILD_@}" "${!CARGO_PROFILE_@}" "${!CARGO_TARGET_@}"; do
    [ "$name" = CARGO_TARGET_DIR ] || unset "$name"
done
export CARGO_TARGET_DIR

# more folders that are to be gone in the end, one of cgroups for instance
SWEPT=()

# swept COMMAND...: runs it so that nothing outlives this script, however that ends: no process, nothing that lies in TMPDIR, and none of SWEPT. The
# file descriptor 9 tells tests/sweep that this script is still there, so that children must not have it.
swept() {
    MARK=${0##*/}-$$-$RANDOM
    [ -d "${TMPDIR-}" ] || TMPDIR=/tmp
    TMPDIR=$(mktemp -d "$TMPDIR/beamless-XXXXXX")
    exec 9> >(exec env -u BEAMLESS_TEST_RUN setsid "$TOP/tests/sweep" "$MARK" "$TMPDIR" "${SWEPT[@]}" >/dev/null 2>&1)
    export TMPDIR BEAMLESS_TEST_RUN=${BEAMLESS_TEST_RUN-}:$MARK
    # where it were closed for a function alone, the shell would keep a copy, and so would background jobs
    (exec 9>&-; "$@")
}

# The processes that were started since, and are still there. Nothing that looks for them is one of them.
left_over() {
    local environ line
    for environ in $(env -u BEAMLESS_TEST_RUN grep -lszE "^BEAMLESS_TEST_RUN=(.*:)?$MARK(:|$)" /proc/[0-9]*/environ); do
        line=$({ tr '\0' ' ' <"${environ%environ}cmdline"; } 2>/dev/null) || continue
        environ=${environ#/proc/}
        echo "${environ%/environ} $line"
    done
}
