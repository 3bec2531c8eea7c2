// The page over a run: a list that is fetched in pieces, one card at a time, keys to judge by.
// Whatever the server sends is put in as text; only the card is HTML, and the server escapes all in it.
"use strict";

const CHUNK = 50;          // rows fetched at once
const MAX_ROWS = 300;     // rows in the document; further ones replace those far away
const POLL_MS = 5000;
const FACETS = ["status", "review", "type", "turns", "reason", "cut", "category", "claims", "pixels"];
const REVIEWS = {none: "not decided", accept: "accepted by hand", reject: "rejected by hand", correct: "corrected", stale: "stale decision"};

const $ = (id) => document.getElementById(id);
const trusted = window.trustedTypes
  ? window.trustedTypes.createPolicy("datagen", {createHTML: (text) => text})
  : {createHTML: (text) => text};

const view = {
  version: null,   // of the samples
  list: "",        // name the server gave to the list
  low: 0,          // place of the first row shown
  rows: [],
  found: 0,
  at: -1,          // place of the sample shown
  shown: null,     // what the server told about it
  last: null,      // id of the sample decided on last
  cards: new Map(), // samples fetched ahead, by id
  editing: false,
  hasPictures: true,
  cutsOpen: localStorage.getItem("cuts-open") === "yes",
  asked: 0,
};
const FIRST_PICTURE_MS = 3000;
let pictureThere; // the large picture is loaded before the small ones of the list ask for the same connections
const afterPicture = new Promise((resolve) => { pictureThere = resolve; });

// ---------------------------------------------------------------- talking to the server

async function send(path, body) {
  const options = body === undefined
    ? {}
    : {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The page's server does not answer; is 'datagen view' still running?");
  }
  if (answer.headers.get("content-type")?.startsWith("application/json")) {
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.problem);
    return told;
  }
  throw new Error((await answer.text()).trim() || `The server answered ${answer.status}.`);
}

// What nobody sees and what turns or hides other letters stands there as an escape, as in the report.
function inert(text) {
  return String(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\uffff]/g,
    (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function say(text, isProblem = false) {
  $("said").textContent = inert(text);
  $("said").classList.toggle("problem", isProblem);
}

function guarded(action) {
  return async (...given) => {
    try {
      return await action(...given);
    } catch (error) {
      say(error.message, true);
      return undefined;
    }
  };
}

// ---------------------------------------------------------------- filters

function filters() {
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData($("filters"))) {
    const text = value.trim();
    if (text) asked.set(name, name === "most_p" ? ((100 - Number(text)) / 100).toFixed(6) : text);
  }
  return asked;
}

function option(value, text) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = inert(text);
  return made;
}

function fillFacets(facets) {
  for (const kind of FACETS) {
    const select = $("filters").elements[kind];
    const chosen = select.value || select.dataset.wanted || "";
    delete select.dataset.wanted;
    const values = facets[kind] ?? [];
    select.replaceChildren(option("", "any"));
    for (const [value, number] of values) {
      const name = kind === "review" ? REVIEWS[value] ?? value : value.replaceAll("_", " ");
      select.append(option(value, `${name} (${number.toLocaleString()})`));
    }
    if (chosen && !values.some(([value]) => value === chosen)) select.append(option(chosen, `${chosen} (0)`));
    select.value = chosen;
    select.disabled = values.length === 0;
  }
  markFilters();
}

function markFilters() {
  let isAny = false;
  for (const field of $("filters").elements) {
    if (!field.name) continue;
    const isSet = field.value.trim() !== "";
    field.classList.toggle("set", isSet);
    isAny ||= isSet && field.name !== "sort";
    if (isSet && $("more").contains(field)) $("more").open = true;
  }
  $("clear").hidden = !isAny;
}

function remember() {
  const told = new URLSearchParams();
  for (const [name, value] of new FormData($("filters"))) if (value.trim()) told.set(name, value.trim());
  if (view.shown) told.set("at", view.shown.row.sample_id);
  history.replaceState(null, "", `#${told}`);
}

