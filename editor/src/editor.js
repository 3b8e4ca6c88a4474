// The console's editor: CodeMirror in the place of the form's textarea, which goes on holding the text that is sent.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, linter, lintKeymap } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import {
  drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, hoverTooltip, keymap, lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { place } from "./place.js";
import { Schema } from "./schema.js";

const NAMES = { in: "connectors", from: "connectors", ask: "queries", line: "lines" };

// Colours are those of the page's stylesheet, light and dark: it sets the variables.
const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--editor-key)" },
  { tag: [tags.string, tags.content, tags.special(tags.string)], color: "var(--editor-text)" },
  { tag: tags.comment, color: "var(--editor-comment)", fontStyle: "italic" },
  { tag: [tags.separator, tags.punctuation, tags.bracket, tags.squareBracket, tags.brace], color: "var(--editor-comment)" },
  { tag: [tags.labelName, tags.typeName, tags.meta, tags.keyword], color: "var(--editor-other)" },
]);

const where = (state, position) => {
  const line = state.doc.lineAt(position);
  return place(state.doc.toString().split("\n"), line.number - 1, position - line.from);
};

// The names that stand directly below a section of the file.
function names(state, section) {
  const lines = state.doc.toString().split("\n");
  const start = lines.findIndex((line) => line.startsWith(`${section}:`));
  if (start < 0) return [];
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^[^\s#-]/.test(line));
  const inside = end < 0 ? rest : rest.slice(0, end);
  if (section === "lines") return inside.flatMap((line) => line.match(/number:\s*(["']?\d+["']?)/)?.[1] ?? []);
  const indent = inside.find((line) => /^ +[^\s#]/.test(line))?.search(/\S/) ?? 0;
  return inside.flatMap((line) => (line.search(/\S/) === indent && line.match(/^\s*([^\s:#]+):/)?.[1]) || []);
}

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function explanation(about, state) {
  const box = document.createElement("div");
  box.className = "editor-about";
  const add = (text) => text && box.appendChild(document.createElement("p")).append(text);
  add(about.said);
  const shown = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  if (about.usual !== undefined && about.usual !== null) add(`${state.phrase("default")}: ${shown(about.usual)}`);
  if (about.examples.length) add(`${state.phrase("for example")}: ${about.examples.slice(0, 3).map(shown).join(", ")}`);
  return box;
}

function completions(schema) {
  return (context) => {
    const here = where(context.state, context.pos);
    if (!here || /[\s"']/.test(here.word)) return null;
    if (!here.word && !context.explicit && here.key === null) return null;
    const from = context.pos - here.word.length;
    if (here.key === null) {
      const options = [...schema.keys(here.way, here.keys)]
        .filter(([name]) => !here.keys.has(name) || name === here.word)
        .map(([name, about]) => ({
          label: name, type: "property", apply: `${name}: `, info: () => explanation(about, context.state), boost: about.wanted ? 1 : 0,
        }));
      return options.length ? { from, options, validFor: /^[\w-]*$/ } : null;
    }
    const about = here.key === "[]" ? null : schema.key(here.way, here.keys, here.key);
    const named = NAMES[here.key === "[]" ? here.way.at(-1)?.name : here.key];
    const values = named ? names(context.state, named) : (about?.values ?? []).map(written);
    return values.length ? { from, options: values.map((label) => ({ label, type: "enum" })), validFor: /^[\w-]*$/ } : null;
  };
}

function hover(schema) {
  return hoverTooltip((view, position) => {
    const word = view.state.wordAt(position);
    const here = word && where(view.state, word.from);
    if (!here || (here.key !== null && here.key !== "[]")) return null;
    const line = view.state.doc.lineAt(word.from);
    const name = line.text.slice(word.from - line.from).match(/^([\w-]+)["']?\s*:/)?.[1];
    const about = name && schema.key(here.way, here.keys, name);
    return about?.said ? { pos: word.from, end: word.to, above: true, create: () => ({ dom: explanation(about, view.state) }) } : null;
  });
}

// What `check` says of the text, at its place; the server is asked, which keeps nothing of it.
function checked(form, textarea) {
  return linter(async (view) => {
    const body = new FormData(form);
    body.set(textarea.name, view.state.doc.toString());
    const answer = await fetch(textarea.dataset.check, { method: "POST", body, headers: { Accept: "application/json" } });
    if (!answer.ok) return [];
    const { doc } = view.state;
    return (await answer.json()).faults.map((fault) => {
      const line = doc.line(Math.min(Math.max(fault.line, 1), doc.lines));
      const from = Math.min(line.from + Math.max(fault.column - 1, 0), line.to);
      const to = view.state.wordAt(from)?.to ?? Math.max(from, line.to);
      const message = fault.path ? `${fault.path}: ${fault.text}` : fault.text;
      return { from, to, severity: fault.severity, message };
    });
  }, { delay: 500 });
}

async function begin(textarea) {
  const { form, dataset } = textarea;
  const schema = new Schema(await (await fetch(dataset.schema)).json());
  const label = form.querySelector(`label[for="${textarea.id}"]`)?.textContent ?? "";
  const locked = textarea.readOnly;
  const state = EditorState.create({
    doc: textarea.value,
    extensions: [
      EditorView.cspNonce.of(dataset.nonce ?? ""),
      EditorState.phrases.of(JSON.parse(dataset.phrases ?? "{}")),
      EditorView.contentAttributes.of({ "aria-label": label.trim(), spellcheck: "false", tabindex: "0" }),
      lineNumbers(), foldGutter(), history(), drawSelection(), highlightActiveLine(), highlightActiveLineGutter(),
      bracketMatching(), highlightSelectionMatches(), search({ top: true }), indentUnit.of("  "), EditorState.tabSize.of(2),
      EditorView.lineWrapping, yaml(), syntaxHighlighting(colours), hover(schema), lintGutter(), checked(form, textarea),
      locked ? EditorState.readOnly.of(true) : [autocompletion({ override: [completions(schema)], icons: false }), closeBrackets()],
      keymap.of([
        ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap,
        ...lintKeymap, indentWithTab,
      ]),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) textarea.value = update.state.doc.toString();
      }),
    ],
  });
  const view = new EditorView({ state });
  textarea.before(view.dom);
  textarea.hidden = true;
  for (const link of document.querySelectorAll("[data-line]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const line = view.state.doc.line(Math.min(Number(link.dataset.line) || 1, view.state.doc.lines));
      view.dispatch({ selection: { anchor: line.from }, effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
      view.focus();
    });
  }
}

for (const textarea of document.querySelectorAll("textarea[data-check]")) begin(textarea);
