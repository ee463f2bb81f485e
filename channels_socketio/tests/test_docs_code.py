"""Every block of code in the documents is run or checked."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from channels_socketio.tests.support.commands import commands, django_commands, fault
from channels_socketio.tests.support.documents import (
    HEADLINE,
    TUTORIAL,
    Block,
    File,
    all_blocks,
    blocks,
    file_of,
    files,
    is_guide,
    pages,
)
from channels_socketio.tests.support.processes import ROOT, require

MOST_SKIPPED = 5
WIDTH = 91
LANGUAGES = {"python", "console", "shell", "js", "html", "ini", "nginx"}
# As docs/howto/testing.md has it.
TEST_DATABASE = File("mysite/settings.py", True, 'DATABASES["default"]["TEST"] = {"NAME": BASE_DIR / "test.sqlite3"}\n')
GUIDES = Path(__file__).parent / "guides"
PYTEST_INI = """\
[pytest]
DJANGO_SETTINGS_MODULE = mysite.settings
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""
COMMANDS_TEST = """\
from channels_socketio.tests.support.django_command import parse


def test_the_commands_of_the_page_are_there():
    for words in {words}:
        parse(*words)
"""
PARSE_SCRIPTS = """
const blocks = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const [name, code] of blocks) new (require("vm").Script)(code, { filename: name });
console.log(blocks.length);
"""
VOID = {"input", "meta", "br", "link"}
OPTIONAL = {"html", "head", "body", "p", "li"}
SHELL = all_blocks("console", "shell")
PAGES_WITH_FILES = [page for page in pages() if any(file.name.endswith(".py") for file in files(page))]


def name_of(page: Path) -> str:
    """Return what a page is called in the names of tests."""
    return str(page.relative_to(ROOT))


def test_few_blocks_are_skipped() -> None:
    skipped = [block for page in pages() for block in blocks(page) if block.reason is not None]
    assert len(skipped) <= MOST_SKIPPED, [f"{block}: {block.reason}" for block in skipped]


def test_there_are_blocks_in_these_languages_only() -> None:
    assert [f"{block}: {block.language}" for block in all_blocks() if block.language not in LANGUAGES] == []
    assert len(all_blocks("python")) > 40
    assert len(SHELL) > 10
    assert {block.page for block in all_blocks("python")} == {*PAGES_WITH_FILES}


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_python_has_the_name_of_its_file_above_it(block: Block) -> None:
    compile(block.code, str(block), "exec")
    assert HEADLINE.match(block.code)


def test_lines_are_as_short_as_the_pages_are_wide() -> None:
    code = [(block, line) for block in all_blocks("python", "js", "html", "shell") for line in block.code.splitlines()]
    assert [f"{block}: {line}" for block, line in code if len(line) > WIDTH] == []


@pytest.mark.parametrize("block", all_blocks("ini"), ids=str)
def test_settings_files_are_read(block: Block) -> None:
    configparser.ConfigParser().read_string(block.code)


def test_scripts_are_javascript() -> None:
    scripts = [(str(block), block.code) for block in all_blocks("js")]
    for block in all_blocks("html"):
        found = re.findall(r"<script>(.*?)</script>", block.code, re.DOTALL)
        scripts += [(str(block), code) for code in found]
    assert run_node(scripts) == len(scripts) > 3


def run_node(scripts: list[tuple[str, str]]) -> int:
    """Have Node compile scripts; return how many."""
    node = shutil.which("node")
    require(node is not None, "Node")
    given = json.dumps(scripts)
    done = subprocess.run([str(node), "-e", PARSE_SCRIPTS], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


class Elements(HTMLParser):
    """Checks that elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID | OPTIONAL:
            assert self.open.pop() == tag


@pytest.mark.parametrize("block", all_blocks("html"), ids=str)
def test_elements_are_closed(block: Block) -> None:
    parser = Elements()
    parser.feed(block.code)
    assert parser.open == []


@pytest.mark.parametrize("block", all_blocks("nginx"), ids=str)
def test_nginx_takes_its_settings(block: Block, tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    require(nginx is not None, "nginx")
    http = block.code.replace("listen 443 ssl;", "listen 8443;")
    folders = "".join(f"{name}_temp_path {tmp_path};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path = tmp_path / "nginx.conf"
    path.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {folders}\n{http}\n}}\n")
    command = [str(nginx), "-t", "-e", "stderr", "-c", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_there(block: Block) -> None:
    found = [command for command in commands(block) if not command.is_django]
    assert [f"{command}: {problem}" for command in found if (problem := fault(command))] == []


def environment(project: Path) -> dict[str, str]:
    """Return the environment for a project that uses this library."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DJANGO"))}
    return clean | {"PYTHONPATH": f"{project}:{ROOT}", "SECRET_KEY": "k" * 50}


@pytest.fixture(scope="module")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `django-admin startproject` makes it."""
    folder = tmp_path_factory.mktemp("new")
    command = [sys.executable, "-m", "django", "startproject", "mysite", "."]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True)
    return folder


@pytest.mark.parametrize("page", PAGES_WITH_FILES, ids=name_of)
def test_the_code_of_a_page_does_what_it_says(page: Path, new_project: Path, tmp_path: Path) -> None:
    """Its files are put into a project, that of the tutorial for guides, and tested there.

    The tests are the page's own, and those of the file in `guides/` that has its name.
    """
    if any("rest_framework" in file.code for file in files(page)):
        require(find_spec("rest_framework") is not None, "Django REST framework")
    project = tmp_path / "project"
    shutil.copytree(new_project, project)
    File("pytest.ini", False, PYTEST_INI).write(project)
    for file in [*(files(TUTORIAL) if is_guide(page) and page != TUTORIAL else []), *files(page)]:
        file.write(project)
    TEST_DATABASE.write(project)
    for companion in companions(page):
        shutil.copy(companion, project / f"test_{companion.name}")
    assert companions(page) or any(file.name.startswith("mysite/test") for file in files(page))
    words = [command.words[2:] for command in django_commands(page)]
    File("test_commands.py", False, COMMANDS_TEST.format(words=words)).write(project)
    run_pytest(project)
    if (project / "mysite" / "tests.py").exists():
        manage(project, "test")


def companions(page: Path) -> list[Path]:
    """Return the files with the tests of a page; those for who comes from other libraries have the same sample."""
    name = page.stem.lower().replace("-", "_")
    found = [GUIDES / f"{name}.py", *([GUIDES / "pots.py"] if name.startswith("from_") else [])]
    return [path for path in found if path.exists()]


def run_pytest(project: Path) -> None:
    """Run the tests of a project: none may be skipped."""
    plugins = [f"-p{name}" for name in ("pytest_django.plugin", "pytest_asyncio.plugin", "no:cacheprovider")]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "--no-header", *plugins, "."]
    env = environment(project) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # loading the others takes a second
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed in", done.stdout, re.MULTILINE), done.stdout


def manage(project: Path, *arguments: str) -> None:
    """Run `manage.py` in a project."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=project, env=environment(project), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_companion_belongs_to_a_page() -> None:
    used = {companion for page in PAGES_WITH_FILES for companion in companions(page)}
    assert {*GUIDES.glob("*.py")} - used == {GUIDES / "__init__.py"}
    assert file_of(Block(TUTORIAL, 1, "python", "# server.py with another library\n", None)) is None
