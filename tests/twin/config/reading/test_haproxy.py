"""haproxy.cfg as people write it."""

import pytest

from twin.config.reading.formats import scenario_of
from twin.config.reading.haproxy import read
from twin.config.reading.haproxy_sections import split
from twin.config.reading.report import FilePlace, SourceFile
from twin.errors import ScenarioError

PLAIN = """
defaults
    mode http
    timeout connect 4s
    timeout client 30s
    timeout server 20000
frontend in
    bind :80
    default_backend app
backend app
    server a 10.0.0.1:80 check
    server b 10.0.0.2:80 check
"""


def imported(text, backend=""):
    return read([SourceFile("h.cfg", text)], backend)


def balancer(text, backend=""):
    return scenario_of(imported(text, backend), "x").balancer


def lines(text, backend=""):
    """Return verdict and words of each directive by its text."""
    return {one.text: (one.verdict, one.words) for one in imported(text, backend).lines}


def test_what_a_file_leaves_out_is_haproxys_own_default_and_told_as_assumed():
    found = balancer(PLAIN)
    assert (found.algorithm, found.retries, found.redispatch) == ("roundrobin", 3, 0)
    assert (found.check.inter, found.check.fall, found.check.rise, found.check.timeout) == (2.0, 3, 2, 2.0)
    assert (found.connect_timeout, found.server_timeout, found.hard_stop_after) == (4.0, 20.0, 0.0)
    assumed = {text for text, (verdict, _) in lines(PLAIN).items() if verdict == "assumed"}
    assert assumed == {"algorithm", "retries", "redispatch", "timeout tunnel", "timeout check", "clients"}


@pytest.mark.parametrize(
    ("line", "tunnel"),
    [
        ("", 20.0),
        ("    timeout tunnel 1h\n", 3600.0),
        ("    timeout server 50s\n", 30.0),
        ("    timeout client 5s\n", 5.0),
    ],
)
def test_without_a_tunnel_timeout_the_shorter_of_client_and_server_cuts(line, tunnel):
    assert balancer(PLAIN.replace("frontend in\n", f"{line}frontend in\n")).tunnel_timeout == tunnel


@pytest.mark.parametrize(
    ("line", "algorithm"),
    [
        ("balance leastconn", "leastconn"),
        ("balance source", "source"),
        ("balance source\n    hash-type consistent", "consistent"),
        ("balance random", "random"),
        ("balance random(4)", "random"),
        ("balance uri", "roundrobin"),
    ],
)
def test_choice_rules(line, algorithm):
    text = PLAIN.replace("backend app\n", f"backend app\n    {line}\n")
    assert balancer(text).algorithm == algorithm
    told = lines(text)
    assert ("balance uri" in told and told["balance uri"][0] == "assumed") == (line == "balance uri")
    assert (told.get("balance random(4)", ("", ""))[0] == "assumed") == (line == "balance random(4)")


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ("option redispatch", "redispatch", -1),
        ("option redispatch 1", "redispatch", 1),
        ("option redispatch 9", "redispatch", 3),
        ("option redispatch\n    no option redispatch", "redispatch", 0),
        ("retries 7", "retries", 7),
        ("default-server inter 500 fall 5 on-marked-down shutdown-sessions", "on_marked_down", "shutdown-sessions"),
        ("default-server slowstart 30s", "slowstart", 30),
    ],
)
def test_settings_of_the_backend_hold_over_those_of_its_defaults(more, field, value):
    found = balancer(PLAIN.replace("backend app\n", f"backend app\n    {more}\n"))
    assert getattr(found, field) == value
    if "inter" in more:
        assert (found.check.inter, found.check.fall, found.check.timeout) == (0.5, 5, 0.5)


def test_servers_are_counted_with_templates_and_without_those_that_are_disabled():
    more = (
        "    server c c:80 check disabled\n    server-template w 3-7 w:80 check\n    server-template v 2 v:80 check\n"
    )
    assert scenario_of(imported(PLAIN + more), "x").nodes.count == 2 + 5 + 2


def test_servers_without_checks_hide_what_a_dead_node_costs():
    told = lines(PLAIN.replace(" check", ""))
    assert told["check"][0] == "not modelled"
    assert "check" not in lines(PLAIN)


