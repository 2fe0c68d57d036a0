"""Packer's folder on disk: what is uploaded from it, what validates it, what a build refuses."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PreflightError
from amikiln.export.packer import folder
from amikiln.export.packer import template as packer
from amikiln.recipe import build_context, render
from amikiln.spec.load import ImageFolder, load_image
from export.packer.cpu_build import (
    FOLDER,
    IMAGE,
    ROOT,
    TEMPLATE,
    needs_packer,
    render_folder,
    without_files,
)
from fakes import plan, spec


def upload(template: Path, machine: Path) -> dict[str, bytes]:
    """Copy what the template's file provisioners name, as Packer does; return what is there."""
    text = template.read_text()
    found = re.search(r'shared += abspath\("\$\{path\.root\}/(.+)"\)', text)
    assert found
    places = {"${path.root}": template.parent, "${local.shared}": template.parent / found[1]}
    for block in text.split('provisioner "file" {')[1:]:
        if "generated" in block.split("}\n")[0]:
            continue
        source, destination = re.findall(r'(?:source|destination) += "(.+)"', block)[:2]
        for variable, place in places.items():
            source = source.replace(variable, str(place))
        target = machine / destination.removeprefix("/")
        if source.endswith("/"):
            assert target.is_dir()
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif Path(source).is_dir():
            shutil.copytree(source, target / Path(source).name)
        else:
            shutil.copy(source, target)
    (guest,) = (machine / "var" / "tmp").iterdir()
    return {
        file.relative_to(guest).as_posix(): file.read_bytes()
        for file in guest.rglob("*")
        if file.is_file()
    }


def test_what_is_uploaded_from_a_checkout_is_what_a_bake_sends(tmp_path: Path) -> None:
    sent = render.render_spec_files(load_image(IMAGE).spec, load_image(IMAGE).steps)
    assert upload(FOLDER / TEMPLATE, tmp_path) == sent
    assert "steps/97-scan.sh" in sent


def test_what_is_uploaded_from_a_folder_elsewhere_is_what_a_bake_sends(tmp_path: Path) -> None:
    wanted = spec(buildkit={"builder": "mine", "driver": "systemd"})
    here = tmp_path / "here"
    image = ImageFolder(IMAGE, wanted, {"steps/85-before-seal.sh": b"true\n"}, {})
    folder.write_folder(here, packer.render_folder(image, here))
    sent = render.render_spec_files(wanted, image.steps)
    assert upload(here / TEMPLATE, tmp_path / "machine") == sent
    builders = ROOT / "src" / "amikiln" / "recipe" / "builders"
    assert sent["builder.sh"] == (builders / "systemd.sh").read_bytes()