function recall() {
  const told = new URLSearchParams(location.hash.slice(1));
  for (const field of $("filters").elements) {
    if (!field.name || !told.has(field.name)) continue;
    if (field.tagName === "SELECT" && field.name !== "sort") field.dataset.wanted = told.get(field.name);
    else field.value = told.get(field.name);
  }
  return told.get("at") ?? "";
}

// ---------------------------------------------------------------- the list

function rowElement(row, place) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.tabIndex = -1;
  button.dataset.place = place;
  const picture = document.createElement("img");
  picture.loading = "lazy";
  picture.alt = "";
  picture.addEventListener("error", () => picture.removeAttribute("src")); // an empty frame, as on the card
  const small = `/picture?size=small&sample=${encodeURIComponent(row.sample_id)}&version=${view.version}`;
  if (view.hasPictures) afterPicture.then(() => { picture.src = small; });
  const name = document.createElement("b");
  name.textContent = inert(row.sample_id);
  const fate = document.createElement("span");
  fate.className = row.status;
  const told = row.why.replaceAll("_", " ") || row.status;
  fate.textContent = `${row.status === "accepted" ? "✓" : "✗"} ${told}`;
  if (row.n_cut) { // a loss, so neither green nor ticked
    const cut = document.createElement("em");
    cut.textContent = ` · ✂ ${row.n_cut} of ${row.n_turns + row.n_cut} turns cut`;
    fate.append(cut);
  }
  const question = document.createElement("span");
  if (row.p_value !== null) {
    const percent = Math.floor(1000 * (1 - row.p_value) + 1e-6) / 10;
    question.textContent = `suspicion ${percent} % · `;
    question.title = `By the validator, its worst answer is more suspicious than ${percent} % of correct answers. `
      + (row.status === "accepted" ? "It stays: an answer falls only above the run's bar, and only if it is more likely wrong than right." : "");
  }
  if (row.review) {
    const hand = document.createElement("i");
    hand.textContent = row.review === "stale" || row.review === "correct" ? REVIEWS[row.review] : "by hand";
    name.append(" ", hand);
  }
  question.textContent += inert(row.question || "no turns");
  button.append(picture, name, fate, question);
  button.setAttribute("aria-label", `${row.sample_id}, ${row.status} ${row.why} ${row.review ? REVIEWS[row.review] : ""}`.trim());
  item.append(button);
  return item;
}

function drawList() {
  const list = $("list");
  const before = list.firstElementChild?.firstElementChild?.dataset.place;
  const height = list.firstElementChild?.offsetHeight ?? 0;
  list.replaceChildren(...view.rows.map((row, n) => rowElement(row, view.low + n)));
  if (before !== undefined && height) list.scrollTop += (Number(before) - view.low) * height;
  markRow(false);
  $("found").textContent = `${view.found.toLocaleString()} found`;
}

function markRow(scroll = true) {
  for (const button of $("list").querySelectorAll("button")) {
    const isIt = Number(button.dataset.place) === view.at;
    button.setAttribute("aria-current", isIt ? "true" : "false");
    button.tabIndex = isIt ? 0 : -1;
    if (isIt && scroll) button.scrollIntoView({block: "nearest"});
  }
}

async function fetchRows(start, more = {}) {
  const asked = filters();
  asked.set("start", start);
  asked.set("count", CHUNK);
  for (const [name, value] of Object.entries(more)) asked.set(name, value);
  return send(`/samples?${asked}`);
}

