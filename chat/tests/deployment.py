"""What is in deploy/ and in the operator's chapters, read so that tests can run it."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from channels_socketio.tests.support.processes import ROOT, require

DEPLOY = ROOT / "deploy"
CHAPTERS = ROOT / "docs" / "operations"
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SECRETS = {"SECRET_KEY": "k" * 50, "ALLOWED_HOSTS": "chat.example"}
OURS = ("DATABASE_URL", "REDIS_URL", "DEBUG", "HTTPS", "DJANGO_SETTINGS_MODULE", *SECRETS)


def read_yaml(text: str) -> Any:
    """Return what a YAML text says."""
    require(find_spec("yaml") is not None, "PyYAML")
    import yaml

    return yaml.safe_load(text)


def blocks(chapter: str, language: str) -> list[str]:
    """Return the code blocks of a chapter in one language; fail when there are none."""
    text = (CHAPTERS / f"{chapter}.md").read_text()
    found = [textwrap.dedent(code) for _, name, code in BLOCK.findall(text) if name == language]
    assert found, f"expected code blocks of {language} in {chapter}.md, got none"
    return found


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Return a text with each of some words replaced; fail when one is not there."""
    for old, new in replacements.items():
        assert old in text, f"expected {old!r} in {text!r}"
        text = text.replace(old, new)
    return text


def clean(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of this process, with this Python first, and of the chat's settings only `env`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**kept, "PATH": path, **env}


def run(command: list[str], env: Mapping[str, str], folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    done = subprocess.run(command, cwd=folder, env=clean(env), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
    return done


def run_shell(script: str, env: Mapping[str, str], folder: Path = ROOT) -> str:
    """Run a block of shell commands, each of which must succeed; return what it printed."""
    return run(["bash", "-euo", "pipefail", "-c", script], env, folder).stdout


def variables(path: Path) -> dict[str, str]:
    """Return the variables of an environment file."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
