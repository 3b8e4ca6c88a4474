import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { place } from "../src/place.js";
import { Schema } from "../src/schema.js";

const TEXT = `
server:
  port: 8080
lines:
  - number: "912345678"
    password: \${P}
    emission: {format: xml, url: x}
connectors:
  agenda:
    type: csv
    tables:
      contact: {file: c.csv, phones: [phone, mobile]}
  crm:
    # comment
    type: rest
queries:
  DESVIO:
    find:
      contact: {in: [agenda], phone: "{{ caller }}"}
    answer:
      - when: "{{ x }}"
        DESTINO: "1"
      - DESTINO: "2"
tests:
- ask: DESVIO
  caller: "1"
`;

// The place of the bar in a text that has the bar's line in the stead of the first line that begins like it.
function at(marked) {
  const [text, column] = [marked.replace("|", ""), marked.indexOf("|")];
  const lines = TEXT.split("\n");
  const start = marked.slice(0, column).trimEnd();
  let number = lines.findIndex((line) => line.startsWith(start));
  if (number < 0) throw new Error(start);
  lines[number] = text;
  return place(lines, number, column);
}

// The place at the end of a new line after the one that begins so.
function below(start, text) {
  const lines = TEXT.split("\n");
  const number = lines.findIndex((line) => line.startsWith(start)) + 1;
  lines.splice(number, 0, text);
  return place(lines, number, text.length);
}

const way = (here) => here.way.map((step) => step.name).join(".");

test("the way to a key", () => {
  assert.equal(way(at("  port|: 8080")), "server");
  assert.equal(way(at("    password|: x")), "lines.[]");
  assert.equal(way(at('  - number|: "912345678"')), "lines.[]");
  assert.equal(way(at("  caller|: 1")), "tests.[]");
  assert.equal(way(at('        DESTINO|: "1"')), "queries.DESVIO.answer.[]");
  assert.deepEqual([...at('        DESTINO|: "1"').keys.keys()].sort(), ["DESTINO", "when"]);
  assert.deepEqual([...at("    password|: x").keys.keys()].sort(), ["emission", "number", "password"]);
});

test("the way into braces", () => {
  const here = at("    emission: {fo|rmat: xml, url: x}");
  assert.equal(way(here), "lines.[].emission");
  assert.equal(here.key, null);
  const value = at("    emission: {format: x|ml, url: x}");
  assert.deepEqual([value.key, value.word], ["format", "x"]);
  assert.equal(way(at('      contact: {in: [ag|enda], phone: "{{ caller }}"}')), "queries.DESVIO.find.contact.in");
});

test("a line that is only begun", () => {
  const here = below("  port", "  ho");
  assert.deepEqual([way(here), here.key, here.word, [...here.keys.keys()]], ["server", null, "ho", ["port"]]);
  assert.equal(way(below("  port", "")), "");
  assert.equal(way(below("      contact: {in", "      ")), "queries.DESVIO.find");
  assert.equal(way(below("- ask", "  ")), "tests.[]");
  assert.equal(way(below("    type: csv", "    t")), "connectors.agenda");
  assert.equal(below("    type: csv", "    t").keys.get("type"), "csv");
  assert.equal(way(below("    # comment", "    b")), "connectors.crm");
  assert.equal(below("    # comment", "    b").keys.get("type"), "rest");
  assert.equal(way(below("      - when", "      - ")), "queries.DESVIO.answer.[]");
});

test("what is no place", () => {
  assert.equal(at("    # com|ment"), null);
  assert.equal(below("  port", '  host: "{{ x'), null);
});

test("a key's value", () => {
  const here = at("    type: cs|v");
  assert.deepEqual([way(here), here.key, here.word], ["connectors.agenda", "type", "cs"]);
});

if (process.env.SCHEMA) {
  const schema = new Schema(JSON.parse(readFileSync(process.env.SCHEMA, "utf8")));
  const keys = (here) => [...schema.keys(here.way, here.keys).keys()];
  test("what the schema knows of the places", () => {
    assert.ok(keys(at("  port|: 8080")).includes("url_key"));
    assert.ok(keys(at("    type|: csv")).includes("tables"));
    assert.ok(!keys(at("    type|: csv")).includes("base_url"));
    assert.ok(keys(at("  caller|: 1")).includes("replay"));
    assert.ok(keys(at("      contact: {f|ile: c.csv}")).includes("file"));
    assert.ok(keys(at('      contact: {i|n: [agenda], phone: "{{ caller }}"}')).includes("optional"));
    const here = at("    emission: {format: x|ml, url: x}");
    assert.deepEqual(schema.key(here.way, here.keys, "format").values, ["json", "xml"]);
    assert.match(schema.key(at("  port|: 8080").way, new Map(), "port").said, /\w/);
  });
}