async function reload(at = "") {
  const mine = ++view.asked;
  remember();
  const page = await fetchRows(0, at ? {at} : {});
  if (mine !== view.asked) return; // a later question was put meanwhile
  view.version = page.version;
  view.list = page.name;
  view.low = page.start;
  view.rows = page.rows;
  view.found = page.n_found;
  view.cards.clear();
  $("list").replaceChildren();
  drawList();
  const place = page.rows.findIndex((row) => row.sample_id === at);
  view.at = place < 0 ? page.start : page.start + place;
  if (!page.rows.length) {
    view.at = -1;
    view.shown = null;
    const told = document.createElement("p");
    told.className = "soft empty";
    told.textContent = "No sample is like that. Clear a filter to see others.";
    $("card").replaceChildren(told);
    $("raw").hidden = true;
    setButtons();
    return;
  }
  await show(view.at);
}

let extending = false;

async function extend(direction) {
  const start = direction > 0 ? view.low + view.rows.length : Math.max(0, view.low - CHUNK);
  if (extending || start >= view.found || (direction < 0 && view.low === 0)) return;
  extending = true;
  try {
    const mine = view.asked;
    const page = await fetchRows(start, {list: view.list});
    if (mine !== view.asked || page.version !== view.version) return;
    if (direction > 0) {
      view.rows.push(...page.rows);
      const surplus = Math.max(0, view.rows.length - MAX_ROWS);
      view.rows.splice(0, surplus);
      view.low += surplus;
    } else {
      view.rows.unshift(...page.rows.slice(0, view.low - start));
      view.low = start;
      view.rows.length = Math.min(view.rows.length, MAX_ROWS);
    }
    drawList();
  } finally {
    extending = false;
  }
}

// ---------------------------------------------------------------- the card

async function fetchShown(id) {
  if (!view.cards.has(id)) {
    const version = view.version;
    view.cards.set(id, send(`/sample?id=${encodeURIComponent(id)}`).catch((error) => {
      view.cards.delete(id);
      throw error;
    }));
    if (view.cards.size > 20) view.cards.delete(view.cards.keys().next().value);
    if (version !== view.version) view.cards.delete(id);
  }
  return view.cards.get(id);
}

async function show(place) {
  if (place < 0 || place >= view.found) return;
  leaveEdit();
  while (place >= view.low + view.rows.length || place < view.low) {
    const before = [view.low, view.rows.length].join();
    await extend(place < view.low ? -1 : 1);
    if (before === [view.low, view.rows.length].join()) return;
  }
  const mine = ++view.asked;
  const row = view.rows[place - view.low];
  view.at = place;
  markRow();
  const shown = await fetchShown(row.sample_id);
  if (mine !== view.asked) return;
  draw(shown);
  say(`${place + 1} of ${view.found}: ${row.sample_id}, ${shown.row.status}`);
  $("stage").scrollTop = 0;
  $("answers").replaceChildren();
  $("note").value = "";
  const next = view.rows[place + 1 - view.low];
  if (next) {
    fetchShown(next.sample_id).then((ahead) => {
      const image = ahead.card.match(/<image href="([^"]+)"/);
      if (image) new Image().src = image[1].replaceAll("&amp;", "&");
    }).catch(() => {});
  }
  if (place > view.low + view.rows.length - 10) extend(1);
}

function draw(shown) {
  view.shown = shown;
  $("card").innerHTML = trusted.createHTML(shown.card);
  const picture = $("card").querySelector("image");
  if (!picture) pictureThere();
  for (const what of ["load", "error"]) picture?.addEventListener(what, pictureThere);
  setTimeout(pictureThere, FIRST_PICTURE_MS);
  addZoom();
  openCuts();
  $("raw").open = false;
  $("raw").hidden = false;
  if (shown.is_stale) {
    const told = document.createElement("p");
    told.className = "soft";
    told.textContent = "A decision was made on other words than it has now; it is not obeyed. Decide again.";
    $("card").prepend(told);
  }
  setButtons();
  remember();
}

function addZoom() {
  const nearer = document.createElement("button");
  nearer.type = "button";
  nearer.title = "Enlarge the picture (z)";
  nearer.textContent = "Zoom";
  nearer.addEventListener("click", zoom);
  $("card").querySelector("figcaption").append(nearer);
  $("card").querySelector("figure>svg").addEventListener("click", zoom);
}

