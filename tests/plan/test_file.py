"""A plan's file is read as it was written, or refused in one line."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan_file import FORMAT_VERSION, PlanFile, seal, serialize
from amikiln.plan import file as plan_file
from amikiln.plan.file import read_plan
from fakes import ORIGIN, plan

WRITTEN = serialize(plan())


def edit(change: Callable[[Any], object], *, sealed: bool = True) -> bytes:
    """Return the plan's file after somebody edited it, with or without a hash that fits."""
    fields = json.loads(WRITTEN)
    if not sealed:
        change(fields)
        return json.dumps(fields, indent=2, ensure_ascii=False).encode() + b"\n"
    del fields["contents_sha256"]
    change(fields)
    return seal(fields)


def read(folder: Path, content: bytes) -> PlanFile:
    file = folder / "plan.json"
    file.write_bytes(content)
    return read_plan(file)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = read(tmp_path, WRITTEN)
    assert (found.origin, found.content) == (ORIGIN, WRITTEN)
    assert found.fields["digest"] == plan().digest


def test_a_path_that_is_no_text_is_written_as_an_escape() -> None:
    origin = dataclasses.replace(ORIGIN, spec_file=os.fsdecode(b"n\xffw/image.toml"))
    content = serialize(dataclasses.replace(plan(), origin=origin))
    assert json.loads(content)["origin"]["spec_file"] == origin.spec_file


def test_it_can_be_reviewed() -> None:
    lines = WRITTEN.decode().splitlines()
    assert lines[:3] == ["{", f'  "format_version": {FORMAT_VERSION},', '  "origin": {']
    assert '      "size_gib": 12,' in lines
    assert max(map(len, lines)) < 160
    assert serialize(plan()) == WRITTEN, "the same plan has the same bytes"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b"not JSON", "Expecting value"),
        (WRITTEN[:-20], "line"),
        (WRITTEN[: len(WRITTEN) // 2], "line"),
        (WRITTEN * 2, "Extra data"),
        (b"\xff\xfe\x00", "byte 0 is not UTF-8"),
        (WRITTEN.decode().encode("utf-16"), "byte 0 is not UTF-8"),
        (b"\xef\xbb\xbf" + WRITTEN, "BOM"),
        (WRITTEN.replace(b"cpu-build", b"\xffpu-build", 1), "is not UTF-8"),
        (b"[]", "it is no JSON object"),
        (b'"plan"', "it is no JSON object"),
        (b"null", "it is no JSON object"),
        (b"{}", "format_version: is missing"),
        (b"[" * 100_000, "recursion"),
        (b'{"a":' * 100_000, "recursion"),
        (b'{"format_version": 1, "x": NaN}', "NaN is no number"),
        (b'{"format_version": 1, "x": -Infinity}', "-Infinity is no number"),
        (b'{"format_version": ' + b"1" * 10_000 + b"}", "integer string conversion"),
        (b'{"format_version": 1, "format_version": 1}', "format_version: is there twice"),
        (b'{"format_version": 1, "x": {"two\\nlines": 1, "two\\nlines": 2}}', "two lines: is th"),
        (b'{"format_version": true}', "format_version: is missing, or no number"),
        (b'{"format_version": "1"}', "format_version: is missing, or no number"),
        (b'{"format_version": 1}', "contents_sha256: is missing"),
        (b'{"format_version": 1, "contents_sha256": 5}', "contents_sha256: is missing, or no text"),
        (seal({"format_version": 1}), "origin: input should be"),
        (edit(lambda p: p.pop("origin")), "origin: input should be"),
        (edit(lambda p: p.update(origin=[])), "origin: input should be"),
        (edit(lambda p: p["origin"].pop("cloud")), "origin: cloud: field required"),
        (edit(lambda p: p["origin"].update(more=1)), "origin: more: unexpected"),
        (edit(lambda p: p["origin"].update(local="no")), "origin: local: input should be"),
    ],
)
def test_a_file_that_is_no_plan_is_refused_in_one_line(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    with pytest.raises(PreflightError, match=fault) as caught:
        read(tmp_path, content)
    assert caught.value.what.startswith(f"{tmp_path / 'plan.json'} is not a plan: ")
    assert len(caught.value.what.splitlines()) == 1
    assert len(caught.value.what) < 300
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    ("version", "fault"),
    [(0, "an older format: 0"), (-1, "an older"), (FORMAT_VERSION + 1, "a newer format")],
)
def test_another_format_is_refused_before_its_keys_are_looked_at(
    tmp_path: Path, version: int, fault: str
) -> None:
    with pytest.raises(PreflightError, match=fault) as caught:
        read(tmp_path, json.dumps({"format_version": version, "new": 1}).encode())
    assert "plan again" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "content",
    [
        edit(lambda p: p["spec"]["volume"].update(size_gib=99), sealed=False),
        edit(lambda p: p["source"].update(id="ami-0bbbbbbbbbbbbbbbb"), sealed=False),
        edit(lambda p: p["images"].clear(), sealed=False),
        edit(lambda p: p.update(more=1), sealed=False),
        edit(lambda p: p.pop("network"), sealed=False),
        edit(lambda p: p["origin"].update(planned_at="2030-01-01T00:00:00+00:00"), sealed=False),
        edit(lambda p: p.update(contents_sha256="0" * 64), sealed=False),
        WRITTEN + b"\n",
        WRITTEN.replace(b"\n", b"\r\n"),
        json.dumps(json.loads(WRITTEN)).encode(),
        json.dumps(json.loads(WRITTEN), indent=2, sort_keys=True).encode() + b"\n",
    ],
    ids=[
        "spec",
        "source",
        "images",
        "more",
        "less",
        "time",
        "hash",
        "line",
        "crlf",
        "spaces",
        "order",
    ],
)
def test_a_file_that_was_edited_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(PreflightError, match="was changed after `amikiln plan` wrote it") as caught:
        read(tmp_path, content)
    assert "plan again" in (caught.value.hint or "")


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    for path, fault in (
        (tmp_path / "missing.json", "No such file"),
        (tmp_path, "Is a directory"),
        (loop, "symbolic link"),
        (Path("a\0b"), "null byte"),
        (tmp_path / "missing.json" / "x", "No such file|Not a directory"),
    ):
        with pytest.raises(PreflightError, match=fault):
            read_plan(path)
    # Without an end, and larger than any plan.
    monkeypatch.setattr(plan_file, "LARGEST_PLAN", 2**20)
    with pytest.raises(PreflightError, match="it has more than 1 MiB"):
        read_plan(Path("/dev/zero"))


def test_a_plan_comes_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(WRITTEN,), daemon=True)
    writer.start()
    assert read_plan(pipe).content == WRITTEN
    writer.join(timeout=10)
