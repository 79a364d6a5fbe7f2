"""The texts of configurations; that the real programs accept and obey them is tested in tests/live."""

from pathlib import Path

import pytest

from tests.commands import lab
from tests.strategies import small
from twin.config.balancer import Site, of_site
from twin.config.haproxy import HAPROXY
from twin.config.nginx import NGINX
from twin.errors import ScenarioError

OF_NGINX = {"kind": "nginx"}
ROOT = Path(__file__).parents[3]


def test_nginx_passes_an_upgrade_on_and_has_the_scenarios_timeouts():
    scenario = small(balancer={"kind": "nginx", "read_timeout": 75.0, "connect_timeout": 0.5, "max_fails": 2})
    text = NGINX.of_site(scenario, Site(servers=("10.0.0.5:9001", "node-2:9001"), path="/ws"))
    for line in (
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $connection_upgrade;",
        "proxy_read_timeout 75000ms;",
        "proxy_connect_timeout 500ms;",
        "location /ws {",
        "listen 8080 backlog=4096;",
        "server 10.0.0.5:9001 max_fails=2 fail_timeout=10s;",
        "server node-2:9001 max_fails=2 fail_timeout=10s;",
    ):
        assert line in text
    assert "WARNING" not in text


@pytest.mark.parametrize(
    ("sticky", "rule"),
    [("none", "least_conn;"), ("address", "hash $remote_addr consistent;"), ("cookie", "hash $sticky")],
)
def test_nginx_has_one_choice_rule(sticky, rule):
    scenario = small(balancer={"kind": "nginx", "algorithm": "least_conn"})
    text = NGINX.of_site(scenario, Site(sticky=sticky, cookie="room"))
    assert rule in text
    assert ("least_conn" in text) == (sticky == "none")
    assert ("map $cookie_room $sticky_key" in text) == (sticky == "cookie")


@pytest.mark.parametrize(
    ("algorithm", "line"),
    [
        ("round_robin", ""),
        ("ip_hash", "ip_hash;"),
        ("random_two", "random two least_conn;"),
        ("hash_consistent", "hash $remote_addr consistent;"),
    ],
)
def test_nginx_is_told_the_choice_rule_in_its_own_words(algorithm, line):
    text = NGINX.of_run(small(balancer={"kind": "nginx", "algorithm": algorithm}), 8000, [8001], Path("/run/x"))
    first, second = text[text.index("upstream cluster {") :].splitlines()[1:3]
    assert first.strip() == "zone cluster 256k;"
    assert second.strip() == line or (not line and second.strip().startswith("server 127.0.0.1:8001 "))


@pytest.mark.parametrize(
    ("sticky", "there", "gone"),
    [
        ("none", ["balance leastconn"], ["cookie", "hash-type"]),
        ("address", ["balance source", "hash-type consistent"], ["cookie", "leastconn"]),
        ("cookie", ["cookie room insert indirect nocache", " cookie n2", "balance leastconn"], ["hash-type"]),
    ],
)
def test_haproxy_is_sticky_as_asked(sticky, there, gone):
    text = HAPROXY.of_site(small(), Site(sticky=sticky, cookie="room"))
    assert all(part in text for part in there)
    assert not any(part in text for part in gone)


def test_haproxy_has_the_scenarios_checks_and_timeouts():
    changes = {"retries": 2, "redispatch": 1, "tunnel_timeout": 90.0, "slowstart": 20}
    text = HAPROXY.of_site(small(balancer=changes), Site(listen="10.0.0.1:443", health="/ready"))
    for line in (
        "timeout tunnel 90000ms",
        "retries 2",
        "option redispatch 1",
        "option httpchk GET /ready",
        "check inter 500ms fall 2 rise 1 slowstart 20s",
        "bind 10.0.0.1:443 backlog 4096",
        "default_backend cluster",
    ):
        assert line in text


def test_nginx_says_which_lines_of_nginx_conf_its_clients_need():
    text = NGINX.of_site(small(balancer=OF_NGINX, clients={"count": 300}), Site())
    assert "#     worker_rlimit_nofile 2200;" in text
    assert "#     events { worker_connections 1600; }" in text
    assert "# WARNING: An nginx worker has 512 connections by default" in text


@pytest.mark.parametrize(("timeout", "said"), [(60.0, False), (20.0, True), (15.0, True)])
@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_configuration_warns_of_a_timeout_not_longer_than_the_ping_interval(timeout, said, kind):
    balancer = {"kind": kind, "tunnel_timeout" if kind == "haproxy" else "read_timeout": timeout}
    scenario = small(balancer=balancer, clients={"heartbeat": {"interval": 20.0}})
    text = of_site(scenario, Site())
    assert ("# WARNING: balancer." in text) == said


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": "8080"},
        {"listen": "*:0"},
        {"servers": ["localhost"]},
        {"servers": ["a:1; evil"]},
        {"servers": ["a:70000"]},
        {"path": "ws"},
        {"path": "/a { }"},
        {"health": "/x y"},
        {"sticky": "always"},
        {"cookie": "a-b"},
    ],
)
def test_what_cannot_stand_in_a_configuration_is_refused(wrong):
    with pytest.raises(ScenarioError, match=r"^--[a-z]+ is '.*'; allowed is .*\.$"):
        NGINX.of_site(small(balancer=OF_NGINX), Site(**wrong))


def test_the_other_balancers_scenario_is_refused():
    with pytest.raises(ScenarioError, match=r"^balancer\.kind is 'haproxy'; \./lab nginx allows 'nginx'"):
        NGINX.of_site(small(), Site())
    with pytest.raises(ScenarioError, match=r"use \./lab nginx"):
        HAPROXY.of_site(small(balancer=OF_NGINX), Site())


def test_the_command_writes_what_haproxy_accepts_and_warns(tmp_path):
    path = tmp_path / "haproxy.cfg"
    change = ["--set", "balancer.tunnel_timeout=5", "--set", "nodes.count=2"]
    done = lab("haproxy", "scenarios/failover.toml", *change, "--output", str(path))
    assert done.returncode == 0, done.stderr
    assert "Checked by haproxy." in done.stderr
    assert "Warning: balancer.tunnel_timeout is 5 s" in done.stderr
    text = path.read_text()
    assert "127.0.0.1:9002" in text
    assert "127.0.0.1:9003" not in text


@pytest.mark.parametrize(
    "place",
    [
        {"listen": "*:80\n"},
        {"servers": ["10.0.0.5:9001\n"]},
        {"servers": ["10.0.0.5\nmaxconn 1:9001"]},
        {"path": "/ws\n"},
        {"health": "/ok\n"},
        {"sticky": "cookie", "cookie": "home\n"},
    ],
)
def test_nothing_with_a_line_break_goes_into_a_configuration(place):
    with pytest.raises(ScenarioError, match=r"; allowed is "):
        Site(**place).check()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nginx", "scenarios/failover.toml"], "balancer.kind is 'haproxy'"),
        (["haproxy", "scenarios/failover.toml", "--server", "nowhere"], "--server is 'nowhere'"),
        (["haproxy", "scenarios/failover.toml", "--output", "/proc/at/all"], "cannot be written"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_status_2(words, said):
    done = lab(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["nginx", "haproxy"])
def test_each_command_explains_itself(command):
    done = lab(command, "--help")
    assert done.returncode == 0
    assert "--sticky" in done.stdout