function zoom() {
  const picture = $("card").querySelector("figure>svg");
  if (!picture) return;
  const enlarged = picture.cloneNode(true);
  for (const name of enlarged.querySelectorAll("text")) { // names need not grow with the picture
    for (const size of ["font-size", "stroke-width"]) name.setAttribute(size, 0.6 * Number(name.getAttribute(size)));
  }
  $("enlarged").replaceChildren(enlarged);
  setNear(false);
  $("zoom").showModal();
  $("enlarged").focus();
}

function setNear(isNear, at = null) {
  const box = $("enlarged");
  box.classList.toggle("near", isNear);
  $("nearer").setAttribute("aria-pressed", String(isNear));
  if (!isNear) return;
  const frame = box.getBoundingClientRect(); // what was pointed at stays in the middle
  const [x, y] = at ? [at.clientX - frame.left, at.clientY - frame.top] : [frame.width / 2, frame.height / 2];
  box.scrollTo(2 * x - frame.width / 2, 2 * y - frame.height / 2);
}

function openCuts() {
  for (const cuts of $("card").querySelectorAll(".dg-cuts")) cuts.open = view.cutsOpen;
}

async function readReply() {
  const id = view.shown?.row.sample_id;
  if (!$("raw").open || !id) return;
  $("reply").textContent = "Loading …";
  const {text} = await send(`/reply?id=${encodeURIComponent(id)}`);
  if (view.shown?.row.sample_id === id) $("reply").textContent = inert(text) || "The run keeps no reply to this sample.";
}

function setButtons() {
  for (const button of $("bar").querySelectorAll("button")) button.disabled = !view.shown;
  $("place").textContent = view.shown ? `${(view.at + 1).toLocaleString()} of ${view.found.toLocaleString()}` : "";
  if (!view.shown) return;
  const find = (what) => $("bar").querySelector(`[data-do=${what}]`);
  find("previous").disabled = view.at <= 0;
  find("next").disabled = view.at >= view.found - 1;
  find("undo").disabled = !view.shown.row.review && !view.last;
  find("accept").setAttribute("aria-pressed", String(view.shown.row.review === "accept"));
  find("reject").setAttribute("aria-pressed", String(view.shown.row.review === "reject"));
}

// ---------------------------------------------------------------- deciding

async function decide(verb, turns = []) {
  if (!view.shown) return;
  const {row, turns_digest} = view.shown;
  const shown = await send("/decide", {sample_id: row.sample_id, verb, turns_digest, turns, note: $("note").value});
  view.last = verb === "undo" ? null : row.sample_id;
  view.cards.set(row.sample_id, Promise.resolve(shown));
  const n = view.rows.findIndex((one) => one.sample_id === row.sample_id);
  if (n >= 0) {
    view.rows[n] = shown.row;
    $("list").children[n]?.replaceWith(rowElement(shown.row, view.low + n));
  }
  guarded(refreshState)();
  draw(shown);
  markRow();
  const told = verb === "undo" ? "decision taken back" : REVIEWS[verb];
  say(`${row.sample_id}: ${told}`);
  if (verb !== "undo" && verb !== "correct" && $("go-on").checked && view.at < view.found - 1) await show(view.at + 1);
}

async function undo() {
  if (!view.shown) return;
  if (!view.shown.row.review && view.last) {
    const n = view.rows.findIndex((row) => row.sample_id === view.last);
    if (n >= 0) await show(view.low + n);
    else await reload(view.last);
  }
  if (view.shown.row.review) await decide("undo");
}

function turnFields(question, answer) {
  const set = document.createElement("fieldset");
  const legend = document.createElement("legend");
  const remove = document.createElement("button");
  remove.type = "button";
  remove.textContent = "Remove";
  remove.addEventListener("click", () => { set.remove(); numberTurns(); });
  const fields = [["Question", question], ["Answer", answer]].map(([name, text]) => {
    const field = document.createElement("textarea");
    field.maxLength = 20000;
    field.value = text;
    field.dataset.name = name;
    return field;
  });
  set.append(legend, remove, ...fields);
  return set;
}

