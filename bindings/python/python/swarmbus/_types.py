"""Types of arguments, for annotations."""

from typing import Literal, TypeAlias

Lane: TypeAlias = Literal["urgent", "high", "normal", "low", "reply"]
"""The lanes of a queue, most urgent first; replies have one of their own."""

Content: TypeAlias = Literal["bytes", "json", "rkyv"]
"""What the sender says the bytes of a message are."""
