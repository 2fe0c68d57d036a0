"""Image layouts: the same input, the same bytes; and skopeo reads them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from amikiln.runtime import process
from amikiln_localcloud.registry import oci, tree

FILES: tree.Tree = {
    "etc": tree.directory(),
    "etc/motd": tree.text("hello\n"),
    "usr/bin/tool": tree.program(b"\x7fELF"),
    "bin": tree.link("usr/bin"),
}


def write(directory: Path, *layers: tree.Tree) -> Path:
    directory.mkdir()
    config = oci.ImageConfig(entrypoint=("tool",), environment={"B": "2", "A": "1"})
    oci.write_layout(directory, "v1", layers, config)
    return directory


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    backwards = dict(reversed(list(FILES.items())))
    one, two = write(tmp_path / "a", FILES), write(tmp_path / "b", backwards)
    assert {f.relative_to(one): f.read_bytes() for f in one.rglob("*") if f.is_file()} == {
        f.relative_to(two): f.read_bytes() for f in two.rglob("*") if f.is_file()
    }


def test_skopeo_reads_it(tmp_path: Path) -> None:
    layout = write(tmp_path / "a", FILES)
    asked = ["skopeo", "--insecure-policy", "inspect"]
    told = json.loads(process.run([*asked, f"oci:{layout}:v1"]).stdout)
    assert told["Digest"] == oci.read_digest(layout)
    config = json.loads(process.run([*asked, "--config", f"oci:{layout}:v1"]).stdout)
    assert (config["architecture"], config["os"]) == ("amd64", "linux")
    assert config["config"] == {"Entrypoint": ["tool"], "Env": ["A=1", "B=2"]}


def test_files_keep_kind_mode_and_content(tmp_path: Path) -> None:
    layout = write(tmp_path / "a", FILES)
    digest = json.loads(blob(layout, oci.read_digest(layout)))["layers"][0]["digest"]
    with tarfile.open(fileobj=io.BytesIO(blob(layout, digest))) as archive:
        members = {m.name: m for m in archive}
        motd = archive.extractfile("etc/motd")
        assert motd is not None
        assert motd.read() == b"hello\n"
    assert members["usr/bin/tool"].mode == 0o755
    assert members["bin"].linkname == "usr/bin"
    assert {(m.mtime, m.uid, m.gid) for m in members.values()} == {(0, 0, 0)}


def test_a_second_layer_leaves_the_first_as_it_is(tmp_path: Path) -> None:
    one = write(tmp_path / "a", FILES)
    two = write(tmp_path / "b", FILES, {"more": tree.text("more")})
    layers = [json.loads(blob(layout, oci.read_digest(layout)))["layers"] for layout in (one, two)]
    assert layers[1][:1] == layers[0]
    assert len(layers[1]) == 2


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