def tracked_copy(checkout: Path) -> None:
    """Copy what git would clone of what Packer needs, at its present state."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(
        [*command, "packer", "src/amikiln/recipe"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for path in filter(None, done.stdout.split("\0")):
        if (ROOT / path).is_file():
            (checkout / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, checkout / path)


def validate(template: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["packer", "validate", "."],
        cwd=template.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@needs_packer
def test_a_fresh_clone_is_valid_with_nothing_run_before(tmp_path: Path) -> None:
    tracked_copy(tmp_path)
    template = tmp_path / "packer" / "cpu" / TEMPLATE
    # The Packer that is here knows no plugins; the other template differs in what is listed only.
    template.write_bytes(render_folder(classic=True)[TEMPLATE])
    code, text = validate(template)
    assert code == 0, text
    shutil.rmtree(tmp_path / "src")
    code, text = validate(template)
    assert code != 0
    assert "recipe/guest" in text


@needs_packer
def test_a_folder_elsewhere_is_valid_by_itself(tmp_path: Path) -> None:
    folder.write_folder(tmp_path, render_folder(classic=True, here=tmp_path))
    code, text = validate(tmp_path / TEMPLATE)
    assert code == 0, text


def test_what_is_superfluous_or_changed_is_named_and_put_right(tmp_path: Path) -> None:
    wanted = render_folder(here=tmp_path)
    folder.write_folder(tmp_path, wanted)
    assert folder.compare_folder(tmp_path, wanted) == []
    old, changed = "recipe/99-old.sh", "shared/guest/lib.sh"
    (tmp_path / old).write_text("old")
    (tmp_path / changed).write_text("changed")
    (tmp_path / "packer-manifest.json").write_text("its own")
    assert folder.compare_folder(tmp_path, wanted) == [old, changed]
    folder.write_folder(tmp_path, wanted)
    assert folder.compare_folder(tmp_path, wanted) == []
    assert (tmp_path / "packer-manifest.json").exists()


def test_files_that_are_not_amikilns_are_never_deleted(tmp_path: Path) -> None:
    for part in ("recipe", "shared"):
        file = tmp_path / part / part / "precious.txt"
        file.parent.mkdir(parents=True)
        file.write_text("precious")
        with pytest.raises(PreflightError, match=r"precious\.txt"):
            folder.write_folder(tmp_path / part, render_folder(here=tmp_path / part))
        assert [*(tmp_path / part).rglob("*.*")] == [file]


def refused(tmp_path: Path, **changes: Any) -> str:
    planned = plan()
    wanted = packer.render_folder(without_files(planned.spec), tmp_path)
    folder.write_folder(tmp_path, wanted)
    (tmp_path / "shared/guest/lib.sh").write_bytes(
        changes.pop("lib", wanted["shared/guest/lib.sh"])
    )
    found = {"source_ami": planned.source.id, "root_device": planned.source.root_device}
    with pytest.raises(PreflightError) as error:
        folder.write_inputs(tmp_path, planned, IMAGE, **{**found, **changes})
    assert not (tmp_path / "inputs").exists()
    return error.value.what


def test_a_build_of_another_image_than_planned_is_refused(tmp_path: Path) -> None:
    assert "shared/guest/lib.sh" in refused(tmp_path, lib=b"edited by hand")
    assert "ami-00000000000000bad" in refused(tmp_path, source_ami="ami-00000000000000bad")
    assert "second volume" in refused(tmp_path, root_device="/dev/sdz")


def test_a_checkout_with_another_recipe_than_amikilns_is_refused(tmp_path: Path) -> None:
    """Packer would upload the checkout's files, and the digest would be that of amikiln's."""
    setup = tmp_path / "scripts" / "lib" / "setup.sh"
    setup.parent.mkdir(parents=True)
    setup.write_text("#!/bin/sh\n")
    image, here = tmp_path / "images" / "mine", tmp_path / "packer" / "mine"
    planned = dataclasses.replace(plan(), context=None)
    folder.write_folder(here, packer.render_folder(without_files(planned.spec, image), here))
    assert not (here / "shared").exists()
    recipe = tmp_path / "src" / "amikiln" / "recipe"
    shutil.copytree(ROOT / "src" / "amikiln" / "recipe", recipe)
    source = {"source_ami": planned.source.id, "root_device": planned.source.root_device}
    folder.write_inputs(here, planned, image, **source)
    (recipe / "guest" / "lib.sh").write_text("another release's")
    with pytest.raises(PreflightError, match=r"\.\./src/amikiln/recipe/guest/lib\.sh$"):
        folder.write_inputs(here, planned, image, **source)


def test_the_inputs_are_what_the_folder_lacks(tmp_path: Path) -> None:
    planned = plan()
    assert planned.spec.warm is not None
    beside = tmp_path / "image"
    (beside / planned.spec.warm.context).mkdir(parents=True)
    (beside / planned.spec.warm.context / "Dockerfile").write_text("FROM scratch\n")
    planned = dataclasses.replace(
        planned, context=build_context.resolve_context(planned.spec.warm, beside)
    )
    wanted = packer.render_folder(without_files(planned.spec), tmp_path)
    folder.write_folder(tmp_path, wanted)
    folder.write_inputs(
        tmp_path,
        planned,
        IMAGE,
        source_ami=planned.source.id,
        root_device=planned.source.root_device,
    )
    with tarfile.open(tmp_path / "inputs/recipe.tar") as tar:
        names = set(tar.getnames())
        written = tar.extractfile("plan.json")
        assert written is not None
        assert json.load(written) == render.describe_plan(planned)
    with tarfile.open(tmp_path / "inputs/context.tar") as tar:
        assert tar.getnames() == ["Dockerfile"]
    together = names | set(render.render_spec_files(planned.spec, {}))
    assert together == set(render.add_scanner(render.render_recipe(planned), planned).files)
    assert {"plan.json", "images.list", "resolved.env", "kingfisher"} <= names
