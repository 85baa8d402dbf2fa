"""Log lines of the server: JSON on stderr, or aligned text on a terminal; ours and the libraries' alike.

A traceback comes without the values of local variables, which structlog would add: they hold keys, salts and events.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo

_SHARED = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure_logging() -> None:
    """Send every log line to stderr in one form; call once, before the server starts."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if sys.stderr.isatty():
        last.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        last += [structlog.processors.ExceptionRenderer(_traceback), structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=last))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # the commands say themselves that they serve
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses, which name items


_frames: Final = ExceptionDictTransformer(show_locals=False)


def _traceback(exc_info: ExcInfo) -> list[dict[str, Any]]:
    # After its first line PostgreSQL quotes the row that it refused.
    return [{**raised, "exc_value": raised["exc_value"].partition("\n")[0]} for raised in _frames(exc_info)]
