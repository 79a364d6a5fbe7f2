"use strict";
// The life of a client, as in live/client/client.py and live/client/inbox.py: connect, apply in order, notice gaps and ask for what is
// missing, and come back after a loss. The rules are those of twin/rules/delivery.py and twin/rules/backoff.py.

const BASE = 0.2, FACTOR = 2, CAP = 5, STABLE = 5; // seconds: exponential backoff with full jitter
const BEAT = 2, BEAT_TIMEOUT = 2; // seconds
const ASK_AGAIN = 1; // seconds
const MESSAGE = 77, ANSWER = 83, QUESTION = 82;
const MOST_EARLY = 1000, MOST_SHOWN = 200, MOST_UNSENT = 100;
const MOST_SILENT = 3; // questions to the lab without an answer before the page says so

const lab = {
  state: "starting", node: 0, attempts: 0, failures: 0, beats: 0, recovered: 0, gaps: 0,
  ended: "", epoch: 0, version: 0, applied: [], // versions in the order in which they were applied
};
window.lab = lab;

let socket = null, access = null, beat = null, asked = null, openedAt = 0, pings = 0;
const early = new Map(); // version -> message of the present epoch that came too early
const unsent = new Map(); // key -> text that no node has confirmed
const waiting = new Map(); // ping number -> what to do with its pong

const show = (id, text) => { document.getElementById(id).textContent = text; };

function setState(state) {
  lab.state = state;
  show("state", state);
  document.getElementById("state").className = state === "connected" ? "good" : "bad";
}

// What was refused, and why, where everybody sees it; one text for each thing that was asked

const refusals = new Map();

function refuse(what, text) {
  if (text) refusals.set(what, text); else refusals.delete(what);
  const box = document.getElementById("refusal");
  box.textContent = [...new Set(refusals.values())].join(" ");
  box.hidden = refusals.size === 0;
}

// Asking the lab

async function answerOf(reply) {
  if (!reply.ok) throw new Error((await reply.text()).trim() || `the answer was ${reply.status}`);
  return reply;
}

async function renew() { access = await (await answerOf(await fetch("/token"))).json(); }

// A token is good for an hour, and a page may be open for longer: a 401 is asked again once, with a new token.
async function withToken(send) {
  if (access === null) await renew();
  let reply = await send();
  if (reply.status === 401) {
    await renew();
    reply = await send();
  }
  return answerOf(reply);
}

// Connecting

async function connect() {
  if (lab.ended) return;
  lab.attempts += 1;
  show("attempts", lab.attempts);
  show("countdown", "none");
  setState("connecting");
  try {
    await renew();
  } catch (error) {
    if (!(error instanceof TypeError)) refuse("connect", `Not connected: ${error.message}.`); // a TypeError: no answer
    lost();
    return;
  }
  refuse("connect", "");
  if (lab.ended) return;
  const mine = new WebSocket(`ws://127.0.0.1:${access.port}/?token=${access.token}`);
  mine.binaryType = "arraybuffer";
  socket = mine;
  mine.onmessage = (event) => { if (mine === socket) hear(event.data); };
  mine.onclose = () => { if (mine === socket) lost(); };
}

function opened(node) {
  lab.node = node;
  openedAt = performance.now();
  show("node", node);
  setState("connected");
  ask();
  for (const [key, text] of unsent) socket.send(JSON.stringify({ say: text, key }));
  beat = setInterval(heartbeat, BEAT * 1000);
}

function lost() {
  clearInterval(beat);
  if (lab.ended) return;
  clearTimeout(asked);
  socket = null;
  waiting.clear();
  early.clear();
  if (lab.node) {
    if (performance.now() - openedAt >= STABLE * 1000) lab.failures = 0;
    lab.node = 0;
  }
  show("node", "none");
  const wait = Math.random() * Math.min(CAP, BASE * FACTOR ** lab.failures);
  lab.failures += 1;
  setState("waiting");
  const due = performance.now() + wait * 1000;
  const tick = () => {
    const left = (due - performance.now()) / 1000;
    if (lab.ended) return;
    if (left <= 0) { connect(); return; }
    show("countdown", `in ${left.toFixed(1)} s`);
    setTimeout(tick, Math.min(100, left * 1000));
  };
  tick();
}

function heartbeat() {
  const mine = socket, sent = performance.now();
  const missed = setTimeout(() => {
    if (mine === socket) { show("heartbeat", "missed"); mine.close(); lost(); }
  }, BEAT_TIMEOUT * 1000);
  ping(() => {
    clearTimeout(missed);
    lab.beats += 1;
    show("heartbeat", `${(performance.now() - sent).toFixed(1)} ms`);
  });
}

function ping(then) {
  pings += 1;
  waiting.set(pings, then);
  socket.send(JSON.stringify({ ping: pings }));
}

// Messages in order

function hear(data) {
  if (typeof data === "string") {
    const word = JSON.parse(data);
    if (word.hello) opened(word.hello);
    if (word.pong && waiting.has(word.pong)) { waiting.get(word.pong)(); waiting.delete(word.pong); }
    if (word.said) unsent.delete(word.said);
    return;
  }
  const view = new DataView(data);
  if (view.getUint8(0) === MESSAGE) arrive(read(data));
  if (view.getUint8(0) === ANSWER) answered(view, data);
}

const number = (view, at) => Number(view.getBigUint64(at));

function read(data) {
  const view = new DataView(data);
  const text = new TextDecoder().decode(new Uint8Array(data, 25));
  return { epoch: number(view, 1), version: number(view, 9), key: number(view, 17), text };
}

