"""The payment as pydantic models, as services without gRPC and adapters written by hand have it."""

from datetime import datetime
from enum import StrEnum

from pydantic import Base64Bytes, BaseModel, Field


class State(StrEnum):
    """Where a payment stands."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    NEW = "STATE_NEW"
    HELD = "STATE_HELD"


class Line(BaseModel):
    """One line."""

    sku: str
    title: str = Field(max_length=200)
    quantity: int = Field(gt=0)
    amountMinor: int = Field(gt=0)


class Payment(BaseModel):
    """The payment as JSON."""

    paymentId: str = Field(max_length=64)
    customerId: str
    merchantId: str
    amountMinor: int = Field(gt=0)
    feeMinor: int = Field(ge=0)
    currency: str = Field(pattern="^[A-Z]{3}$")
    state: State = State.UNSPECIFIED
    description: str = Field("", max_length=512)
    email: str = ""
    country: str = ""
    lines: list[Line] = Field(default_factory=list, max_length=100)
    metadata: dict[str, str] = Field(default_factory=dict)
    createTime: datetime
    fingerprint: Base64Bytes = b""
    captured: bool = False
    riskScore: float = 0.0


class Charge(BaseModel):
    """The request, and the answer."""

    payment: Payment
