"""The alert rules, and how Prometheus is told of them: each metric is one that a live process has."""

import re
from typing import Any
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from channels_socketio.tests.support.processes import ROOT
from chat.tests.deployment import CHAPTERS, DEPLOY, blocks, read_yaml
from chat.tests.site import Site

BY_PROMETHEUS = {"up"}
FUNCTIONS = {"rate", "changes", "sum", "by"}  # all that the rules use
SELECTOR = re.compile(r"\{([^}]*)\}|\[\d+[smh]\]|\(limit\)")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
RULE_KEYS = {"alert", "expr", "for", "labels", "annotations"}


@pytest.fixture(scope="module")
def rules() -> Any:
    """The rules of the only group."""
    (group,) = read_yaml((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return group["rules"]


@pytest.fixture(scope="module")
def metrics(site: Site) -> set[str]:
    """The names of a live process's figures, one of whose limits was reached."""
    foreign = Request(f"{site.url}/socket.io/?EIO=4&transport=polling", headers={"Origin": "http://x.example"})
    with pytest.raises(OSError, match="403"):
        urlopen(foreign, timeout=10)
    with urlopen(f"{site.url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def test_each_rule_asks_for_what_processes_have(rules: Any, metrics: set[str]) -> None:
    assert "limit_refusals_total" in metrics
    for rule in rules:
        names = set(re.findall(r"\b[a-z_]\w*", SELECTOR.sub("", rule["expr"]))) - FUNCTIONS
        assert names
        assert names <= metrics | BY_PROMETHEUS, rule["alert"]


def test_each_limit_in_a_rule_is_one_and_each_limit_is_in_a_rule(rules: Any) -> None:
    table = (ROOT / "docs" / "operations.md").read_text().partition("## Limits")[2].partition("\n\nA message")[0]
    limits = {name for row in table.splitlines()[4:] for name in re.findall("`([^`]+)`", row.split("|")[4])}
    found: set[str] = set()
    for rule in rules:
        matchers = {name: value for name, _, value in MATCHER.findall(rule["expr"])}
        assert matchers.pop("job") == "chat"
        found |= set(matchers.pop("limit", "").split("|"))
        assert not matchers
    assert found - {""} == limits | {"origin"}
    assert len(limits) > 5


def test_each_rule_has_what_prometheus_expects_of_one(rules: Any) -> None:
    for rule in rules:
        assert rule.keys() <= RULE_KEYS
        assert {"alert", "expr", "labels", "annotations"} <= rule.keys()
        assert re.fullmatch("Chat[A-Z][A-Za-z]+", rule["alert"])
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert set(re.findall(r"\{\{ (.*?) ?(?:\|.*?)?\}\}", rule["annotations"]["summary"])) <= {
            "$labels.instance",
            "$labels.limit",
            "$value",
        }


def test_the_chapter_names_each_alert(rules: Any) -> None:
    text = (CHAPTERS / "monitoring.md").read_text()
    assert re.findall(r"^\| `(Chat\w+)` \|", text, re.MULTILINE) == [rule["alert"] for rule in rules]


def test_prometheus_asks_the_processes_of_the_units_and_reads_the_rules() -> None:
    (block,) = blocks("monitoring", "yaml")
    config = read_yaml(block)
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "chat"
    upstream = re.findall(r"server ([\d.:]+);", (DEPLOY / "nginx" / "upstream.conf").read_text())
    assert job["static_configs"] == [{"targets": upstream}]
    (path,) = config["rule_files"]
    assert (ROOT / path.removeprefix("/srv/chat/")).is_file()
