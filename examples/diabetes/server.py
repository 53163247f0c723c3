"""Serves the example's regression over HTTP.

`GET /prediction/?f=0.05` answers `{"prediction": 199.6...}`; `GET /isAlive` is the readiness path. The model is loaded
before the port is opened, so a server that answers at all is ready.

Environment: PORT (default 8080), and MODEL_PATH, the model file or its directory (default: the model of the image).
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, Self

import joblib
import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

MODEL_FILE: Final = "model.joblib"
TERMINATION_LOG: Final = Path("/dev/termination-log")
BAD_FEATURE: Final = "The parameter f must be a finite number, for example /prediction/?f=0.05."


class Model(Protocol):
    """A trained model, as used by the server: one prediction per row."""

    def predict(self, rows: list[list[float]], /) -> Any:  # noqa: ANN401 - a numpy array, not imported for its name
        """Predictions in the order of `rows`."""


class ModelUnusableError(Exception):
    """The model file is missing or unreadable; the message names the file."""


class ConfigurationError(Exception):
    """An environment variable has a value that the server cannot use."""


@dataclass(frozen=True)
class Settings:
    """Path of the model and port of the server."""

    model: Path
    port: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read MODEL_PATH, the model file or its directory, and PORT. Raises ConfigurationError."""
        path = Path(environment.get("MODEL_PATH") or Path(__file__).with_name(MODEL_FILE))
        port = environment.get("PORT") or "8080"
        if not port.isdecimal():
            raise ConfigurationError(f"PORT must be a whole number, for example 8080, not {port!r}.")
        return cls(model=path / MODEL_FILE if path.is_dir() else path, port=int(port))


def load_model(path: Path) -> Model:
    """Load the model stored at `path`. Raises ModelUnusableError. Loading executes code: use only trusted files."""
    try:
        model: Model = joblib.load(path)
    except FileNotFoundError as error:
        raise ModelUnusableError(f"The model file {path} does not exist: put it there or set MODEL_PATH.") from error
    except Exception as error:  # an unpickler raises whatever the file makes it raise
        cause = type(error).__name__
        raise ModelUnusableError(f"The model file {path} cannot be read ({cause}): train it again.") from error
    return model


def create_app(model: Model) -> FastAPI:
    """Create the HTTP application for a loaded model."""
    app = FastAPI(title="Diabetes example", openapi_url=None)

    @app.get("/isAlive")
    def is_alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/prediction/")
    def prediction(f: Annotated[float, Query(allow_inf_nan=False)]) -> dict[str, float]:
        return {"prediction": float(model.predict([[f]])[0])}

    @app.exception_handler(RequestValidationError)
    def reject(_request: Request, _error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": BAD_FEATURE}, status_code=422)

    return app


def report_error(message: str) -> None:
    """Report why the process exits: as last line of stderr and as termination message (terminationMessagePath)."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - the container's log is the interface
    with suppress(OSError):
        if TERMINATION_LOG.exists():
            TERMINATION_LOG.write_text(message)


def main() -> int:
    """Load the model and serve it until SIGTERM. Return the exit code of the process."""
    try:
        settings = Settings.from_environment(os.environ)
        app = create_app(load_model(settings.model))
    except (ModelUnusableError, ConfigurationError) as error:
        report_error(str(error))
        return 1
    uvicorn.run(app, host="0.0.0.0", port=settings.port)  # noqa: S104 - a container serves its whole pod network
    return 0


if __name__ == "__main__":
    sys.exit(main())
