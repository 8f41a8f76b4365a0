"""The settings every process shares. Only `settings.py` files read the environment.

One URL picks a variant and nothing else does. Secrets are `SecretStr`, masked wherever shown.
`.env.example` lists every setting of every service; a test keeps it complete.
"""

from pathlib import Path
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import ConfigurationError


class Section(BaseSettings):
    """Base of every group of settings: environment first, then `.env`, then the default."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)


SectionT = TypeVar("SectionT", bound=Section)


class Settings(Section):
    """What every process needs to find the others."""

    bus_url: str = Field("memory:", description="memory: | kafka://host:port | kafka+rd://…")
    kv_url: str = Field("memory:", description="memory: | redis://host:port/db")
    vectors_url: str = Field("edge:", description="edge:PATH | http://host:6333")
    database_url: str = Field(
        "sqlite+aiosqlite:///var/switchboard.db", description="SQLAlchemy URL, async driver"
    )
    embedder_url: str = Field("support:", description="support: | minilm: | hashing: | onnx:FOLDER")
    celery_broker_url: str = Field("memory://", description="where background jobs queue")
    var_dir: Path = Field(Path("var"), description="state on disk; never committed")
    bind_host: str = Field("127.0.0.1", description="address every process listens on")
    base_port: int = Field(
        8080, ge=0, le=65_000, description="gateway's port; the others follow. 0: any free port"
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    cpu_threads: int = Field(1, ge=1, le=64, description="threads of each model's executor")
    secret_key: SecretStr = Field(
        SecretStr("development-only"), description="signs tokens; encrypts vault and dead letters"
    )
    keys_file: Path | None = Field(
        None, description="widget, admin and agent keys; default VAR_DIR/keys.json"
    )
    default_tenant: str = Field("morrow", description="the tenant that `make up` creates")

    @property
    def keys_path(self) -> Path:
        """Where the key file lies."""
        return self.keys_file or self.var_dir / "keys.json"


def load(section: type[SectionT]) -> SectionT:
    """Read one group of settings.

    Raises:
        ConfigurationError: names each bad key, its value and what would be right.
    """
    try:
        return section()
    except ValidationError as error:
        raise ConfigurationError(
            "; ".join(_explain(section, item) for item in error.errors())
        ) from None


def _explain(section: type[Section], item: object) -> str:
    details = dict(item)  # type: ignore[call-overload]
    name = str(details["loc"][0])
    field = section.model_fields.get(name)
    secret = field is not None and field.annotation is SecretStr
    value = "***" if secret else repr(details["input"])
    hint = f" ({field.description})" if field is not None and field.description else ""
    return f"{name.upper()}={value}: {details['msg']}{hint}"
