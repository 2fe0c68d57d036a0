"""Machines: the contract, QEMU, disks, addresses, the metadata service, the base image."""
