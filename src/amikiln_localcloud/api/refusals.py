"""Errors in the form of the service that was called, whichever of AWS's protocols it speaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from amikiln_localcloud.api.served import find_service

Environment = dict[str, Any]
StartResponse = Callable[..., Any]

SPEAK_XML = ("cloudfront", "route53", "s3")
"""The services with actions as paths whose answers are XML; others' are JSON."""
CBOR_MAP, CBOR_TEXT_16 = 0xA0, 0x79
"""The first bytes of a map with so many entries, and of a text whose length has two bytes:
https://www.rfc-editor.org/rfc/rfc8949#section-3.1"""


def refuse(
    environ: Environment, start_response: StartResponse, status: int, code: str, message: str
) -> list[bytes]:
    """Answer an error.

    Args:
        environ: The request.
        start_response: WSGI's.
        status: HTTP's, which is all that a HEAD request is told.
        code: The error's name.
        message: What is wrong.
    """
    kind, payload = _render(environ, code, message)
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(payload))),
        # Where a service names its actions by paths, a JSON error's name is a header:
        # https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
        ("x-amzn-errortype", code),
    ]
    if "cbor" in kind:
        headers.append(("smithy-protocol", "rpc-v2-cbor"))
    start_response(f"{status} {code}", headers)
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else payload]


def _render(environ: Environment, code: str, message: str) -> tuple[str, bytes]:
    service = find_service(environ.get("HTTP_AUTHORIZATION", ""), environ.get("QUERY_STRING", ""))
    if "cbor" in environ.get("HTTP_SMITHY_PROTOCOL", ""):
        return "application/cbor", _to_cbor({"__type": code, "message": message})
    if environ.get("HTTP_X_AMZ_TARGET"):
        text = json.dumps({"__type": code, "message": message})
        return "application/x-amz-json-1.1", text.encode()
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    if service == "ec2":
        text = f"<Response><Errors>{error}</Errors><RequestID>-</RequestID></Response>"
    elif service == "s3" and "HTTP_X_AMZ_ACCOUNT_ID" not in environ:
        text = error
    elif service in SPEAK_XML or _is_form(environ) or not service:
        text = f"<ErrorResponse>{error}<RequestId>-</RequestId></ErrorResponse>"
    else:
        return "application/json", json.dumps({"__type": code, "message": message}).encode()
    return "text/xml", text.encode()


def _is_form(environ: Environment) -> bool:
    form = "application/x-www-form-urlencoded" in environ.get("CONTENT_TYPE", "")
    return form or "Action=" in environ.get("QUERY_STRING", "")


def _to_cbor(fields: dict[str, str]) -> bytes:
    def encode(texts: Iterable[str]) -> bytes:
        parts = (text.encode() for text in texts)
        return b"".join(bytes([CBOR_TEXT_16]) + len(p).to_bytes(2, "big") + p for p in parts)

    return bytes([CBOR_MAP + len(fields)]) + b"".join(map(encode, fields.items()))
