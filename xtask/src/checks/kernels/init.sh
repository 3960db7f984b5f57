#!/bin/sh
# The first program of the other machine, whose root is a disk: runs what /runs lists, a kernel, a
# crate and a program a line, and says on the console, between markers, what each printed and how it
# ended.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ RUST_BACKTRACE=0
# Tests that do something very often do it less often: an emulated machine is that much slower.
export ANNULUS_SLOWER=50
mount -t proc proc /proc
mount -t sysfs sysfs /sys
# Some kernels have done it.
[ -e /dev/null ] || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
chmod 1777 /tmp /dev/shm
ip link set lo up
echo 'root:x:0:0:root:/:/bin/sh' >/etc/passwd
echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >>/etc/passwd
echo '127.0.0.1 localhost' >/etc/hosts
chmod 755 / /bin /etc
for kernel in linux host; do
    touch /run/skipped.$kernel
    chmod 666 /run/skipped.$kernel
done
printf '\n== kernel %s\n' "$(uname -r)"
while read -r kernel package name; do
    cd "@CRATES@/$package" || exit
    export @KERNEL@=$kernel @SKIPPED@=/run/skipped.$kernel
    printf '\n== begin %s\n' "$kernel/$package/$name"
    timeout -s KILL @LIMIT@ "/tests/$package/$name" --test-threads=2 </dev/null 2>&1
    printf '\n== end %s %d\n' "$kernel/$package/$name" $?
done </runs
for kernel in linux host; do
    printf '\n== skips %s\n' $kernel
    cat /run/skipped.$kernel
done
printf '\n== done\n'
poweroff -f
