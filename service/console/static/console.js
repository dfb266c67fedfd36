// What a page does beyond being read. Each form is one call of the API, sent from here with the session:
//
//   <form data-api="POST /v1/orders" data-then="/console/orders/{id}">
//     <input name="quantity" data-kind="number">
//
// data-then: where to go once it is done, filled in from the answer; without it the page is loaded anew.
// data-said: what is said then, filled in from the answer too. data-show: members of the answer that are told here instead, as a key that is shown once.
// data-confirm: what is asked before. data-key: an Idempotency-Key that the page was given, else one of this form.
// data-file: the name of a file input whose bytes are the body; its other fields are the query. data-file-of: the id of
// another form, which has that input. data-file-name: the parameter that is told what the file is called.
// data-part, data-into: where the server makes a part of a page of the answer, whatever it is, and the id of its place.
// data-again: the id of a form that is sent after this one, and FIELD=MEMBER of what it takes from the answer before.
// data-if-match: the ETag of what the page shows, so that nobody's change is undone unseen.
// data-changed: only fields that are not as the page gave them are sent.
// A field's name may be a path, as `selection.state`. data-kind is what the API takes; `many` is a box of several that
// make a list. Ticking a box with data-null sends null, and leaving it nothing.

const KINDS = {
  text: (text) => text,
  number: (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text),
  money: (text) => micros(text),
  list: (text) => text.split(/[\s,]+/).filter(Boolean),
  numbers: (text) => text.split(/[\s,]+/).filter(Boolean).map(Number),
  lines: (text) => text.split("\n").map((line) => line.trim()).filter(Boolean),
  bool: (text) => text === "true" || text === "on",
  time: (text) => (isNaN(new Date(text)) ? text : new Date(text).toISOString()),
  json: (text) => { try { return JSON.parse(text); } catch { return text; } },
};

// Of an amount as people write it; what is none is left to the API to refuse.
function micros(text) {
  const found = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (!found) return text;
  const value = Number(found[2]) * 1e6 + Number((found[3] ?? "").padEnd(6, "0"));
  return found[1] ? -value : value;
}

// A fault of an amount, which counts in millionths for the API, as whoever typed it counts.
function ofMoney(detail, typed) {
  if (typeof micros(typed) === "string") return "must be an amount, as 12.50, with six decimals at most";
  return detail.replace(/-?\d+/g, (told) => (told / 1e6).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 6 }));
}

// -- Forms are calls of the API ----------------------------------------------------------------------------------------

function fieldsOf(form) {
  return [...form.elements].filter((field) => field.name && field.type !== "file" && !field.disabled);
}

function changed(field) {
  if (field.options) return [...field.options].some((one) => one.selected !== one.defaultSelected);
  return field.checked !== field.defaultChecked || field.value !== field.defaultValue;
}

// Empty is left out, and null where the field says that null means something.
function bodyOf(form) {
  const body = {};
  for (const field of fieldsOf(form)) {
    if ((field.type === "radio" || "null" in field.dataset) && !field.checked) continue;
    if ("changed" in form.dataset && !changed(field)) continue;
    const kind = field.dataset.kind ?? "text";
    if (kind === "many") {
      body[field.name] ??= [];
      if (field.checked) body[field.name].push(field.value);
      continue;
    }
    const text = "null" in field.dataset ? "" : field.type === "checkbox" ? String(field.checked) : field.value;
    const nullable = "nullable" in field.dataset || "null" in field.dataset;
    if (text === "" && !nullable && !("empty" in field.dataset)) continue;
    const path = field.name.split(".");
    let at = body;
    for (const part of path.slice(0, -1)) at = at[part] ??= {};
    at[path.at(-1)] = text === "" ? (nullable ? null : KINDS[kind]("")) : KINDS[kind](text);
  }
  return body;
}

