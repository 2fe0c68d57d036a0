"""Machines that really boot: QEMU, disks, addresses, the metadata service, the base image."""
