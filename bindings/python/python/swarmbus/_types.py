"""Types of arguments, for annotations."""

from typing import Literal, TypeAlias

Lane: TypeAlias = Literal["urgent", "high", "normal", "low", "reply"]
"""The lanes of a queue, most urgent first; replies have one of their own."""

Content: TypeAlias = Literal["bytes", "json", "rkyv"]
"""What the sender says the bytes of a message are."""

Policy: TypeAlias = Literal["back-pressure", "drop-new", "lossy"]
"""What happens to a message of a topic for which a subscriber leaves no room."""

AgentState: TypeAlias = Literal["idle", "waiting_for_dependencies", "in_progress", "completed", "blocked"]
"""What an agent does at the moment."""