function callOf(form) {
  let [method, path] = form.dataset.api.split(" ");
  const body = bodyOf(form);
  // What stands in braces in the path is a field, and no part of the body.
  path = path.replace(/\{(\w+)\}/g, (_, name) => {
    const value = body[name] ?? "";
    delete body[name];
    return encodeURIComponent(value).replaceAll("'", "%27");
  });
  const holder = form.dataset.fileOf ? document.getElementById(form.dataset.fileOf) : form;
  const file = form.dataset.file ? holder.elements[form.dataset.file]?.files[0] : undefined;
  if (file && form.dataset.fileName) body[form.dataset.fileName] = file.name;
  if (file || method === "DELETE") {
    const query = new URLSearchParams(Object.entries(body).map(([name, value]) => [name, String(value)]));
    if (query.size) path += `?${query}`;
  }
  return { method, path, body: file || (method === "DELETE" ? null : body), file, ifMatch: form.dataset.ifMatch };
}

let session;
async function csrf() {
  session ??= fetch("/v1/me").then((answer) => (answer.ok ? answer.json() : Promise.reject(answer)));
  try {
    return (await session).csrf_token ?? "";
  } catch (gone) {
    session = undefined;
    if (gone.status === 401) return "";  // The call itself is told so.
    throw gone;
  }
}

async function call({ method, path, body, file, ifMatch }, key) {
  const headers = { "X-CSRF-Token": await csrf(), Accept: "application/json" };
  if (file) headers["Content-Type"] = kindOf(file);
  else if (body !== null) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (ifMatch) headers["If-Match"] = ifMatch;
  const answer = await fetch(path, { method, headers, body: file ?? (body === null ? undefined : JSON.stringify(body)) });
  const text = await answer.text();
  let said = {};
  try { said = text ? JSON.parse(text) : {}; } catch { said = { detail: text.slice(0, 500) }; }
  return { ok: answer.ok, status: answer.status, said };
}

// By its name where that says it: systems with a program for spreadsheets take CSV for a file of that.
function kindOf({ name, type }) {
  if (/\.csv$/i.test(name)) return "text/csv";
  if (/\.xlsx$/i.test(name)) return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
  return type || "text/csv";
}

async function submit(form) {
  if (form.dataset.busy) return;  // A second click while the first is on its way.
  if (form.dataset.confirm && !(await confirmed(form.dataset.confirm))) return;
  form.dataset.busy = "yes";
  const buttons = form.querySelectorAll("button:not([type=button])");
  buttons.forEach((one) => { one.disabled = true; });
  clear(form);
  let leaving = false;
  try {
    const asked = callOf(form);
    // The same until it is done: what was sent and not heard of is asked again, and done once.
    const { file } = asked;
    const content = JSON.stringify([asked.method, asked.path, file ? [file.size, file.lastModified] : asked.body]);
    if (form.dataset.key) form.key ??= form.dataset.key;
    if (!form.key || (form.sent !== undefined && form.sent !== content && !form.dataset.key)) form.key = crypto.randomUUID();
    form.sent = content;
    const { ok, status, said } = await call(asked, asked.method === "GET" ? null : form.key);
    if (form.dataset.part && status < 500 && status !== 401) await makePart(form, said);
    if (ok) leaving = done(form, said);
    else refused(form, status, said);
  } catch {
    tell(form, "fault", "No answer came. What you typed is kept: try again, and it is still done only once.");
  } finally {
    if (!leaving) free(form);  // A click while the next page is on its way would do it again.
  }
}

function free(form) {
  delete form.dataset.busy;
  form.querySelectorAll("button:not([type=button])").forEach((one) => { one.disabled = false; });
}

async function makePart(form, said) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(form.dataset.part, { method: "POST", headers, body: JSON.stringify(said) });
  const place = document.getElementById(form.dataset.into);
  place.innerHTML = await answer.text();  // Made by the server from a template, which escapes.
  localTimes(place);
}

