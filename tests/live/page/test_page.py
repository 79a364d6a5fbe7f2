"""The page of `./lab serve` in a real browser: what it does, shows and is refused."""

import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from live.page.serve import ServedCluster
from twin.rules.token import make_token

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def wait(page: Any, expression: str, within: float = 30.0) -> None:
    """Wait until an expression is true in the page; its own polling would need `eval`, which the page forbids."""
    deadline = time.monotonic() + within
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"{expression}: {page.evaluate('JSON.stringify(lab)')}"
        time.sleep(0.05)


def watch(page: Any, name: str) -> None:
    """Keep every text that an element of the page shows from now on, in `seen.NAME`."""
    page.evaluate(
        """(name) => {
            const one = document.getElementById(name);
            window.seen = window.seen || {};
            window.seen[name] = [one.textContent];
            const keep = () => window.seen[name].push(one.textContent);
            new MutationObserver(keep).observe(one, { childList: true, characterData: true, subtree: true });
        }""",
        name,
    )


CONTIGUOUS = "lab.applied.every((v, i) => i === 0 || v === lab.applied[i - 1] + 1)"


def test_the_page_resumes_without_a_gap_when_its_node_is_killed(page: Any) -> None:
    wait(page, "lab.state === 'connected' && lab.applied.length > 1 && lab.beats > 0")
    node = page.evaluate("lab.node")
    assert page.locator("#node").inner_text() == str(node)
    assert re.fullmatch(r"\d+\.\d ms", page.locator("#heartbeat").inner_text())
    watch(page, "countdown")
    page.fill("#text", "a word from the page")
    page.click("#say button")
    page.wait_for_selector("#messages li:has-text('a word from the page')")
    seen = page.evaluate("lab.applied.length")
    page.click(f"[data-order=kill-{node}]")
    wait(page, f"lab.state === 'connected' && lab.node !== {node} && lab.attempts > 1")
    wait(page, f"lab.applied.length > {seen + 8}")
    assert page.evaluate(CONTIGUOUS)
    assert page.evaluate("lab.applied[0]") == 1
    page.wait_for_selector(f"[data-order=start-{node}]")
    counted = page.evaluate("seen.countdown")
    assert any(re.fullmatch(r"in \d\.\d s", text) for text in counted), counted
    assert page.locator("#countdown").inner_text() == "none"

    # what is said while no node is there waits for the next connection
    for other in {1, 2, 3} - {node}:
        page.click(f"[data-order=kill-{other}]")
        page.wait_for_selector(f"[data-order=start-{other}]")
    wait(page, "lab.state !== 'connected'")
    page.fill("#text", "a word from nowhere")
    page.click("#say button")
    assert page.locator("#text").input_value() == ""
    assert page.locator("#messages li:has-text('a word from nowhere')").count() == 0
    page.click(f"[data-order=start-{node}]")
    wait(page, f"lab.state === 'connected' && lab.node === {node}")
    page.wait_for_selector("#messages li:has-text('a word from nowhere')")
    count = page.evaluate("lab.applied.length")
    wait(page, f"lab.applied.length > {count + 3}")
    assert page.locator("#messages li:has-text('a word from nowhere')").count() == 1
    assert page.evaluate(CONTIGUOUS)


def test_the_page_notices_a_hung_node_by_its_heartbeat_and_a_drain_by_its_close(page: Any) -> None:
    wait(page, "lab.state === 'connected'")
    node = page.evaluate("lab.node")
    watch(page, "heartbeat")
    told = f"document.querySelector('#nodes tr:nth-child({node}) td:nth-child(3)').textContent"
    page.click(f"[data-order=hang-{node}]")
    wait(page, f"lab.state === 'connected' && lab.node !== {node}")
    assert "missed" in page.evaluate("seen.heartbeat")
    wait(page, f"{told} === 'down'")
    page.click(f"[data-order=resume-{node}]")
    wait(page, f"{told} === 'up'")
    second = page.evaluate("lab.node")
    page.click(f"[data-order=drain-{second}]")
    wait(page, f"lab.state === 'connected' && lab.node !== {second}")
    count = page.evaluate("lab.applied.length")
    wait(page, f"lab.applied.length > {count + 3}")
    assert page.evaluate(CONTIGUOUS)


