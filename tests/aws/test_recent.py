"""What was made a moment ago is waited for; what is older and not found is gone."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError, SSLError

from amikiln.aws.errors import is_passing
from amikiln.aws.recent import IN_USE_SECONDS, SHOWN_WITHIN_SECONDS, NotListedYet, Recent
from amikiln.errors import Interrupted
from amikiln.runtime.wait import Waiter
from fakes import Clock, Recorder

URL = "https://ec2.us-east-1.amazonaws.com/"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent(clock: Clock) -> Recent:
    return Recent(Waiter(Recorder(), clock.read, clock.pause))


def refusal(code: str, message: str = "", status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "AnOperation")


def listed_after(clock: Clock, seconds: float) -> list[str]:
    return ["i-1"] if clock.now > seconds else []


class Aws:
    """Fails with an error until a time, then answers."""

    def __init__(self, clock: Clock, error: Exception, until: float) -> None:
        self._clock, self._error, self._until = clock, error, until
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self._clock.now < self._until:
            raise self._error
        return "answer"


@pytest.mark.parametrize(
    "error",
    [
        refusal("InvalidInstanceID.NotFound", "The instance ID 'i-new' does not exist"),
        refusal("InvalidKeyPair.NotFound"),
        refusal("InvalidGroup.NotFound", "i-new"),
        refusal("ParameterNotFound"),
        refusal(
            "UnauthorizedOperation", "not authorized on arn:aws:ec2:us-east-1:1:instance/i-new"
        ),
        refusal("UnauthorizedOperation", "Encoded authorization failure message: x"),
        refusal("AccessDeniedException"),
        refusal("IncorrectInstanceState", "The instance 'i-new' is not in a state"),
        refusal("InvalidParameterValue", "Invalid value 'i-new' for it"),
        refusal("InvalidParameterValue", "Instance is not in state running"),
    ],
    ids=str,
)
def test_what_is_new_is_waited_for(recent: Recent, clock: Clock, error: Exception) -> None:
    recent.note("i-new")
    aws = Aws(clock, error, until=100)
    assert recent.call(aws, "i-new", "i-old") == "answer"
    assert aws.calls > 2


@pytest.mark.parametrize(
    "error",
    [
        refusal("InvalidInstanceID.NotFound", "The instance ID 'i-old' does not exist"),
        refusal("UnauthorizedOperation", "not authorized on instance/i-old"),
        refusal("InvalidParameterValue", "Invalid value 'x' for it"),
        refusal("InvalidParameterCombination", "i-new"),
        refusal("ExpiredToken"),
        refusal("InvalidAMIName.Malformed", "i-new"),
    ],
    ids=str,
)
def test_any_other_answer_is_one_at_once(recent: Recent, clock: Clock, error: Exception) -> None:
    recent.note("i-new")
    aws = Aws(clock, error, until=100)
    with pytest.raises(ClientError):
        recent.call(aws, "i-new", "i-old")
    assert (aws.calls, clock.now) == (1, 0)


def test_what_is_older_and_not_found_is_gone(recent: Recent, clock: Clock) -> None:
    recent.note("i-1")
    clock.now = SHOWN_WITHIN_SECONDS + 1
    aws = Aws(clock, refusal("InvalidInstanceID.NotFound", "i-1"), until=1e9)
    with pytest.raises(ClientError):
        recent.call(aws, "i-1")
    assert aws.calls == 1


def test_after_two_minutes_the_answer_is_believed(recent: Recent, clock: Clock) -> None:
    recent.note("i-1")
    with pytest.raises(ClientError, match="NotFound"):
        recent.call(Aws(clock, refusal("InvalidInstanceID.NotFound", "i-1"), until=1e9), "i-1")
    assert SHOWN_WITHIN_SECONDS <= clock.now < SHOWN_WITHIN_SECONDS * 1.1


@pytest.mark.parametrize("code", ["DependencyViolation", "InvalidGroup.InUse"])
def test_what_is_in_use_by_what_is_gone_is_waited_for_minutes(
    recent: Recent, clock: Clock, code: str
) -> None:
    aws = Aws(clock, refusal(code), until=IN_USE_SECONDS - 10)
    assert recent.call_until_unused(aws, "sg-1") == "answer"
    with pytest.raises(ClientError):
        recent.call(Aws(clock, refusal(code), until=1e9), "sg-1")


@pytest.mark.parametrize(
    "error",
    [
        refusal("RequestLimitExceeded", status=503),
        refusal("Throttling"),
        refusal("ThrottlingException"),
        refusal("TooManyUpdates"),
        refusal("InternalError", status=500),
        refusal("Whatever", status=502),
        EndpointConnectionError(endpoint_url=URL),
        ReadTimeoutError(endpoint_url=URL),
    ],
    ids=str,
)
def test_what_is_no_answer_is_asked_again(recent: Recent, clock: Clock, error: Exception) -> None:
    assert is_passing(error)
    assert recent.call(Aws(clock, error, until=90)) == "answer"


def test_refusals_and_wrong_certificates_do_not_pass() -> None:
    for code in (
        "ExpiredToken",
        "RequestExpired",
        "UnauthorizedOperation",
        "InvalidAMIID.NotFound",
    ):
        assert not is_passing(refusal(code))
    assert not is_passing(SSLError(endpoint_url=URL, error="CERTIFICATE_VERIFY_FAILED"))
    assert not is_passing(ValueError("ours"))


def test_what_was_made_is_known_by_its_id_where_no_list_has_it_yet(
    recent: Recent, clock: Clock
) -> None:
    assert recent.make("instance", "name", lambda: "i-1") == "i-1"
    assert recent.find_made("instance", "name", lambda: ["i-1"] if clock.now > 60 else []) == [
        "i-1"
    ]
    assert 60 < clock.now < 70
    assert recent.find_made("instance", "name", lambda: []) == ["i-1"], "never listed, still known"
    assert recent.find_made("instance", "other", lambda: ["i-9"]) == ["i-9"]
    recent.forget("i-1")
    assert recent.find_made("instance", "name", lambda: []) == []


def test_what_may_have_been_made_without_an_answer_is_looked_for(
    recent: Recent, clock: Clock
) -> None:
    def interrupted() -> str:
        raise Interrupted

    with pytest.raises(Interrupted):
        recent.make("instance", "name", interrupted)
    assert recent.find_made("instance", "name", lambda: ["i-1"] if clock.now > 60 else []) == [
        "i-1"
    ]
    assert clock.now > 60


def test_what_was_refused_is_not_looked_for(recent: Recent, clock: Clock) -> None:
    def refuse() -> str:
        raise refusal("InvalidParameterValue", "no")

    with pytest.raises(ClientError):
        recent.make("instance", "name", refuse)
    assert recent.find_made("instance", "name", lambda: []) == []
    assert clock.now == 0


def test_what_exists_and_cannot_be_listed_yet_is_waited_for(recent: Recent, clock: Clock) -> None:
    def make() -> str:
        if clock.now < 50:
            raise NotListedYet(refusal("InvalidAMIName.Duplicate", "taken"))
        return "ami-1"

    assert recent.make("image", "name", make) == "ami-1"
    with pytest.raises(ClientError, match="Duplicate"):
        recent.make("image", "other", Aws(clock, NotListedYet(refusal("X.Duplicate")), until=1e9))
