"""The Pythons of this machine."""

import shutil
import subprocess
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def pythons() -> dict[str, str]:
    """Return the Pythons that are here, of those that the project is for, by version: on the PATH, or pyenv's."""
    found = {}
    for version in VERSIONS:
        pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for path in [*map(str, pyenv[-1:]), shutil.which(f"python{version}")]:
            if path is not None and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
                found[version] = path
    return found
