"""nginx.conf as people write it."""

import pytest

from twin.config.reading.formats import scenario_of
from twin.config.reading.nginx import read
from twin.config.reading.nginx_blocks import blocks
from twin.config.reading.report import SourceFile
from twin.errors import ScenarioError

PLAIN = """
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
upstream app {
    server 10.0.0.1:80;
    server 10.0.0.2:80;
}
server {
    listen 80;
    location /ws {
        proxy_pass http://app;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
    }
}
"""


def imported(text, backend=""):
    return read([SourceFile("n.conf", text)], backend)


def balancer(text, backend=""):
    return scenario_of(imported(text, backend), "x").balancer


def lines(text, backend=""):
    """Return verdict and words of each directive by its text."""
    return {one.text: (one.verdict, one.words) for one in imported(text, backend).lines}


def in_location(line):
    return PLAIN.replace("        proxy_pass", f"        {line}\n        proxy_pass")


def test_what_the_files_leave_out_is_nginxs_own_default_and_told_as_assumed():
    found = balancer(PLAIN)
    assert (found.algorithm, found.max_fails, found.fail_timeout) == ("round_robin", 1, 10)
    assert (found.connect_timeout, found.read_timeout, found.hard_stop_after) == (60.0, 60.0, 0)
    assert scenario_of(imported(PLAIN), "x").nodes.count == 2
    assumed = {text for text, (verdict, _) in lines(PLAIN).items() if verdict == "assumed"}
    assert assumed == {
        "round robin",
        *("proxy_connect_timeout", "proxy_read_timeout"),
        "worker_shutdown_timeout",
        "clients",
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (in_location("proxy_read_timeout 1h;"), 3600.0),
        (PLAIN.replace("    listen", "    proxy_read_timeout 5m;\n    listen"), 300.0),
        ("proxy_read_timeout 30;\n" + PLAIN, 30.0),
        ("proxy_read_timeout 30;\n" + in_location("proxy_read_timeout 90;"), 90.0),
    ],
)
def test_a_timeout_of_an_inner_block_holds_over_one_around_it(text, seconds):
    assert balancer(text).read_timeout == seconds


def test_a_timeout_of_another_place_is_told_as_such():
    text = PLAIN + "server { location / { proxy_read_timeout 7s; proxy_pass http://app; } }\n"
    assert lines(text)["proxy_read_timeout 7s"] == ("no effect", "it is of another place")


@pytest.mark.parametrize(
    ("line", "algorithm", "verdict"),
    [
        ("least_conn", "least_conn", "used"),
        ("ip_hash", "ip_hash", "used"),
        ("random two least_conn", "random_two", "used"),
        ("random two", "random_two", "used"),
        ("hash $remote_addr consistent", "hash_consistent", "used"),
        ("hash $request_uri", "round_robin", "assumed"),
        ("random", "round_robin", "assumed"),
    ],
)
def test_choice_rules(line, algorithm, verdict):
    text = PLAIN.replace("upstream app {", f"upstream app {{\n    {line};")
    assert balancer(text).algorithm == algorithm
    assert verdict in [one.verdict for one in imported(text).lines if one.text == line]


def test_parameters_of_servers_and_those_that_are_down():
    text = PLAIN.replace("10.0.0.1:80;", "10.0.0.1:80 max_fails=3 fail_timeout=20s weight=5;\n    server c:1 down;")
    text = text.replace("10.0.0.2:80;", "10.0.0.2:80 max_fails=3 fail_timeout=20s;")
    found = balancer(text)
    assert (found.max_fails, found.fail_timeout) == (3, 20)
    assert scenario_of(imported(text), "x").nodes.count == 2
    told = lines(text)
    assert told["... weight=5"] == ("not modelled", "weights")
    assert told["server c:1 down"] == ("used", "no node, as it is down")


def test_without_the_headers_no_websocket_passes():
    text = PLAIN.replace("        proxy_set_header Upgrade $http_upgrade;\n", "").replace("1.1", "1.0")
    verdict, words = lines(text)["proxy_http_version 1.1, proxy_set_header Upgrade"]
    assert (verdict, words) == ("not modelled", "without it no WebSocket passes nginx")
    assert not any(words == "without it no WebSocket passes nginx" for _, words in lines(PLAIN).values())


def test_headers_are_inherited_only_where_none_is_set():
    around = PLAIN.replace("location /ws {", "location /ws {\n        proxy_set_header Host $host;", 1)
    outer = "proxy_set_header Upgrade a;\nproxy_set_header Connection b;\n"
    inner = [line for line in around.splitlines() if "Upgrade $" not in line and "Connection $" not in line]
    lacks = "proxy_set_header Upgrade, proxy_set_header Connection"
    assert lacks in lines(outer + "\n".join(inner))
    assert lacks not in lines(outer + "\n".join(line for line in inner if "Host" not in line))


