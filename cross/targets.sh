# The machines we compile for, by their short names. For scripts to source.
# shellcheck shell=bash

CACHE=$(realpath -m -- "${BEAMLESS_CROSS_CACHE:-$HERE/cache}")
# what cargo is told for a beamless without TLS
WITHOUT_TLS=(--no-default-features --features "cli,serde")
TARGETS=(aarch64 armv7 armv6 x86_64 s390x thumbv7em)

# target NAME: sets what is to be known of it; if there is none, says so and fails.
#   TRIPLE        Rust's name of it
#   DEBIAN        Debian's name of its architecture; none on bare metal
#   CPU           its processor, as uname -m has it, and QEMU, what to start to have one
#   STD_KIND      std, or core, which is all there is on bare metal
#   RUSTC_FLAGS   what the compiler must be told besides, and C_FLAGS, what that of C must be
target() {
    TARGET=$1 DEBIAN='' CPU='' QEMU='' STD_KIND=std RUSTC_FLAGS='' C_FLAGS=''
    case $1 in
        # Raspberry Pi 3 and later with a 64-bit system
        aarch64) TRIPLE=aarch64-unknown-linux-musl DEBIAN=arm64 CPU=aarch64 QEMU=qemu-aarch64 ;;
        # Raspberry Pi 2 and later with a 32-bit system, and their kin. Thumb instructions make programs a quarter smaller; the compiler
        # warns of the flag, once for each crate
        armv7)
            TRIPLE=armv7-unknown-linux-musleabihf DEBIAN=armhf CPU=armv7l QEMU=qemu-arm
            RUSTC_FLAGS="-C target-feature=+thumb-mode -A warnings"
            ;;
        # Raspberry Pi Zero and 1. Soft float: Debian's start-up files for hard float have instructions that this processor lacks
        # Clang would take it for an ARMv4
        armv6)
            TRIPLE=arm-unknown-linux-musleabi DEBIAN=armel CPU=armv6l QEMU="qemu-arm -cpu arm1176"
            C_FLAGS=-march=armv6
            ;;
        # ring asks for a C library's headers here, unless it is told what it tells itself elsewhere; and one of the compiler's own
        # headers asks for them, too, for what ring does not use
        x86_64)
            TRIPLE=x86_64-unknown-linux-musl DEBIAN=amd64 CPU=x86_64 QEMU=qemu-x86_64
            C_FLAGS="-nostdlibinc -DRING_CORE_NOSTDLIBINC=1 -D__MM_MALLOC_H"
            ;;
        # for tests: the other byte order
        s390x) TRIPLE=s390x-unknown-linux-musl DEBIAN=s390x CPU=s390x QEMU=qemu-s390x RUSTC_FLAGS="-C target-feature=+crt-static" ;;
        # for tests: no system, hence the core alone
        thumbv7em) TRIPLE=thumbv7em-none-eabihf STD_KIND=core ;;
        *)
            echo "cross: there is no target $1" >&2
            return 1
            ;;
    esac
}