// Whether another page is on its way.
function done(form, said) {
  form.key = undefined;
  form.sent = undefined;
  form.dispatchEvent(new CustomEvent("done", { detail: said, bubbles: true }));
  if (form.dataset.part) return false;
  if (form.dataset.again) {
    const [id, ...taken] = form.dataset.again.split(" ");
    const next = document.getElementById(id);
    for (const [field, member] of taken.map((one) => one.split("="))) next.elements[field].value = said[member] ?? "";
    next.requestSubmit();
    return false;
  }
  if (form.dataset.show) {
    const shown = form.dataset.show.split(" ").filter((name) => said[name] != null);
    if (!shown.length) {
      tell(form, "fault", "It was made, and its answer was lost: it is not shown again. Take it away, and make another.");
      return false;
    }
    const box = tell(form, "done", "Copy it now: it is not shown again.");
    for (const name of shown) {
      const line = document.createElement("pre");
      line.textContent = said[name];
      const button = document.createElement("button");
      [button.type, button.textContent, button.dataset.copy] = ["button", "Copy", said[name]];
      box.append(line, button);
    }
    form.reset();
    return false;
  }
  const filled = (words, as) => words?.replace(/\{(\w+)\}/g, (_, name) => as(said[name] ?? ""));
  const then = filled(form.dataset.then, encodeURIComponent);
  const words = said.pending ? "It is on its way." : (filled(form.dataset.said, String) ?? "Done.");
  try { sessionStorage.setItem("said", words); } catch { /* Then it is not said. */ }
  if (then === undefined) location.reload();
  else if (then !== "") location.assign(then);
  return then !== "";
}

function refused(form, status, said) {
  if (status === 401) {
    session = undefined;
    const box = tell(form, "fault", "Your session is over. What you typed is kept. ");
    box.append(apart("/console/login?return_to=/console/back", "Log in again in another tab"), ", then send this once more.");
    return;
  }
  if (status === 412) {
    const box = tell(form, "fault", "Somebody changed this since the page was loaded, and nothing of yours was done. What you typed is kept. ");
    box.append(apart(location.href, "See how it stands now"), " and then, if you still mean it: ");
    const button = document.createElement("button");
    [button.type, button.textContent] = ["button", "Send mine all the same"];
    button.addEventListener("click", () => { form.dataset.ifMatch = "*"; form.requestSubmit(); });
    box.append(button);
    return;
  }
  if (status === 403 && said.code === "cross_site_request") session = undefined;
  const rest = [];
  let beside = false;
  for (const { pointer, detail } of said.errors ?? []) {
    const name = pointer.replace(/^\//, "").replaceAll("/", ".");
    const field = fieldsOf(form).find((one) => one.name === name || name.startsWith(`${one.name}.`));
    if (field) wrong(field, field.dataset.kind === "money" ? ofMoney(detail, field.value) : detail);
    else rest.push(`${pointer} ${detail}`);
    beside ||= Boolean(field);
  }
  const first = form.querySelector("[aria-invalid]");
  const words = beside ? "Nothing was done: see beside the fields." : (said.detail ?? said.title ?? `The API answered ${status}.`);
  tell(form, "fault", rest.join(" ") || words);
  first?.focus();
}

function apart(href, words) {
  const link = document.createElement("a");
  [link.href, link.textContent, link.target, link.rel] = [href, words, "_blank", "noopener"];
  return link;
}

function wrong(field, detail) {
  const note = document.createElement("span");
  note.className = "wrong";
  note.id = `wrong-${document.querySelectorAll(".wrong").length}`;
  note.textContent = detail;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", note.id);
  (field.closest("label") ?? field).insertAdjacentElement("afterend", note);
}

function clear(form) {
  form.querySelectorAll(".wrong, .told").forEach((one) => one.remove());
  form.querySelectorAll("[aria-invalid]").forEach((one) => {
    one.removeAttribute("aria-invalid");
    one.removeAttribute("aria-describedby");
  });
}

function tell(form, kind, words) {
  const box = document.createElement("div");
  box.className = `told ${kind}`;
  box.role = "alert";
  box.textContent = words;
  form.append(box);
  return box;
}

function confirmed(words) {
  const dialog = document.createElement("dialog");
  const text = document.createElement("p");
  text.textContent = words;
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "row";
  for (const [value, label, kind] of [["yes", "Go on", "first"], ["no", "Leave it", ""]]) {
    const button = document.createElement("button");
    [button.value, button.textContent, button.className, button.autofocus] = [value, label, kind, value === "no"];
    form.append(button);
  }
  dialog.append(text, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    resolve(dialog.returnValue === "yes");
    dialog.remove();
  }));
}

