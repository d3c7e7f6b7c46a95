# SPDX-License-Identifier: GPL-2.0-or-later
#
# Examples: what libvirt is told of the library on a host.
libvirtdir = $(docdir)/examples/libvirt
dist_libvirt_SCRIPTS = libvirt/hook
dist_libvirt_DATA = libvirt/apparmor-libvirtd libvirt/apparmor-qemu