function numberTurns() {
  [...$("turns").children].forEach((set, n) => {
    set.querySelector("legend").textContent = `Turn ${n + 1}: question and answer`;
    set.querySelector("button").setAttribute("aria-label", `Remove turn ${n + 1}`);
    for (const field of set.querySelectorAll("textarea")) field.setAttribute("aria-label", `${field.dataset.name} ${n + 1}`);
  });
}

function edit() {
  if (!view.shown) return;
  const turns = view.shown.turns.length ? view.shown.turns : [["", ""]];
  $("turns").replaceChildren(...turns.map(([question, answer]) => turnFields(question, answer)));
  numberTurns();
  $("edit").hidden = false;
  view.editing = true;
  document.body.classList.add("editing");
  $("turns").querySelectorAll("textarea")[1].focus();
  $("edit").scrollIntoView({block: "nearest"});
}

function leaveEdit() {
  if (!view.editing) return;
  view.editing = false;
  document.body.classList.remove("editing");
  $("edit").hidden = true;
  $("stage").focus();
}

async function save() {
  const turns = [...$("turns").children].map((set) => [...set.querySelectorAll("textarea")].map((field) => field.value));
  await decide("correct", turns);
  leaveEdit();
}

async function ask() {
  const question = $("question").value.trim();
  if (!question || !view.shown) return;
  const told = document.createElement("p");
  told.textContent = `${question} …`;
  $("answers").prepend(told);
  try {
    const {answer} = await send("/ask", {sample_id: view.shown.row.sample_id, question});
    const said = document.createElement("strong");
    said.textContent = inert(answer || "(nothing)");
    told.replaceChildren(`${question} `, said);
  } catch (error) {
    told.textContent = inert(`${question} ${error.message}`);
    told.className = "refused";
  }
}

// ---------------------------------------------------------------- the state around the samples

async function refreshState() {
  const state = await send("/state");
  $("run").textContent = inert(state.run);
  document.title = `${state.run} · datagen view`;
  $("problem").hidden = !state.problem && !state.notes.length;
  $("problem").textContent = inert([state.problem, ...state.notes].filter(Boolean).join(" "));
  $("work").hidden = $("bar").hidden = Boolean(state.problem);
  $("ask").hidden = !state.validator;
  $("nobody").hidden = Boolean(state.validator);
  $("validator").textContent = state.validator ?? "";
  if (state.problem) {
    $("tally").textContent = "";
    view.version = null;
    return state;
  }
  view.hasPictures = state.has_pictures;
  const number = (kind, value) => (state.facets[kind] ?? []).find(([name]) => name === value)?.[1] ?? 0;
  const decided = state.n_samples - number("review", "none") - number("review", "stale");
  const {kept, cut, rejected} = state.turns;
  $("tally").textContent = `${number("status", "accepted").toLocaleString()} of ${state.n_samples.toLocaleString()} samples accepted · ${kept.toLocaleString()} of ${(kept + cut + rejected).toLocaleString()} turns kept · ${decided.toLocaleString()} decided by hand`;
  $("reviewed").max = Math.max(1, state.n_samples);
  $("reviewed").value = decided;
  fillFacets(state.facets);
  return state;
}

async function poll() {
  if (!document.hidden) {
    const before = view.version;
    const state = await refreshState();
    if (!state.problem && state.version !== before && !view.editing) {
      act(async () => { // in its turn, so that it does not undo a key pressed meanwhile
        await reload(view.shown?.row.sample_id ?? "");
        if (before !== null) say("The run has changed; its samples were read anew.");
      });
    }
  }
}

// ---------------------------------------------------------------- keys and buttons

