#!/bin/sh
# Makes a node of kind from Debian's packages, kind's files and the programs: what kind's base Dockerfile does.
set -eu
chmod 0755 /usr/local/bin/* /kind/bin/*

cd /usr/lib/systemd/system
rm -f sysinit.target.wants/systemd-tmpfiles-setup.service multi-user.target.wants/* local-fs.target.wants/*
rm -f sockets.target.wants/*udev* sockets.target.wants/*initctl* basic.target.wants/* /etc/systemd/system/*.wants/*
echo ReadKMsg=no >>/etc/systemd/journald.conf
ln -sf /usr/lib/systemd/systemd /sbin/init
# They would set kernel settings of the machine.
rm -f /usr/lib/sysctl.d/*.conf
systemctl enable kubelet.service containerd.service undo-mount-hacks.service cover-kernel-settings.service
systemctl mask systemd-binfmt.service

mkdir -p /etc/kubernetes/manifests
ctr oci spec |
  jq '.hooks.createContainer += [{path: "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
    >/etc/containerd/cri-base.json