// -- Copy as curl ------------------------------------------------------------------------------------------------------

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl({ method, path, body, file, ifMatch }, key) {
  const words = ["curl", ...(method === "GET" ? [] : ["-X", method]), quoted(location.origin + path),
    "-H", '"X-API-Key: $NUMBERGATE_KEY"'];
  if (key) words.push("-H", quoted(`Idempotency-Key: ${key}`));
  if (ifMatch) words.push("-H", quoted(`If-Match: ${ifMatch}`));
  if (file) words.push("-H", quoted(`Content-Type: ${kindOf(file)}`), "--data-binary", quoted(`@${file.name}`));
  else if (method !== "GET" && body) words.push("-H", quoted("Content-Type: application/json"), "-d", quoted(JSON.stringify(body)));
  return words.join(" ");
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  } catch {
    const line = document.createElement("pre");
    line.textContent = text;
    button.after(line);
  }
}

// -- Rows by keyboard, and chosen ones ----------------------------------------------------------------------------------

const rows = () => [...document.querySelectorAll("table[data-rows] > tbody > tr")];
let at = -1;

function move(by) {
  const all = rows();
  if (!all.length) return;
  all[at]?.classList.remove("here");
  at = Math.max(0, Math.min(all.length - 1, at + by));
  all[at].classList.add("here");
  const link = all[at].querySelector("a");
  (link ?? all[at]).focus({ preventScroll: true });
  all[at].scrollIntoView({ block: "nearest" });
}

function choices() {
  const bar = document.querySelector("[data-chosen]");
  if (!bar) return;
  const chosen = [...document.querySelectorAll("input[data-choose]:checked")].map((one) => one.value);
  bar.hidden = chosen.length === 0;
  bar.querySelectorAll("[data-count]").forEach((one) => { one.textContent = String(chosen.length); });
  bar.querySelectorAll("[data-ids]").forEach((one) => { one.value = chosen.join(","); });
}

const KEYS = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: () => rows()[at]?.querySelector("input[data-choose]")?.click(),
  "?": () => document.getElementById("keys").showModal(),
};

// -- Times, charts and what changes by itself ---------------------------------------------------------------------------

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function localTimes(within) {
  within.querySelectorAll("time[datetime]").forEach((one) => {
    const moment = new Date(one.dateTime);
    if (!isNaN(moment)) one.textContent = FORMAT.format(moment);
  });
}

// What takes its time, and is therefore taken from a page of its own, to which a link leads meanwhile: all of the
// element with the same id.
async function takeFrom(place) {
  place.ariaBusy = "true";
  try {
    const answer = await fetch(place.dataset.from);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById(place.id);
    if (!found) return;  // A refusal, or the login: the link leads there.
    place.replaceChildren(...found.childNodes);
    localTimes(place);
    charts(place);
  } catch { /* The link stays. */ } finally {
    place.ariaBusy = null;
  }
}

