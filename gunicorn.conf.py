"""How gunicorn serves the desk. What may differ from one machine to the next comes from config.py."""

import logging
import os
import socket
import struct
from typing import Any

from gunicorn.glogging import Logger

from config import Config, ConfigError

try:
    c = Config.from_env()
except ConfigError as e:
    raise SystemExit(f"The web process cannot start. {e}") from None

bind = f"[{c.host}]:{c.port}" if ":" in c.host else f"{c.host}:{c.port}"

# An open dashboard holds a thread for its event stream, so threads are many; waiting costs next to nothing.
worker_class = "gthread"
workers = c.web_workers
threads = c.web_threads
preload_app = False  # database connections must not be shared across a fork
max_requests = 0  # a recycled worker would cut its event streams

timeout = 60  # a worker that gives no sign of life for so long is replaced
graceful_timeout = 20  # below the 30 seconds that Heroku and systemd allow
keepalive = 75  # longer than proxies keep an idle connection, so that they never write to one just closed
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
forwarded_allow_ips = ""  # the application alone judges X-Forwarded-* headers, by TRUSTED_PROXIES

# The workers' sign of life is a file: on a disk it may stall them, so memory is used where there is some.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn makes a private file
control_socket_disable = True

accesslog = None  # paths may carry webhook tokens
errorlog = "-"
loglevel = c.log_level


def hide_addresses(record: logging.LogRecord) -> bool:
    """Keep request lines out of the log, as paths may carry webhook tokens; be silent on slow clients."""
    if record.exc_info and isinstance(record.exc_info[1], BlockingIOError):
        return False  # READ_TIMEOUT is over
    text = str(record.msg)
    if text.startswith("Error handling request"):
        record.msg, record.args = "Error handling a request", ()
    elif text.startswith("Invalid request from ip="):
        record.msg = text.partition(": ")[0]
    return True


class logger_class(Logger):
    """Gunicorn's own logger, less the addresses."""

    def setup(self, cfg: Any) -> None:
        """Set up both logs."""
        super().setup(cfg)
        self.error_log.addFilter(hide_addresses)


READ_TIMEOUT = 20  # seconds a client may pause within a request: it holds a thread
DEAD_CLIENT_TIMEOUT = 60_000  # milliseconds without acknowledgement until a connection counts as lost


def post_worker_init(worker: Any) -> None:
    """Hand the worker to the application, and give its connections time limits."""
    # Event streams watch worker.alive and end at once when it is told to stop.
    worker.app.callable.extensions["gunicorn_worker"] = worker
    for listener in worker.sockets:  # accepted connections inherit both
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", READ_TIMEOUT, 0))
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_CLIENT_TIMEOUT)
