"""A gateway with neighbours in miniature, for the browser: `python serve.py PORT VAR_DIR`."""

import json
import sys
from pathlib import Path

from services.gateway.app import open_service
from shared.process import main
from shared.settings import Settings
from tests.services.gateway.neighbours import opener

KEYS = {
    "widget_key": "widget-key-for-tests",
    "admin_key": "admin-key-for-tests",
    "agent": {"email": "sam@morrow.example", "password": "agent-password-for-tests"},
}

if __name__ == "__main__":
    var_dir = Path(sys.argv[2])
    var_dir.mkdir(parents=True, exist_ok=True)
    (var_dir / "keys.json").write_text(json.dumps(KEYS))
    settings = Settings(base_port=int(sys.argv[1]), var_dir=var_dir, bus_url="memory:")
    main([("gateway", open_service), ("safety", opener(0.4))], settings)
