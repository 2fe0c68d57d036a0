"""Two digests of a plan: what enters the disk, and what is proven; and an image's own inputs."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from amikiln.model.plan import Context, PinnedImage, Plan
from amikiln.recipe import digest, render
from amikiln.spec.load import load_image
from amikiln.spec.spec import Spec
from fakes import plan, plan_of, spec

CASES = tomllib.loads((Path(__file__).parents[1] / "cases" / "digests.toml").read_text())
IMAGE = Path(__file__).parents[2] / "images" / "cpu-build"
CHANGES = {
    "disk": {"digest"},
    "proof": {"proof_digest"},
    "both": {"digest", "proof_digest"},
    "neither": set(),
    "resolved": set(),
}
GIT = {"warm": {"context": "https://example.org/a.git#main", "dockerfile": "Dockerfile"}}


def list_keys(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key that a spec can have, those in lists of tables too."""
    for name, field in model.model_fields.items():
        tables = [kind for kind in flatten(field.annotation) if issubclass(kind, BaseModel)]
        if tables:
            yield from list_keys(tables[0], (*above, name))
        else:
            yield (*above, name)


def flatten(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for inner in get_args(annotation):
        yield from flatten(inner)


KEYS = sorted(list_keys(Spec))


def change(table: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return a table with one value changed, however little it then fits the others."""
    if isinstance(table, tuple):
        return (change(table[0], path, value), *table[1:])
    if isinstance(table, Mapping):
        first = next(iter(table))
        return {**table, first: change(table[first], path, value)}
    key, *rest = path
    if rest:
        value = change(getattr(table, key), tuple(rest), value)
    value = tuple(value) if isinstance(value, list) else value
    return table.model_copy(update={key: value})


def find_case(path: tuple[str, ...]) -> Mapping[str, Any]:
    case: Any = CASES
    for part in path:
        case = case[part]
    assert isinstance(case, dict)
    return case


def compare(one: Plan, other: Plan) -> set[str]:
    """Return which of the digests of two plans differ."""
    return {
        name for name in ("digest", "proof_digest") if getattr(one, name) != getattr(other, name)
    }


def test_every_key_of_the_spec_says_which_digest_it_is_in() -> None:
    def list_cases(table: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if set(table) == {"digest", "to"}:
            yield above
        else:
            for key, inner in table.items():
                yield from list_cases(inner, (*above, key))

    assert sorted(list_cases(CASES, ())) == KEYS
    assert {find_case(path)["digest"] for path in KEYS} == set(CHANGES)


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_a_key_changes_the_digests_that_it_is_in(path: tuple[str, ...]) -> None:
    allow = {"path": "/etc/a", "kind": "a key", "reason": "not a secret at all"}
    docker = {"images": [], "logins": {"a.example": {"username": "ci", "secret": "token"}}}
    warm, case = warm_with_bake_file(path), find_case(path)
    wanted = spec(secrets={"allow": [allow]}, docker=docker, **warm)
    other = change(wanted, path, case["to"])
    assert other != wanted
    assert compare(plan_of(wanted), plan_of(other)) == CHANGES[case["digest"]]


def warm_with_bake_file(path: tuple[str, ...]) -> dict[str, Any]:
    """Return a [warm] with a bake file of the kind that a key belongs to."""
    if path[:2] != ("warm", "bake_files"):
        return {}
    url = {"url": "https://example.org/a.hcl", "sha256": "a" * 64}
    entry = url if path[2] in url else {path[2]: "a.hcl"}
    return {"warm": {"context": "warm", "bake_files": [entry]}}


def of_git(commit: str = "a", folder: str = ".") -> Plan:
    context = Context(f"commit:{commit * 40}", Path(folder), "https://example.org/a.git")
    return digest.add_digests(dataclasses.replace(plan(**GIT), context=context))


def replace(planned: Plan, **changes: Any) -> Plan:
    return digest.add_digests(dataclasses.replace(planned, **changes))


def test_a_commit_s_submodules_are_in_the_disk_digest_and_a_count_is_not() -> None:
    before = of_git()
    assert before.context is not None
    more = replace(before, context=dataclasses.replace(before.context, submodules=True))
    assert more.digest != before.digest
    counted = replace(before, context=dataclasses.replace(before.context, lfs_pointers=9))
    assert counted.digest == before.digest


def test_what_plan_resolves_is_in_the_disk_digest() -> None:
    before, other_digest = plan(), f"sha256:{'f' * 64}"
    source = dataclasses.replace(before.source, id="ami-0fedcba9876543210")
    (image,) = before.images
    others = [
        replace(before, source=source),
        replace(before, images=(PinnedImage(image.reference, other_digest),)),
        replace(before, buildkit=PinnedImage(before.buildkit.reference, other_digest)),
        replace(before, context=Context(f"sha256:{'9' * 64}", Path("warm"), None)),
        replace(before, own_steps={"steps/45-after-images.sh": b"true\n"}),
        replace(before, own_steps={"steps/45-after-images.sh": b"false\n"}),
    ]
    assert [compare(before, other) for other in others] == [{"digest"}] * len(others)
    assert len({other.digest for other in others}) == len(others)
    renamed = replace(before, context=dataclasses.replace(before.context, folder=Path("moved")))  # type: ignore[type-var]
    assert compare(before, renamed) == set()


def test_a_commit_s_folder_is_in_the_disk_digest() -> None:
    assert compare(of_git(), of_git("b")) == {"digest"}
    assert compare(of_git(), of_git(folder="docker")) == {"digest"}


def test_own_checks_are_in_the_proof_digest() -> None:
    others = [
        replace(plan(), own_checks={"models": b"true\n"}),
        replace(plan(), own_checks={"models": b"false\n"}),
        replace(plan(), own_checks={"other": b"true\n"}),
    ]
    assert [compare(plan(), other) for other in others] == [{"proof_digest"}] * len(others)
    assert len({other.proof_digest for other in others}) == len(others)


def test_where_the_fleet_has_types_of_its_own_those_of_a_bake_are_in_neither_digest() -> None:
    def of_types(bake: str) -> Plan:
        instance = {"types": [bake], "ssh_from": "127.0.0.1/32"}
        return plan(instance=instance, fleet={"instance_types": ["m7i.large"]})

    assert compare(of_types("t3.micro"), of_types("t3.small")) == set()


SHIPPED = render.read_shipped_files()


@pytest.mark.parametrize("path", sorted(SHIPPED))
def test_a_shipped_file_changes_the_digests_of_those_that_run_it(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = plan()
    shipped = {**SHIPPED, path: SHIPPED[path] + b"# another\n"}
    monkeypatch.setattr(render, "read_shipped_files", lambda: dict(shipped))
    differ = compare(before, plan())
    if path.startswith("steps/"):
        assert differ == {"digest"}
    elif path in {*digest.ONLY_FOR_CHECKS, "builders/systemd.sh"}:
        # The other driver's builder is not sent; which files checks run is not told apart further.
        assert differ == {"proof_digest"}
    else:
        assert differ == {"digest", "proof_digest"}


@pytest.mark.parametrize("name", digest.ONLY_FOR_CHECKS)
def test_what_is_only_for_checks_is_run_by_no_step(name: str) -> None:
    users = [path for path, text in SHIPPED.items() if name.encode() in text]
    assert set(users) <= set(digest.ONLY_FOR_CHECKS)
    assert name in SHIPPED


def test_the_checks_and_amikilns_version_are_in_the_proof_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = plan()
    sources = dict(digest._read_sources(digest.resources.files("amikiln") / "verify", ""))
    assert {"verify.py", "checks/warmth.py"} <= set(sources)
    with pytest.MonkeyPatch.context() as patch:
        changed = {**sources, "checks/warmth.py": b"# no check at all\n"}
        patch.setattr(digest, "_read_sources", lambda folder, prefix: changed.items())
        assert compare(before, plan()) == {"proof_digest"}
    monkeypatch.setattr(digest, "__version__", "0.0.1")
    assert compare(before, plan()) == {"proof_digest"}


def test_local_values_are_in_the_disk_digest() -> None:
    assert compare(
        plan_of(load_image(IMAGE).spec), plan_of(load_image(IMAGE, local=True).spec)
    ) >= {"digest"}


def moved(planned: Plan) -> Plan:
    """Return the plan as it is when every tag and branch has moved."""
    context = planned.context
    if context is not None and context.repository is not None:
        context = dataclasses.replace(context, identity=f"commit:{'b' * 40}")
    return replace(
        planned,
        images=tuple(PinnedImage(i.reference, f"sha256:{'f' * 64}") for i in planned.images),
        buildkit=PinnedImage(planned.buildkit.reference, f"sha256:{'e' * 64}"),
        source=dataclasses.replace(planned.source, id="ami-0fedcba9876543210"),
        context=context,
    )


@pytest.mark.parametrize("planned", [plan(), of_git(), plan(warm=False)])
def test_an_images_own_digests_lead_back_to_its_plan(planned: Plan) -> None:
    today = moved(planned)
    assert today.digest != planned.digest
    assert digest.restore_inputs(today, render.describe_plan(planned)) == planned


def test_another_spec_stays_another() -> None:
    today = moved(plan(volume={"size_gib": 13}))
    assert digest.restore_inputs(today, render.describe_plan(plan())).digest != plan().digest


def test_a_folder_is_what_it_is_today() -> None:
    changed = Context(f"sha256:{'9' * 64}", plan().context.folder, None)  # type: ignore[union-attr]
    today = replace(moved(plan()), context=changed)
    back = digest.restore_inputs(today, render.describe_plan(plan()))
    assert back.context == changed
    assert back.digest != plan().digest


@pytest.mark.parametrize("planned", [{}, {"images": 5}, {"images": {}, "buildkit": 7}])
def test_what_is_no_manifest_is_refused(planned: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError)):
        digest.restore_inputs(plan(), planned)
