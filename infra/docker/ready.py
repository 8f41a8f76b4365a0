"""Health check of a container: `python infra/docker/ready.py PORT`; exit code 0 when ready.

Standard library only: it runs every few seconds beside the service and must cost nothing.
"""

import http.client
import sys


def is_ready(port: int, timeout_s: float = 3.0) -> bool:
    """Whether the service on this port takes work."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_ready(int(sys.argv[1])) else 1)
