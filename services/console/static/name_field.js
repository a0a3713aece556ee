/* A field for a name: completes known names while one types, and obeys single keys as long as it is empty. */

import { button, el } from "./dom.js";
import { NAMES_CAME, completion, dot, isKnown, matching } from "./names.js";

let count = 0;

/**
 * A form with one field. `submit(name, { review })` resolves to whether it was recorded; Shift+Enter asks for a review
 * first if `review` is true. `keys` maps a key to what it does while the field is empty: a name never begins with a
 * space, so space can play. The form has `input`, `focusField()` and `hint(text)`.
 */
export function nameField({ label, submit, keys = {}, review = false, action = "Name", placeholder = "Name" }) {
  count += 1;
  const id = `names-${count}`;
  const options = el("ul", { id, class: "options", role: "listbox", "aria-label": "Known names", hidden: true });
  const input = el("input", {
    type: "text", role: "combobox", "aria-autocomplete": "both", "aria-expanded": "false", "aria-controls": id,
    maxlength: "200", autocomplete: "off", autocapitalize: "words", spellcheck: "false", enterkeyhint: "done",
    placeholder, "aria-label": label,
  });
  const go = el("button", { type: "submit", class: "go" }, action);
  const form = el("form", { class: "name" }, input, options, go);
  let active = -1;

  function close() {
    options.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function open(typed) {
    const found = typed.trim() ? matching(typed) : [];
    options.replaceChildren(...found.map((name, index) => option(name, index)));
    active = -1;
    options.hidden = !found.length;
    input.setAttribute("aria-expanded", String(Boolean(found.length)));
    input.removeAttribute("aria-activedescendant");
  }

  function option({ name, here, segments }, index) {
    const known = here ? `${here} here` : segments ? "elsewhere" : "";
    const item = el("li", { id: `${id}-${index}`, role: "option", "aria-selected": "false" },
      dot(name), el("span", { class: "option-name" }, name), el("span", { class: "quiet" }, known));
    item.dataset.name = name;
    item.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps its focus
    item.addEventListener("click", () => {
      input.value = name;
      form.requestSubmit();
    });
    return item;
  }

  function move(step) {
    const items = [...options.children];
    active = (active + step + items.length) % items.length;
    items.forEach((item, index) => item.setAttribute("aria-selected", String(index === active)));
    input.value = items[active].dataset.name;
    input.setAttribute("aria-activedescendant", items[active].id);
    items[active].scrollIntoView({ block: "nearest" });
  }

  async function send(options = {}) {
    const name = input.value.trim();
    if (!name || go.disabled) return;
    close();
    go.disabled = true;
    const done = await submit(name, { review: false, isNew: !isKnown(name), ...options });
    go.disabled = false;
    if (done) input.value = "";
  }

  input.addEventListener("input", (event) => {
    const typed = input.value;
    open(typed);
    const writing = event.inputType === "insertText" && !event.isComposing && input.selectionStart === typed.length;
    const whole = writing ? completion(typed) : "";
    if (!whole || whole.length <= typed.length) return;
    input.value = whole;
    input.setSelectionRange(typed.length, whole.length); // the next letter, or Delete, takes it away again
  });
  input.addEventListener(NAMES_CAME, () => { // to choose from: what stands in the field stays as it was typed
    if (active < 0 && input.selectionStart === input.selectionEnd) open(input.value);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!input.value && plain && keys[event.key] && !(event.key === "Enter" && event.shiftKey)) {
      event.preventDefault();
      event.stopPropagation();
      keys[event.key](event);
    } else if (event.key === "Enter" && event.shiftKey && review) {
      event.preventDefault();
      send({ review: true });
    } else if (!options.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Escape" && (input.value || !options.hidden)) {
      event.preventDefault();
      event.stopPropagation();
      input.value = "";
      close();
    }
  });
  input.addEventListener("blur", close);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) send();
    else input.focus();
  });
  if (review) {
    const first = () => (input.value.trim() ? send({ review: true }) : input.focus());
    form.append(button("Review…", first, { title: "See what would change (Shift+Enter)" }));
  }
  form.input = input;
  form.focusField = () => input.focus();
  form.hint = (text) => { if (input.placeholder !== text) input.placeholder = text; };
  form.relabel = (text) => input.setAttribute("aria-label", text);
  return form;
}

/** The next (or previous) name field in a list, seen from the one that holds `element`; null at its end. */
export function neighbour(list, element, step, wanted = () => true) {
  const rows = [...list.children].filter((row) => row.form && (row.contains(element) || wanted(row)));
  const at = rows.findIndex((row) => row.contains(element));
  return rows[at + step] || null;
}