def test_several_backends_are_asked_for_in_one_sentence_and_the_others_are_told():
    two = PLAIN + "backend api\n    balance leastconn\n    server z z:1 check\n"
    with pytest.raises(ScenarioError, match=r"several backends with servers: app, api; say which with --backend\.$"):
        imported(two)
    assert balancer(two, "api").algorithm == "leastconn"
    assert lines(two, "app")["balance leastconn"] == ("no effect", "it is of the backend api")
    with pytest.raises(ScenarioError, match=r"--backend is 'x'; allowed is app, api\.$"):
        imported(two, "x")


def test_named_defaults_hold_for_who_names_them():
    text = (
        "defaults a\n    retries 1\ndefaults b from a\n    timeout tunnel 9s\ndefaults c\n    retries 5\n"
        "listen l from b\n    bind :1\n    server s s:1 check\n"
    )
    found = balancer(text)
    assert (found.retries, found.tunnel_timeout) == (1, 9.0)
    with pytest.raises(ScenarioError, match="no defaults 'z' before it"):
        imported(text.replace("from b", "from z"))


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("maxconn 100", "not modelled"),
        ("timeout queue 5s", "not modelled"),
        ("stick-table type ip size 1m", "not modelled"),
        ("http-request deny if x", "not modelled"),
        ("http-request set-header X-A b", "no effect"),
        ("option forwardfor", "no effect"),
        ("frobnicate", "not modelled"),
        ("tune.bufsize 1", "not modelled"),
        ("bind :443 ssl crt a.pem", "not modelled"),
        ("timeout http-request 5s", "no effect"),
        ("retries 2", "used"),
    ],
)
def test_each_directive_has_a_verdict(line, verdict):
    told = lines(PLAIN.replace("    bind :80\n", f"    bind :80\n    {line}\n"))
    assert told[line][0] == verdict


@pytest.mark.parametrize("option", ["weight 5", "backup", "maxconn 10", "cookie a"])
def test_options_of_servers_that_a_scenario_lacks_are_told(option):
    told = lines(PLAIN.replace("10.0.0.1:80 check", f"10.0.0.1:80 check {option} inter 1s"))
    assert told[f"... {option}"][0] == "not modelled"
    assert balancer(PLAIN.replace("10.0.0.1:80 check", f"10.0.0.1:80 check {option} inter 1s")).check.inter == 1.0


def test_quotes_escapes_and_comments_are_haproxys():
    place = FilePlace("a", 1)
    assert split(r"""a "b c" d\ e 'f"g' h\#i #j""", place).words == ("a", "b c", "d e", 'f"g', "h#i")
    assert split('log "${HOST}:514"', place).expands
    assert not split("log '${HOST}' $x", place).expands
    with pytest.raises(ScenarioError, match=r"^a:1: a quote is not closed\.$"):
        split('a "b', place)


def test_a_variable_where_a_setting_stands_is_asked_for():
    with pytest.raises(
        ScenarioError, match=r"^h\.cfg:7: a variable of the environment is in a setting; write its value\.$"
    ):
        imported(PLAIN.replace("frontend in\n", '    retries "${N}"\nfrontend in\n').replace('"${N}"', '"1${N}"'))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("global\n", "there is no backend with a server in it."),
        ("server a b:1\n", "h.cfg:1: 'server' stands before any section of HAProxy."),
        ("backend a\n  server x\n", "h.cfg:2: server lacks a name or an address."),
        ("backend a\n  server x y:1 inter\n", "h.cfg:2: inter lacks a value."),
        ("backend a\n  server x y:1 fall x\n", "h.cfg:2: fall is 'x'; allowed is a whole number."),
        ("backend a\n  server x y:1 disabled\n", "h.cfg:1: all servers of a are disabled."),
        (
            "backend a\n  server-template x 5-2 y:1\n",
            "h.cfg:2: server-template has '5-2'; allowed is a number, or low-high.",
        ),
        ("backend a\n  retries x\n  server x y:1\n", "h.cfg:2: retries is 'x'; allowed is a whole number."),
        ("backend a\n  timeout tunnel 1.5s\n  server x y:1\n", "h.cfg:2: timeout tunnel: the time is '1.5s';"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_its_place(text, said):
    with pytest.raises(ScenarioError) as refused:
        imported(text)
    assert str(refused.value).startswith(said)
