"""The entries of ``warm.bake_files``: files of the context, and files from elsewhere."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from amikiln.spec.types import RelativePath, SpecTable, match

SOURCES = ("file", "beside", "given", "url")
SUFFIX = r"\.(hcl|json|ya?ml)$"


class BakeFile(SpecTable):
    """A bake file: a path in the context, or a table that says where else it comes from."""

    WRITTEN_AS: ClassVar[str] = "string or table"

    file: RelativePath | None = None
    """In the context; the path alone says the same."""
    beside: Annotated[
        str | None, *match(rf"^(\.?\w[\w.-]*/)*\.?\w[\w.-]*{SUFFIX}", "a path beside image.toml")
    ] = None
    """A file beside image.toml."""
    given: Annotated[
        str | None, *match(rf"^\w[\w.-]*{SUFFIX}", "a file's name, as bake-config.json", 128)
    ] = None
    """What the run is given with --bake-file, by this name."""
    url: Annotated[
        str | None,
        *match(rf"^https://[^\s#?@\\]+{SUFFIX}", "https://HOST/PATH.hcl, .json or .yaml", 1024),
    ] = None
    """A file that is fetched; needs ``sha256``."""
    sha256: Annotated[str | None, *match(r"^[0-9a-f]{64}$", "64 hexadecimal digits")] = None
    """What the URL's content has to be."""

    @model_validator(mode="before")
    @classmethod
    def read_path(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def check_one_source(self) -> BakeFile:
        named = [key for key in SOURCES if getattr(self, key) is not None]
        if len(named) != 1:
            raise ValueError(f"has to have one of {', '.join(SOURCES)}, and has {named or 'none'}")
        if (self.url is None) != (self.sha256 is None):
            raise ValueError("url and sha256 belong together")
        return self

    @property
    def shown(self) -> str:
        """Where it comes from, in a word."""
        if self.given is not None:
            return f"--bake-file {self.given}"
        return self.file or self.beside or self.url or ""

    def name_in_recipe(self, number: int) -> str | None:
        """Return where the file is in the recipe; None for one of the context.

        Args:
            number: Its place in the list: two files may have the same name.
        """
        if self.file is not None:
            return None
        path = self.beside or self.given or urlsplit(self.url or "").path
        return f"bake-files/{number}-{PurePosixPath(path).name}"

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        table = handler.resolve_ref_schema(handler(core))
        path = {"type": "string", "description": "A path in the context"}
        return {"description": table.pop("description", ""), "anyOf": [path, table]}