const ACTIONS = {
  next: () => show(view.at + 1),
  previous: () => show(view.at - 1),
  accept: () => decide("accept"),
  reject: () => decide("reject"),
  edit,
  undo,
};
const KEYS = {
  j: ACTIONS.next, ArrowRight: ACTIONS.next, k: ACTIONS.previous, ArrowLeft: ACTIONS.previous,
  a: ACTIONS.accept, r: ACTIONS.reject, e: edit, u: undo,
  b: () => document.body.classList.toggle("no-boxes"),
  c: () => {
    view.cutsOpen = !view.cutsOpen;
    localStorage.setItem("cuts-open", view.cutsOpen ? "yes" : "no");
    openCuts();
  },
  z: zoom,
  q: () => $("ask").hidden ? $("nobody").scrollIntoView() : $("question").focus(),
  "/": () => $("text").focus(),
  "?": () => $("help").showModal(),
};

const AT_ONCE = new Set(["/", "q", "b", "c", "z", "?"]); // what is typed behind "/" is text, even while a list is on its way

let working = Promise.resolve(); // one after another, so that quick keys do not overtake each other

function act(action) {
  working = working.then(guarded(action));
}

document.addEventListener("keydown", (event) => {
  const field = event.target.closest?.("input:not([type=checkbox]), textarea, select");
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    if (view.editing) leaveEdit();
    else if (field) field.blur();
    say("");
    return;
  }
  if (view.editing && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    act(save);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || field || document.querySelector("dialog[open]") || event.isComposing) return;
  if (event.target.closest?.("#list") && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    act(async () => {
      await show(view.at + (event.key === "ArrowDown" ? 1 : -1));
      $("list").querySelector("[aria-current=true]")?.focus();
    });
    return;
  }
  const action = KEYS[event.key];
  if (!action || (event.key.length === 1 && !$("single-keys").checked) || $("work").hidden) return;
  event.preventDefault();
  if (AT_ONCE.has(event.key)) guarded(action)();
  else act(action);
});

let typing = 0;
$("filters").addEventListener("input", (event) => {
  markFilters();
  clearTimeout(typing);
  typing = setTimeout(() => act(() => reload()), event.target.tagName === "INPUT" ? 250 : 0);
});
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("clear").addEventListener("click", () => {
  for (const field of $("filters").elements) if (field.name && field.name !== "sort") field.value = "";
  markFilters();
  act(() => reload(view.shown?.row.sample_id ?? ""));
});
$("list").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) act(() => show(Number(button.dataset.place)));
});
$("list").addEventListener("scroll", () => {
  const list = $("list");
  if (list.scrollTop + list.clientHeight > list.scrollHeight - 600) guarded(extend)(1);
  else if (list.scrollTop < 300) guarded(extend)(-1);
}, {passive: true});
$("bar").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) act(ACTIONS[button.dataset.do]);
});
$("add").addEventListener("click", () => {
  $("turns").append(turnFields("", ""));
  numberTurns();
  $("turns").lastElementChild.querySelector("textarea").focus();
});
$("edit").addEventListener("submit", (event) => { event.preventDefault(); act(save); });
$("cancel").addEventListener("click", leaveEdit);
$("ask").addEventListener("submit", (event) => { event.preventDefault(); guarded(ask)(); });
$("nearer").addEventListener("click", () => setNear(!$("enlarged").classList.contains("near")));
$("enlarged").addEventListener("click", (event) => setNear(!$("enlarged").classList.contains("near"), event));
$("zoom-close").addEventListener("click", () => $("zoom").close());
$("raw").addEventListener("toggle", guarded(readReply));
$("help-button").addEventListener("click", () => $("help").showModal());
for (const name of ["go-on", "single-keys"]) {
  $(name).checked = localStorage.getItem(name) !== "no";
  $(name).addEventListener("change", () => localStorage.setItem(name, $(name).checked ? "yes" : "no"));
}

act(async () => {
  if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", `/${location.hash}`);
  const at = recall();
  const state = await refreshState();
  if (!state.problem) await reload(at);
  setInterval(() => act(poll), POLL_MS);
});
