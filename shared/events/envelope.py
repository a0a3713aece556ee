"""The CloudEvents 1.0 envelope in JSON (https://github.com/cloudevents/spec)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class CloudEvent(BaseModel):
    """The envelope that outsiders see; `correlationid` follows a recording from PUT to label."""

    specversion: str = "1.0"
    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    correlationid: UUID
    causationid: UUID | None = None
    data: dict[str, Any]
