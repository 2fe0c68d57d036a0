"""What moto answers without doing anything to a disk: refused, so that nobody relies on it."""

from __future__ import annotations

from typing import NoReturn

from moto.ec2.responses.amis import AmisResponse
from moto.ec2.responses.elastic_block_store import ElasticBlockStore

from amikiln_localcloud.api.errors import ec2_error


class UnsupportedRequests(AmisResponse, ElasticBlockStore):
    """Volumes and snapshots apart from instances' root volumes and images' snapshots."""

    def attach_volume(self) -> NoReturn:
        _refuse("AttachVolume", "a machine has its root volume only")

    def detach_volume(self) -> NoReturn:
        _refuse("DetachVolume", "a machine cannot be without its root volume")

    def create_snapshot(self) -> NoReturn:
        _refuse("CreateSnapshot", "CreateImage makes an image with its snapshot")

    def create_snapshots(self) -> NoReturn:
        _refuse("CreateSnapshots", "CreateImage makes an image with its snapshot")

    def copy_snapshot(self) -> NoReturn:
        _refuse("CopySnapshot", "CopyImage copies an image with its snapshot")

    def register_image(self) -> NoReturn:
        _refuse("RegisterImage", "CreateImage makes an image of an instance")


def _refuse(action: str, instead: str) -> NoReturn:
    raise ec2_error("UnsupportedOperation", f"the local cloud does not have {action}: {instead}")