function arrive(message) {
  if (message.epoch < lab.epoch || (message.epoch === lab.epoch && message.version <= lab.version)) return;
  if (message.epoch === lab.epoch && message.version === lab.version + 1) {
    apply(message);
    closeUp();
    return;
  }
  if (early.size < MOST_EARLY) early.set(message.version, message);
  if (asked === null) { lab.gaps += 1; ask(); }
}

function closeUp() {
  while (early.has(lab.version + 1) && early.get(lab.version + 1).epoch === lab.epoch) {
    const next = early.get(lab.version + 1);
    early.delete(next.version);
    apply(next);
  }
}

function ask() {
  const frame = new DataView(new ArrayBuffer(17));
  frame.setUint8(0, QUESTION);
  frame.setBigUint64(1, BigInt(lab.epoch));
  frame.setBigUint64(9, BigInt(lab.version));
  socket.send(frame.buffer);
  clearTimeout(asked);
  const mine = socket;
  asked = setTimeout(() => { if (mine === socket) ask(); }, ASK_AGAIN * 1000);
}

function answered(view, data) {
  clearTimeout(asked);
  asked = null;
  const whole = view.getUint8(1), epoch = number(view, 2), version = number(view, 10), count = view.getUint32(18);
  let at = 22;
  if (whole) {
    lab.epoch = epoch;
    for (let i = 0; i < count; i += 1) {
      const size = view.getUint32(at);
      const message = read(data.slice(at + 4, at + 4 + size));
      at += 4 + size;
      if (message.version === lab.version + 1) { apply(message); lab.recovered += 1; }
    }
  } else if (epoch !== lab.epoch || version > lab.version) {
    lab.epoch = epoch;
    lab.version = version;
  }
  show("recovered", lab.recovered);
  position();
  closeUp();
}

function apply(message) {
  lab.epoch = message.epoch;
  lab.version = message.version;
  lab.applied.push(message.version);
  const item = document.createElement("li");
  item.value = message.version;
  item.textContent = message.text || "a broadcast";
  const list = document.getElementById("messages");
  list.prepend(item);
  while (list.children.length > MOST_SHOWN) list.lastChild.remove();
  show("applied", lab.applied.length);
  position();
}

function position() { show("position", `version ${lab.version} of epoch ${lab.epoch}`); }

// Saying something, comparing, giving orders

document.getElementById("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = document.getElementById("text");
  if (!field.value || unsent.size >= MOST_UNSENT) return;
  const key = 2 ** 32 + Math.floor(Math.random() * (2 ** 53 - 2 ** 32));
  unsent.set(key, field.value);
  if (socket && lab.state === "connected") socket.send(JSON.stringify({ say: field.value, key }));
  field.value = "";
});

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

document.getElementById("compare").addEventListener("click", async () => {
  const socketTimes = [], requestTimes = [];
  try {
    for (let i = 0; i < 20; i += 1) {
      const sent = performance.now();
      await new Promise((resolve) => { ping(resolve); });
      socketTimes.push(performance.now() - sent);
    }
    for (let i = 0; i < 20; i += 1) {
      const sent = performance.now();
      const reply = await withToken(
        () => fetch(`http://127.0.0.1:${access.port}/echo?text=ping&token=${access.token}`),
      );
      if (await reply.text() !== "ping") throw new Error(reply.status);
      requestTimes.push(performance.now() - sent);
    }
  } catch (error) {
    show("comparison", `it did not work just now (${error})`);
    return;
  }
  lab.compared = { socket: median(socketTimes), request: median(requestTimes) };
  show("comparison", `median of a round trip: WebSocket ${lab.compared.socket.toFixed(1)} ms, `
    + `HTTP request ${lab.compared.request.toFixed(1)} ms`);
});

async function order(action, node) {
  try {
    await withToken(() => fetch("/do", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Token": access.token },
      body: JSON.stringify({ action, node }),
    }));
    refuse("order", "");
  } catch (error) {
    refuse("order", `Not done (${action} node ${node}): ${error.message}.`);
  }
  await look();
}

let shown = "", silent = 0;

function end(why) {
  lab.ended = why;
  clearInterval(looking);
  refusals.clear();
  refuse("end", `The cluster has ended: ${why}`);
  if (socket) socket.close();
  setState("ended");
  show("countdown", "none");
}

async function look() {
  if (lab.ended) return;
  let state;
  try {
    state = await (await answerOf(await fetch("/state"))).json();
  } catch (error) {
    silent += 1;
    if (!(error instanceof TypeError)) refuse("look", `No news of the nodes: ${error.message}.`);
    else if (silent >= MOST_SILENT) refuse("look", "The lab does not answer: ./lab serve has ended, or is very busy.");
    return;
  }
  silent = 0;
  refuse("look", "");
  if (state.ended) { end(state.ended); return; }
  const text = JSON.stringify(state);
  if (text === shown) return;
  shown = text;
  const body = document.getElementById("nodes");
  body.replaceChildren(...state.nodes.map((one) => {
    const row = document.createElement("tr");
    const words = one.running ? (one.draining ? "draining" : "running") : "gone";
    for (const text of [one.node, words, one.up ? "up" : "down"]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    const cell = document.createElement("td");
    for (const action of one.running ? ["kill", "hang", "resume", "drain"] : ["start"]) {
      const button = document.createElement("button");
      button.textContent = action;
      button.dataset.order = `${action}-${one.node}`;
      button.addEventListener("click", () => order(action, one.node));
      cell.append(button);
    }
    row.append(cell);
    return row;
  }));
}

connect();
look();
const looking = setInterval(look, 500);
