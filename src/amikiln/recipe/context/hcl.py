"""What can be said for certain of an HCL file without running it: its blocks' literal values.

Bake files have variables, functions and loops, which buildx alone evaluates. A value that is no
literal is None here: it cannot be told. https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
    | (?P<newline>\n)
    | (?P<heredoc><<-?(?P<end>[A-Za-z_][\w-]*)\r?\n.*?^[ \t]*(?P=end)\b)
    | (?P<name>[A-Za-z_][\w-]*)
    | (?P<quote>")
    | (?P<open>[{(\[])
    | (?P<close>[})\]])
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
LITERAL = re.compile(r'"(?:[^"\\$%]|\\.|\$(?!\{)|%(?!\{))*"')
LIST = re.compile(rf"\[\s*(?:{LITERAL.pattern}\s*,\s*)*(?:{LITERAL.pattern}\s*)?\]")

Literal = str | tuple[str, ...] | None


@dataclass(frozen=True)
class Block:
    """A block of a file, as ``target "test" { ... }``.

    Attributes:
        values: Its attributes: a string, or a list of them; None where it is no such literal.
    """

    kind: str
    labels: tuple[str, ...]
    values: dict[str, Literal]


def read_blocks(text: str) -> list[Block]:
    """Return the blocks at the top of an HCL file.

    Raises:
        ValueError: It is no HCL.
    """
    return _Reader(text).read_file()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read_file(self) -> list[Block]:
        blocks = []
        while (token := self._next(skip_lines=True)) is not None:
            kind, word = token
            if kind != "name":
                raise ValueError(f"no block begins with {word!r}")
            if self._peek() == "=":
                self._next()
                self._read_expression()
            else:
                blocks.append(self._read_block(word))
        return blocks

    def _read_block(self, block_kind: str) -> Block:
        labels = []
        while (token := self._next()) is not None:
            kind, word = token
            if kind == "quote":
                labels.append(self._read_string())
            elif kind == "name":
                labels.append(word)
            elif word == "{":
                return Block(block_kind, tuple(labels), self._read_body())
            else:
                break
        raise ValueError(f"the block {block_kind} does not begin")

    def _read_body(self) -> dict[str, Literal]:
        values: dict[str, Literal] = {}
        while (token := self._next(skip_lines=True)) is not None:
            kind, word = token
            if word == "}":
                return values
            if kind != "name":
                raise ValueError(f"no attribute begins with {word!r}")
            if self._peek() == "=":
                self._next()
                values[word] = _read_literal(self._read_expression())
            else:
                self._read_block(word)
        raise ValueError("a block does not end")

    def _read_expression(self) -> str:
        """Return the text until the line's end, or the block's, outside of all brackets."""
        began, depth = self._at, 0
        while True:
            before = self._at
            token = self._next()
            if token is None:
                return self._text[began:]
            kind = token[0]
            if kind == "quote":
                self._skip_string()
            elif kind == "open":
                depth += 1
            elif kind == "close":
                if depth == 0:
                    self._at = before
                    return self._text[began:before]
                depth -= 1
            elif kind == "newline" and depth == 0:
                return self._text[began:before]

    def _read_string(self) -> str:
        began = self._at - 1
        self._skip_string()
        return str(json.loads(self._text[began : self._at]))

    def _skip_string(self) -> None:
        """Go on behind a string whose first quote is read; templates in it may hold strings."""
        while self._at < len(self._text):
            character = self._text[self._at]
            two = self._text[self._at : self._at + 2]
            if character == "\\" or self._text.startswith(("$${", "%%{"), self._at):
                self._at += 2 if character == "\\" else 3
            elif two in ("${", "%{"):
                self._at += 2
                self._skip_template()
            else:
                self._at += 1
                if character == '"':
                    return
        raise ValueError("a string does not end")

    def _skip_template(self) -> None:
        depth = 1
        while depth:
            token = self._next()
            if token is None:
                raise ValueError("a template does not end")
            kind, word = token
            if kind == "quote":
                self._skip_string()
            depth += (word == "{") - (word == "}")

    def _peek(self) -> str | None:
        before = self._at
        token = self._next()
        self._at = before
        return token and token[1]

    def _next(self, *, skip_lines: bool = False) -> tuple[str, str] | None:
        while match := TOKEN.match(self._text, self._at):
            self._at = match.end()
            kind = match.lastgroup or ""
            kind = "heredoc" if match["heredoc"] else kind
            if kind != "space" and not (skip_lines and kind == "newline"):
                return kind, match[0]
        return None


def _read_literal(expression: str) -> Literal:
    text = _strip_comments(expression).strip()
    if LITERAL.fullmatch(text):
        return _decode(text)
    if LIST.fullmatch(text):
        return tuple(_decode(each) for each in LITERAL.findall(text))
    return None


def _strip_comments(expression: str) -> str:
    reader, kept = re.compile(rf"{LITERAL.pattern}|\#[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL), []
    end = 0
    for match in reader.finditer(expression):
        kept.append(expression[end : match.start()])
        kept.append(match[0] if match[0].startswith('"') else " ")
        end = match.end()
    return "".join([*kept, expression[end:]])


def _decode(literal: str) -> str:
    # HCL's escapes are JSON's, and \UNNNNNNNN besides.
    return str(json.loads(literal))
