# The machines we compile for, by their short names. For scripts to source.
# shellcheck shell=bash

CACHE=${BEAMLESS_CROSS_CACHE:-$HERE/cache}
TARGETS=(aarch64 armv7 armv6 x86_64 s390x thumbv7em)

# target NAME: sets what is to be known of it.
#   TRIPLE        Rust's name of it
#   LIBC          Debian's name of the architecture whose musl is linked in; none on bare metal
#   QEMU          the emulator and its arguments; CPU is the machine's own name of the processor, which needs none
#   STD...        the library of Rust that is there at all, and how it is built
#   RUSTC_FLAGS   what the compiler must be told besides
target() {
    TARGET=$1 STD=std STD_CRATES=std,panic_abort,test STD_FEATURES=panic-unwind RUSTC_FLAGS=
    case $1 in
        # Raspberry Pi 3 and later with a 64-bit system
        aarch64) TRIPLE=aarch64-unknown-linux-musl LIBC=arm64 CPU=aarch64 QEMU=qemu-aarch64 ;;
        # Raspberry Pi 2 and later, and their kin, with a 32-bit system
        armv7) TRIPLE=armv7-unknown-linux-musleabihf LIBC=armhf CPU=armv7l QEMU=qemu-arm ;;
        # Raspberry Pi Zero and 1. Soft float: Debian's hard-float start-up files have instructions that this processor lacks
        armv6) TRIPLE=arm-unknown-linux-musleabi LIBC=armel CPU=armv6l QEMU="qemu-arm -cpu arm1176" ;;
        x86_64) TRIPLE=x86_64-unknown-linux-musl LIBC=amd64 CPU=x86_64 QEMU=qemu-x86_64 ;;
        # for tests: the other byte order
        s390x) TRIPLE=s390x-unknown-linux-musl LIBC=s390x CPU=s390x QEMU=qemu-s390x RUSTC_FLAGS="-C target-feature=+crt-static" ;;
        # for tests: no system at all, hence the core alone
        thumbv7em) TRIPLE=thumbv7em-none-eabihf LIBC="" CPU=none QEMU="" STD=core STD_CRATES=core STD_FEATURES="" ;;
        *) return 1 ;;
    esac
}
