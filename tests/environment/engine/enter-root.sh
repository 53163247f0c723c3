#!/bin/sh
# Gives the namespaces in which it runs a root file system of their own: enter-root.sh ROOT MOUNT_POINT DIRECTORY...
# Of the host's files they keep the DIRECTORIES, at the same paths. What is written elsewhere is in memory.
set -eu
root=$1 place=$2
shift 2

mount -t tmpfs -o mode=0755 tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/new"
mount -t overlay -o "lowerdir=$root,upperdir=$place/upper,workdir=$place/work" overlay "$place/new"
cd "$place/new"

mount -t proc proc proc
# Of the new network namespace.
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
for folder in run tmp; do
  mount -t tmpfs -o mode=0755 tmpfs "$folder"
done
chmod 1777 tmp

# A privileged container gets every device that is here: no disk is.
mount -t tmpfs -o mode=0755 tmpfs dev
for device in null zero full random urandom tty kmsg fuse; do
  if [ -e "/dev/$device" ]; then
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  fi
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for number in 0:stdin 1:stdout 2:stderr; do
  ln -s "/proc/self/fd/${number%:*}" "dev/${number#*:}"
done

for folder; do
  mkdir -p ".$folder"
  mount --bind "$folder" ".$folder"
done

mkdir -p mnt/host
pivot_root . mnt/host
cd /
umount -l /mnt/host
# Containers share mounts with each other as they do on any machine.
mount --make-rshared /

ip link set lo up
for setting in /proc/sys/net/ipv6/conf/all/disable_ipv6 /proc/sys/net/ipv6/conf/default/disable_ipv6; do
  if [ -e "$setting" ]; then echo 1 >"$setting"; fi
done
