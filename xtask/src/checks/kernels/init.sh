#!/bin/busybox sh
# The first program of the other machine: runs every test program, and says on the console, between
# markers, what each printed and how it ended.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ RUST_BACKTRACE=0
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
if [ ! -e /dev/nvme0n1 ] || ! mount /dev/nvme0n1 /tmp; then mount -t tmpfs tmpfs /tmp; fi
chmod 1777 /tmp /dev/shm
ip link set lo up
echo 'root:x:0:0:root:/:/bin/sh' >/etc/passwd
echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >>/etc/passwd
echo '127.0.0.1 localhost' >/etc/hosts
chmod 755 / /bin /etc
export ANNULUS_SKIPPED=/run/skipped
touch /run/skipped
chmod 666 /run/skipped
printf '\n== kernel %s\n' "$(uname -r)"
for program in /tests/*/*; do
    [ -e "$program" ] || continue
    name=${program#/tests/}
    cd "@CRATES@/${name%/*}" || exit
    printf '\n== begin %s\n' "$name"
    timeout -s KILL @LIMIT@ "$program" --test-threads=2 2>&1
    printf '\n== end %s %d\n' "$name" $?
done
printf '\n== skips\n'
cat /run/skipped
printf '\n== done\n'
poweroff -f