// A chart is drawn from the table beside it, which stays for whoever reads tables.
function charts(within) {
  const figures = within.querySelectorAll("figure[data-chart]");
  if (!figures.length || !window.uPlot) return;
  const style = getComputedStyle(document.body);
  const probe = document.createElement("span");
  document.body.append(probe);
  const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  const [ink, line] = [colour("--soft"), colour("--line")];
  const lines = ["--accent", "--good", "--bad", "--warn"].map(colour);
  probe.remove();
  for (const figure of figures) {
    const table = figure.querySelector("table");
    const names = [...table.querySelectorAll("thead th")].slice(1).map((one) => one.textContent.trim());
    const body = [...table.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.dataset.value ?? cell.textContent));
    const data = [body.map((row) => Date.parse(row[0]) / 1000), ...names.map((_, i) => body.map((row) => Number(row[i + 1])))];
    const plot = document.createElement("div");
    plot.className = "plot";
    plot.setAttribute("aria-hidden", "true");
    figure.querySelector("figcaption").after(plot);
    // Of few points each is labelled, and nothing between them: there is none between two months.
    const each = body.length < 16 ? { splits: () => data[0].filter((_, i) => body.length < 5 || plot.clientWidth > 60 * body.length || i % 3 === 0) } : {};
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: `12px ${style.fontFamily || "sans-serif"}` };
    const chart = new uPlot({
      width: plot.clientWidth, height: 240, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "UTC"),
      scales: { y: { range: (_, low, high) => [Math.min(0, low), high || 1] } },
      axes: [
        { ...axis, ...each, values: (_, at) => at.map((one) => DAY.format(one * 1000)) },
        { ...axis, size: 60, values: (_, at) => at.map((one) => (Number.isInteger(one) ? one.toLocaleString() : "")) },
      ],
      series: [{ label: "day", value: (_, one) => (one == null ? "–" : DAY.format(one * 1000)) }, ...names.map((label, i) => ({ label, value: (_, one) => (one == null ? "–" : one.toLocaleString()), stroke: lines[i % lines.length], width: 2, points: { show: body.length < 32 } }))],
    }, data, plot);
    new ResizeObserver(() => chart.setSize({ width: plot.clientWidth, height: 240 })).observe(plot);
  }
}

// A part of the page that the server tells anew, whole, until it says that it is over.
function follow() {
  document.querySelectorAll("[data-events]").forEach((part) => {
    const source = new EventSource(part.dataset.events);
    source.onmessage = (event) => {
      part.innerHTML = JSON.parse(event.data);  // Made by the server from a template, which escapes.
      localTimes(part);
    };
    source.addEventListener("over", () => {
      source.close();
      const typing = [...document.querySelectorAll("form[data-api]")].some((form) => fieldsOf(form).some(changed));
      if (!typing) location.reload();
    });
  });
}

// -- What happens when -------------------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-api]")) {
    event.preventDefault();
    submit(event.target);
  } else if (event.target.method === "get") {
    // A filter that says nothing is no part of the address.
    for (const field of event.target.elements) if (field.name && field.value === "") field.disabled = true;
    setTimeout(() => { for (const field of event.target.elements) field.disabled = false; });
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy-curl], [data-copy-form], [data-copy]");
  if (!button) return;
  if (button.dataset.copyCurl) {
    const [method, ...path] = button.dataset.copyCurl.split(" ");
    copy(button, curl({ method, path: path.join(" ") }));
  } else if ("copyForm" in button.dataset) copy(button, curl(callOf(button.form), button.form.dataset.key));
  else copy(button, button.dataset.copy);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("input[data-choose-all]")) {
    document.querySelectorAll("input[data-choose]").forEach((one) => { one.checked = event.target.checked; });
  }
  if (event.target.matches("input[data-choose], input[data-choose-all]")) choices();
  if (event.target.matches("select[data-go]")) event.target.form.requestSubmit();
  if (event.target.name === "theme") {
    const { value } = event.target;
    if (value === "system") { delete document.documentElement.dataset.theme; localStorage.removeItem("theme"); }
    else { document.documentElement.dataset.theme = value; localStorage.setItem("theme", value); }
    location.reload();  // A chart is drawn in the colours of its moment.
  }
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) {
    if (event.key === "Escape") event.target.blur?.();
    return;
  }
  if (KEYS[event.key]) { event.preventDefault(); KEYS[event.key](); }
});

try {
  const said = sessionStorage.getItem("said");
  sessionStorage.removeItem("said");
  if (said) {
    const box = document.createElement("p");
    [box.className, box.textContent] = ["done", said];
    document.getElementById("said").append(box);
  }
} catch { /* Nothing was kept. */ }
const theme = document.documentElement.dataset.theme ?? "system";
document.querySelectorAll("input[name=theme]").forEach((one) => { one.checked = one.value === theme; });
localTimes(document);
choices();
charts(document);
document.querySelectorAll("[data-from]").forEach(takeFrom);
follow();
// Back from the next page, as it was left.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form[data-busy]").forEach(free);
});