def test_the_page_compares_a_websocket_with_http_requests(page: Any) -> None:
    wait(page, "lab.state === 'connected'")
    page.click("#compare")
    wait(page, "lab.compared !== undefined")
    compared = page.evaluate("lab.compared")
    assert 0 < compared["socket"] < compared["request"]
    assert "median of a round trip" in page.locator("#comparison").inner_text()


def test_a_page_from_elsewhere_is_refused_even_with_a_token(site: ServedCluster, page: Any) -> None:
    page.goto("about:blank")
    outcome = page.evaluate(
        """(uri) => new Promise((resolve) => {
            const socket = new WebSocket(uri);
            socket.onmessage = () => resolve("heard");
            socket.onclose = (event) => resolve(`closed ${event.code}`);
        })""",
        f"ws://127.0.0.1:{site.port}/?token={site.token()}",
    )
    assert outcome == "closed 1006"


def asked(page: Any) -> list[tuple[str, int]]:
    """Return the list in which all answers to the page's own orders and questions for tokens will be."""
    found: list[tuple[str, int]] = []

    def keep(reply: Any) -> None:
        path = urlsplit(reply.url).path
        if path in ("/do", "/token"):
            found.append((path, reply.status))

    page.on("response", keep)
    return found


def grow_old(site: ServedCluster, page: Any) -> None:
    """Give the page a token as one has that has been open for more than an hour."""
    page.evaluate("(token) => { access = { ...access, token }; }", make_token(site.secret, "page", time.time() - 1))


def test_an_old_page_gives_orders_and_compares_with_a_new_token(site: ServedCluster, page: Any) -> None:
    wait(page, "lab.state === 'connected'")
    found = asked(page)
    grow_old(site, page)
    other = page.evaluate("lab.node % 3 + 1")
    page.click(f"[data-order=kill-{other}]")
    page.wait_for_selector(f"[data-order=start-{other}]")
    assert found == [("/do", 401), ("/token", 200), ("/do", 200)]
    assert page.locator("#refusal").is_hidden()
    grow_old(site, page)
    page.click("#compare")
    wait(page, "lab.compared !== undefined")


def test_what_is_refused_is_shown_and_goes_when_it_is_no_more(site: ServedCluster, page: Any, tmp_path: Path) -> None:
    wait(page, "lab.state === 'connected'")
    cookies = page.context.cookies()
    assert [(one["name"], one["httpOnly"], one["sameSite"]) for one in cookies] == [
        (f"stormlab-{site.http.port}", True, "Strict")
    ]
    page.context.clear_cookies()
    found = asked(page)
    grow_old(site, page)
    page.click("[data-order=kill-1]")
    page.wait_for_selector("#refusal:has-text('Not done (kill node 1): ')")
    text = page.locator("#refusal").inner_text()
    assert "you have not been let in; open the link that ./lab serve printed on its terminal." in text
    assert "No news of the nodes: " in text
    assert found == [("/do", 401), ("/token", 401)]
    page.screenshot(path=tmp_path / "refused.png")
    page.context.add_cookies(cookies)
    page.click("[data-order=resume-1]")
    wait(page, "document.getElementById('refusal').hidden")
    assert all(part.running for part in site.nodes)


def test_a_browser_without_the_link_is_told_where_it_is(site: ServedCluster, browser: Any) -> None:
    stranger = browser.new_page()
    for path in ("/", "/?token=guess"):
        reply = stranger.goto(site.http.origins[0] + path)
        assert reply.status == 401
        assert "open the link that ./lab serve printed on its terminal" in stranger.inner_text("body")
    assert stranger.context.cookies() == []


def test_an_open_page_shows_why_the_cluster_has_ended(command: SimpleNamespace, browser: Any) -> None:
    page = browser.new_page()
    page.goto(command.link)
    wait(page, "lab.state === 'connected'")
    command.kill_balancer()
    wait(page, "lab.ended !== ''")
    assert "The cluster has ended: haproxy " in page.locator("#refusal").inner_text()
    assert page.locator("#state").inner_text() == "ended"
    assert command.lab.wait(30) == 2
    time.sleep(1.0)  # several questions that nobody answers later
    assert "The cluster has ended: haproxy " in page.locator("#refusal").inner_text()


def test_a_page_whose_lab_is_gone_says_so(command: SimpleNamespace, browser: Any) -> None:
    page = browser.new_page()
    page.goto(command.link)
    wait(page, "lab.state === 'connected'")
    command.lab.send_signal(signal.SIGINT)
    command.lab.wait(30)
    page.wait_for_selector("#refusal:has-text('The lab does not answer')")
