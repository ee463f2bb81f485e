"""The library's tests on each Python and Django that it is for: `nox` runs the cells whose Python is here, and says so.

`nox -k "6.1"` runs some of them; arguments behind `--` go to pytest.
"""

from pathlib import Path

import nox

CELLS = {
    "3.11": ["5.2"],
    "3.12": ["5.2", "6.0", "6.1"],
    "3.13": ["5.2", "6.0", "6.1"],
    "3.14": ["5.2", "6.0", "6.1"],
}

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False


@nox.session
@nox.parametrize(("python", "django"), [(python, django) for python, versions in CELLS.items() for django in versions])
def library(session: nox.Session, django: str) -> None:
    """Run the library's tests with a version of Django."""
    override = Path(session.create_tmp()) / "django.txt"
    override.write_text(f"Django~={django}.0\n")
    session.install("--override", str(override), "-r", "requirements-dev.in")
    session.run("python", "-c", "import sys, django; print('Python', sys.version, 'Django', django.__version__)")
    session.run(
        "pytest", "-n", "3", "--dist", "loadfile", "-p", "no:cacheprovider", *session.posargs, "channels_socketio"
    )
