"""What a machine is sent: the recipe, the build's context, and secrets that nobody else sees."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile

import pytest

from amikiln.errors import BakeError, PreflightError
from amikiln.model.result import RunResult
from amikiln.runtime.guest import GuestCommandFailed
from fakes import fail_on, spec
from harness import NOTHING, Harness

SECRET = "hf_notARealToken0123456789"
WARM = {"context": "warm", "dockerfile": "Dockerfile", "secrets": ["token"]}


def names_in(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


def cycle(harness: Harness, **secrets: str) -> RunResult:
    harness.session = dataclasses.replace(harness.session, secrets=secrets)
    return harness.run(spec(warm=WARM))


def test_both_machines_are_sent_the_recipe_and_the_same_context(harness: Harness) -> None:
    sent: list[tuple[str, list[str]]] = []

    class Kept(dict[str, bytes]):
        def __setitem__(self, command: str, content: bytes) -> None:
            if "tar -x" in command:
                sent.append((command.rsplit(" ", 1)[-1], names_in(content)))
            super().__setitem__(command, content)

    harness.script.sent = Kept()
    harness.run()
    places = [place for place, _ in sent]
    assert places == ["/run/amikiln", "/var/tmp/amikiln-context"] * 2  # noqa: S108
    assert sent[1] == sent[3] == (places[1], ["Dockerfile"])
    # The scanner is large, and the machine that is verified does not need it.
    assert "kingfisher" in sent[0][1]
    assert "kingfisher" not in sent[2][1]
    assert "check-warm.sh" in sent[2][1]


def test_secrets_go_over_stdin_into_memory_and_are_nowhere_else(harness: Harness) -> None:
    done = cycle(harness, token=SECRET)
    assert done.verdict is not None
    commands = [name for name, content in harness.script.sent.items() if content == SECRET.encode()]
    assert commands
    assert all("/run/amikiln-secrets/token" in command for command in commands)
    everywhere = [*harness.script.asked, *harness.report.said, repr(harness.session), repr(done)]
    assert not [text for text in everywhere if SECRET in text]
    sent = (content for name, content in harness.script.sent.items() if name not in commands)
    assert not [content for content in sent if SECRET.encode() in content]


def test_a_build_that_prints_its_secret_is_masked(harness: Harness) -> None:
    def print_it(command: str) -> None:
        if "50-warm" in command:
            raise GuestCommandFailed("the build", 1, f"token={SECRET}")

    harness.script.refuse = print_it
    with pytest.raises(BakeError, match=r"token=\*\*\*") as caught:
        cycle(harness, token=SECRET)
    assert SECRET not in caught.value.what


def test_missing_and_needless_secrets_are_named_before_anything_is_made(harness: Harness) -> None:
    with pytest.raises(PreflightError) as caught:
        cycle(harness, hf_token=SECRET)
    assert caught.value.what.splitlines() == [
        "the secret token is not given: write it as JSON to the file of --secrets-fd",
        "the secret hf_token is given, and neither warm.secrets nor docker.logins names it",
    ]
    assert harness.holdings() == NOTHING


def test_logins_are_sent_to_the_machine_that_pulls_and_to_no_other(harness: Harness) -> None:
    harness.session = dataclasses.replace(harness.session, secrets={"token": SECRET})
    login = {"username": "ci", "secret": "token"}
    done = harness.run(spec(docker={"images": [], "logins": {"host.example": login}}))
    (sent,) = [c for name, c in harness.script.sent.items() if "/run/amikiln-logins/" in name]
    assert "host.example" in json.loads(sent)["auths"]
    asked = [command for command in harness.script.asked if "/run/amikiln-logins" in command]
    assert len(asked) == 1
    everywhere = [*harness.script.asked, *harness.report.said, repr(done)]
    assert not [text for text in everywhere if SECRET in text]


def test_a_machine_that_is_kept_keeps_no_login_and_no_secret(harness: Harness) -> None:
    harness.session = dataclasses.replace(harness.session, secrets={"token": SECRET})
    harness.script.refuse = fail_on("40-images")
    with pytest.raises(BakeError):
        harness.run(spec(warm=WARM), keep_on_error=True)
    removed = [
        command for command in harness.script.asked if command.startswith("rm -rf /run/amikiln-")
    ]
    assert removed == ["rm -rf /run/amikiln-logins /run/amikiln-secrets"]
