"""Machines that are system containers: the processor's own speed where there is no KVM."""
