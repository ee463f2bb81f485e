"""docs/operations/deployment.md: its commands install what they say; and which code of all chapters is tested where."""

import os
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest

from channels_socketio.tests.support.processes import ROOT
from chat.tests.deployment import BLOCK, CHAPTERS, DEPLOY, blocks, read_yaml, replaced, run_shell

NOT_RUN = 5  # blocks for a container engine, systemd itself or the list of users
PROGRAMS = {"docker", "git", "python3", "systemctl", "systemd-run", "useradd"}


def test_the_commands_install_the_files(tmp_path: Path) -> None:
    for folder in ("etc/systemd/system", "etc/nginx/conf.d"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("chat.env", "tls"))
    units, nginx, compose = blocks("deployment", "shell")
    places = {
        "/srv/chat/.venv/bin/python": sys.executable,
        "--owner=chat --group=chat /srv/chat": f"--owner={os.getuid()} --group={os.getgid()} {tmp_path}",
        "/srv/chat": str(ROOT),
        " /etc/": f" {tmp_path}/etc/",
    }
    pip = {"PIP_DRY_RUN": "1", "PIP_NO_INDEX": "1", "PIP_QUIET": "1"}
    run_shell(replaced(units, places), pip, tmp_path)
    run_shell(replaced(nginx, {"/srv/chat": str(ROOT), " /etc/": f" {tmp_path}/etc/"}), {}, tmp_path)
    run_shell(compose, {}, tmp_path)
    shipped = {path.name for path in (DEPLOY / "systemd").iterdir()} - {"chat.env.example"}
    assert {path.name for path in (tmp_path / "etc/systemd/system").iterdir()} == shipped
    assert {path.name for path in (tmp_path / "etc/nginx/conf.d").iterdir()} == {"chat.conf", "chat-upstream.conf"}
    assert stat.S_IMODE((tmp_path / "etc/chat/chat.env").stat().st_mode) == 0o600
    assert (tmp_path / "staticfiles").is_dir()
    assert (tmp_path / "deploy/chat.env").read_text() == (DEPLOY / "chat.env.example").read_text()


def test_the_units_and_services_that_are_named_are_there() -> None:
    text = "\n".join(blocks("deployment", "console"))
    names = [name for line in re.findall(r"systemctl .*(?:start|--now) (.*)", text) for name in line.split()]
    assert len(names) >= 4
    for name in names:
        unit = re.sub("@[0-9]+", "@", name)
        assert (DEPLOY / "systemd" / (unit if "." in unit else f"{unit}.service")).is_file()
    services = read_yaml((DEPLOY / "compose.yaml").read_text())["services"]
    commands = re.findall(r"docker compose --env-file (\S+) --file (\S+) (.*)", text)
    assert len(commands) == text.count("docker") == 3
    for variables, file, command in commands:
        assert (ROOT / f"{variables}.example").is_file()
        assert (ROOT / file).is_file()
        assert command == "up --build --detach" or set(command.split()) & services.keys()


def test_each_block_of_the_chapters_is_run_or_read_by_a_test() -> None:
    not_run = 0
    chapters = sorted(CHAPTERS.glob("*.md"))
    assert len(chapters) >= 9
    for path in chapters:
        test = ROOT / "chat" / "tests" / f"test_operations_{path.stem}.py"
        for _, language, code in BLOCK.findall(path.read_text()):
            if language == "console":
                not_run += 1
                assert {line.split()[0] for line in code.splitlines()} <= PROGRAMS
            elif path.stem != "monitoring":  # whose block test_deploy_alerts reads
                assert f'blocks("{path.stem}", "{language}")' in test.read_text(), path.name
    assert not_run <= NOT_RUN


@pytest.mark.parametrize(
    "path", [ROOT / "docs" / "operations.md", *sorted(CHAPTERS.glob("*.md"))], ids=lambda path: path.stem
)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]*(?:#[^)]*)?)\)", path.read_text()):
        file, _, heading = target.partition("#")
        found = (path.parent / file) if file else path
        assert found.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}, target
