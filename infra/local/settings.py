"""Settings of the local cluster; everything else is `shared/settings.py`."""

from typing import Literal

from pydantic import Field

from shared.settings import Section


class LocalSettings(Section):
    """What `make up` starts, and where it listens."""

    broker: Literal["auto", "apache", "tansu", "external"] = Field(
        "auto",
        description="auto: Apache Kafka, or Tansu where it cannot be had | external: BUS_URL",
    )
    kafka_port: int = Field(9092, ge=1, le=65_000, description="the broker of `make up`")
    kafka_controller_port: int = Field(
        9093, ge=1, le=65_000, description="the controller inside the same broker process"
    )
    redis_port: int = Field(6379, ge=1, le=65_000, description="the Redis of `make up`")
    bus_url: str = Field("", description="another broker than the one `make up` starts")
    kv_url: str = Field("", description="another Redis than the one `make up` starts")
    celery_broker_url: str = Field("", description="another queue than Redis database 1")
    vectors_url: str = Field("", description="another vector store than the embedded one")
    database_url: str = Field("", description="another database than SQLite under var/")
    start_timeout_s: float = Field(120.0, gt=0, description="until everything must be ready")