def test_several_upstreams_are_asked_for_in_one_sentence():
    two = PLAIN + "upstream api { server z:1; }\nserver { location / { proxy_pass http://api; } }\n"
    with pytest.raises(ScenarioError, match=r"passed to several: app, api; say which with --backend\.$"):
        imported(two)
    assert scenario_of(imported(two, "api"), "x").nodes.count == 1
    assert lines(two, "app")["proxy_pass http://api"] == ("no effect", "leads elsewhere")
    with pytest.raises(ScenarioError, match=r"--backend is 'x'; allowed is app, api\.$"):
        imported(two, "x")


def test_a_host_without_an_upstream_is_one_node():
    text = PLAIN.replace("http://app", "http://10.0.0.1:8080/path")
    assert scenario_of(imported(text), "x").nodes.count == 1
    assert lines(text)["upstream"][0] == "assumed"


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("limit_conn a 10;", "not modelled"),
        ("proxy_next_upstream off;", "not modelled"),
        ("ssl_protocols TLSv1.3;", "not modelled"),
        ("access_log off;", "no effect"),
        ("proxy_buffering off;", "no effect"),
        ("frobnicate on;", "not modelled"),
        ("include other.conf;", "not modelled"),
        ("proxy_connect_timeout 3s;", "used"),
    ],
)
def test_each_directive_has_a_verdict(line, verdict):
    assert lines(in_location(line))[line.rstrip(";")][0] == verdict


def test_a_whole_file_has_its_workers_and_its_hard_stop():
    text = f"worker_processes 4;\nworker_shutdown_timeout 1m;\nevents {{ worker_connections 99; }}\nhttp {{{PLAIN}}}\n"
    assert balancer(text).hard_stop_after == 60
    told = lines(text)
    assert told["worker_processes 4"][0] == "not modelled"
    assert told["worker_connections 99"][0] == "not modelled"
    assert lines(text.replace("worker_processes 4", "worker_processes 1"))["worker_processes 1"] == (
        "used",
        "one worker",
    )


def test_files_for_the_http_context_inherit_from_it():
    main = "events {}\nhttp {\n proxy_read_timeout 9m;\n proxy_connect_timeout 9s;\n include conf.d/*.conf;\n}\n"
    site = "proxy_connect_timeout 2s;\n" + PLAIN
    for files in (
        [SourceFile("nginx.conf", main), SourceFile("a.conf", site)],
        [SourceFile("a.conf", site), SourceFile("nginx.conf", main)],
    ):
        found = read(files)
        made = scenario_of(found, "x").balancer
        assert (made.read_timeout, made.connect_timeout) == (540.0, 2.0)
        assert len([one for one in found.lines if one.text == "server 10.0.0.1:80"]) == 1
    dumped = (
        f"# configuration file /etc/nginx/nginx.conf:\n{main}\n# configuration file /etc/nginx/conf.d/a.conf:\n{PLAIN}"
    )
    assert balancer(dumped).read_timeout == 540.0


def test_words_quotes_variables_and_comments_are_nginxs():
    root = blocks(
        SourceFile("a", "set $a \"b;{\" 'c d'; # x {\nlog ${b}c \"two\nlines\" e\\;f;\nif ($a ~ 'x') { return 1; }\n")
    )
    first, second, third = root.inner
    assert first.words == ("set", "$a", "b;{", "c d")
    assert second.words == ("log", "${b}c", "two\nlines", "e;f")
    assert (second.place.line, third.place.line) == (2, 4)
    assert [one.text for one in root.all()][-1] == "return 1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a {\n b;\n", "n.conf:3: the file ends within a directive or a block."),
        ("a b\n", "n.conf:2: the file ends within a directive or a block."),
        ("}\n", "n.conf:1: '}' is unexpected."),
        ("a { b }\n", "n.conf:1: '}' is unexpected."),
        (";\n", "n.conf:1: ';' is unexpected."),
        ('a "b;\n', "n.conf:1: a quote is not closed, or a backslash ends the file."),
        ("a {" * 40, "n.conf:1: allowed are at most 20000 directives, in at most 32 blocks."),
        ("user www;\n", "there is no proxy_pass to an upstream or a host."),
        (
            "upstream a { server b:1 down; }\nlocation / { proxy_pass http://a; }\n",
            "n.conf:1: has 0 servers in service;",
        ),
        (
            "proxy_pass http://a; upstream a { server b:1 max_fails=x; }\n",
            "n.conf:1: max_fails is 'x'; allowed is a whole",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_its_place(text, said):
    with pytest.raises(ScenarioError) as refused:
        imported(text)
    assert str(refused.value).startswith(said)
