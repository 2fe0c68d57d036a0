"""The pointer: read, moved under the lease, and read back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from amikiln.aws.parameter_names import find_name_faults
from amikiln.catalog.lease import Lease, hold_lease
from amikiln.catalog.pointer import Pointer
from amikiln.errors import LeaseError, PublishError
from amikiln.model.image import PublishResult
from amikiln.model.run import Run
from fakes import spec
from harness import POINTER, Harness


@pytest.fixture
def lease(harness: Harness) -> Iterator[Lease]:
    run, parameters = Run("cpu-build-1", "cpu-build"), harness.session.cloud.parameters
    with hold_lease(parameters, "/amikiln/x/lease", run, 60, harness.session.waiter) as lease:
        yield lease


@pytest.fixture
def pointer(harness: Harness) -> Pointer:
    """A pointer whose values AWS does not check: no image is needed."""
    return Pointer(spec(publish={"parameter": POINTER, "data_type": "text"}), harness.session)


def test_a_launch_template_refers_to_it(pointer: Pointer) -> None:
    assert pointer.reference == f"resolve:ssm:{POINTER}"


def test_before_anything_is_published_there_is_nothing(pointer: Pointer) -> None:
    assert pointer.read() is None
    assert pointer.read_history() == []
    assert pointer.find_faults() == []
    assert pointer.read_if_at("ami-1") is None


def test_it_is_moved_and_remembers_where_it_was(pointer: Pointer, lease: Lease) -> None:
    assert pointer.move("ami-1", lease) == PublishResult(POINTER, 1, "ami-1", None)
    assert pointer.move("ami-2", lease) == PublishResult(POINTER, 2, "ami-2", "ami-1")
    assert pointer.read_history() == ["ami-1", "ami-2"]
    assert pointer.read_if_at("ami-2") == PublishResult(POINTER, 2, "ami-2", None)
    assert pointer.read_if_at("ami-1") is None


def test_moving_it_to_where_it_is_writes_nothing(pointer: Pointer, lease: Lease) -> None:
    pointer.move("ami-1", lease)
    assert pointer.move("ami-1", lease) == PublishResult(POINTER, 1, "ami-1", None)


def test_another_data_type_is_a_fault(harness: Harness, pointer: Pointer, lease: Lease) -> None:
    pointer.move("ami-1", lease)
    checked = Pointer(spec(), harness.session)
    why = f"{POINTER} has the data type text, which AWS cannot change"
    assert why in str(checked.find_faults())
    with pytest.raises(PublishError, match=why):
        checked.move("ami-2", lease)
    assert pointer.read_history() == ["ami-1"]


def test_it_is_not_moved_without_the_lease(
    harness: Harness, pointer: Pointer, lease: Lease
) -> None:
    harness.session.cloud.parameters.create("/amikiln/x/lease/2", lease._term.to_json())
    with pytest.raises(LeaseError, match="took over"):
        pointer.move("ami-1", lease)
    assert pointer.read() is None


def test_somebody_else_who_writes_it_too_is_noticed(
    harness: Harness, pointer: Pointer, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = harness.session.cloud.parameters
    put = parameters.put

    def put_and_be_overtaken(name: str, value: str, **options: Any) -> int:
        version = put(name, value, **options)
        harness.ssm.put_parameter(Name=name, Value="ami-theirs", Overwrite=True)
        return version

    monkeypatch.setattr(parameters, "put", put_and_be_overtaken)
    with pytest.raises(PublishError, match=r"by somebody else .*version 2 is ami-theirs"):
        pointer.move("ami-1", lease)


def fault_of(harness: Harness, parameter: str = POINTER) -> str:
    publish = {"parameter": parameter, "data_type": "text"}
    (fault,) = Pointer(spec(publish=publish), harness.session).find_faults()
    return fault


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/aws/cpu-build", "AWS keeps names that begin with aws or ssm"),
        ("/SSM/cpu-build", "AWS keeps names that begin with aws or ssm"),
        ("/Aws-images/cpu-build", "AWS keeps names that begin with aws or ssm"),
        ("/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p", "has 16 levels, and SSM allows 15"),
        ("/team/" + "x" * 1000, "SSM allows 1011"),
    ],
)
def test_a_name_that_ssm_refuses_is_a_fault(harness: Harness, name: str, why: str) -> None:
    (fault,) = find_name_faults(name, "us-east-1", "123456789012")
    assert why in fault


@pytest.mark.parametrize(
    "name", ["/my-aws/cpu", "/team/aws/ssm", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o", "plain_name.1"]
)
def test_a_name_that_ssm_accepts_is_none(name: str) -> None:
    assert list(find_name_faults(name, "us-east-1", "123456789012")) == []


@pytest.mark.parametrize("name", ["/a//b", "/team/with space", "/", "/team/ümlaut"])
def test_what_is_no_name_is_a_fault(name: str) -> None:
    assert "is no name of an SSM parameter" in next(find_name_faults(name, "us-east-1", "1"))


def test_a_reserved_name_is_a_fault_in_preflight(harness: Harness) -> None:
    assert "AWS keeps names" in fault_of(harness, "/aws/cpu-build/{region}")


@pytest.mark.parametrize("kind", ["StringList", "SecureString"])
def test_another_type_is_a_fault(harness: Harness, lease: Lease, kind: str) -> None:
    harness.ssm.put_parameter(Name=POINTER, Value="ami-1", Type=kind)
    assert f"is a {kind}, which AWS cannot change" in fault_of(harness)
    with pytest.raises(PublishError, match=f"is a {kind}"):
        Pointer(spec(), harness.session).move("ami-2", lease)


def test_a_hundredth_version_behind_a_labelled_one_is_a_fault(harness: Harness) -> None:
    for number in range(100):
        harness.ssm.put_parameter(
            Name=POINTER, Value=f"ami-{number}", Type="String", Overwrite=True
        )
    pointer = Pointer(spec(publish={"parameter": POINTER, "data_type": "text"}), harness.session)
    assert pointer.find_faults() == []
    harness.ssm.label_parameter_version(Name=POINTER, ParameterVersion=50, Labels=["kept"])
    assert pointer.find_faults() == [], "another version can go"
    harness.ssm.label_parameter_version(Name=POINTER, ParameterVersion=1, Labels=["first"])
    assert "version 1, which has the label first" in fault_of(harness)


def test_a_pattern_that_allows_no_image_is_a_fault(harness: Harness) -> None:
    harness.ssm.put_parameter(Name=POINTER, Value="v1", Type="String", AllowedPattern="^v[0-9]+$")
    assert "which no image's id does" in fault_of(harness)
