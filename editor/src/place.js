// Where in the configuration a position stands: the way of keys to it, by indentation and, within a line, by braces.

const OPENING = /^( *)((?:- +|-$)*)(?:("[^"]*"|'[^']*'|[^\s#"'{}[\],:&*!|>%@`-][^:#{}[\],]*?|[^\s:#{}[\],"']) *(:)(?= |$))?/;

// The parts of a line: each dash and the key, with the columns that they stand in, and where its value begins.
export function parts(line) {
  const match = OPENING.exec(line);
  const found = [];
  let column = match[1].length;
  for (const dash of match[2].match(/- *|-/g) ?? []) {
    found.push({ item: true, column });
    column += dash.length;
  }
  if (match[4]) found.push({ key: bare(match[3]), column, value: match[0].length });
  return { column, found, empty: !line.trim() || line.trim().startsWith("#") };
}

const bare = (text) => text.replace(/^(["'])(.*)\1$/, "$2");

// The way to whatever would begin in this column of this line: keys, "[]" for a list, and each time the keys around.
function above(lines, number, column, isItem) {
  const way = [];
  for (let at = number; at >= 0 && (column > 0 || isItem); at--) {
    const { found, empty } = parts(lines[at]);
    if (empty) continue;
    for (const part of found.reverse()) {
      if (at === number && part.column >= column) continue;
      if (part.column < column || (isItem && part.key && part.column === column)) {
        way.unshift({ name: part.item ? "[]" : part.key, line: at, column: part.column });
        column = part.column;
        isItem = part.item ?? false;
      }
    }
  }
  return way;
}

// The keys with plain values that stand in the same column of the same section as this place.
export function around(lines, number, column) {
  const keys = new Map();
  // Whether the section goes on: a line further left ends it, a dash just before the column begins it.
  const goesOn = (at) => {
    const { found, empty } = parts(lines[at]);
    if (empty) return { on: true };
    const own = found.find((part) => part.key && part.column === column);
    const first = found[0]?.column ?? lines[at].search(/\S/);
    const begins = own !== undefined && found[0].item;
    if (first < column && !begins) return { on: false };
    return { own, begins, on: true, text: lines[at] };
  };
  const keep = ({ own, text }) => own && keys.set(own.key, bare(text.slice(own.value).replace(/\s#.*$/, "").trim()));
  for (let at = number; at >= 0; at--) {
    const seen = goesOn(at);
    if (!seen.on) break;
    keep(seen);
    if (seen.begins) break;
  }
  for (let at = number + 1; at < lines.length; at++) {
    const seen = goesOn(at);
    if (!seen.on || seen.begins) break;
    keep(seen);
  }
  return keys;
}

// What stands between the braces that are open where a text ends: the way into them, the keys so far, what is begun.
function inBraces(text) {
  const open = [];
  let word = "";
  let quote = "";
  const top = () => open[open.length - 1];
  for (const character of text) {
    if (quote) {
      quote = character === quote ? "" : quote;
      word += character;
    } else if ((character === '"' || character === "'") && !word.trim()) {
      quote = character;
      word += character;
    } else if (character === "{" || character === "[") {
      if (open.length && top().list) top().key = "[]";
      open.push({ list: character === "[", key: null, keys: new Map() });
      word = "";
    } else if (open.length && (character === "}" || character === "]" || character === ",")) {
      const { key, keys } = top();
      if (key !== null) keys.set(key, bare(word.trim()));
      if (character === ",") top().key = null;
      else open.pop();
      word = "";
    } else if (character === ":" && open.length && !top().list && top().key === null) {
      top().key = bare(word.trim());
      word = "";
    } else word += character;
  }
  return { open, word, quote };
}

// Where a position is: `way` to the section around it, `keys` of that, `key` whose value it is in (null: it is a key
// itself that begins there), `word` what is begun.
export function place(lines, number, column) {
  const line = lines[number];
  const { found, column: start, empty } = parts(line);
  const last = found[found.length - 1];
  const own = last?.key ? last : null;
  const inValue = own && column >= own.value;
  const before = line.slice(inValue ? own.value : start, column);
  if (/^\s*#|\s#/.test(before)) return null;
  if (empty && column < start) return null;
  const at = own ? own.column : empty ? column - before.trimStart().length : start;
  const dash = found.some((part) => part.item);
  const way = above(lines, number, at, false);
  const { open, word, quote } = inBraces(before);
  if (quote && !open.length) return null;
  if (!open.length) {
    const keys = around(lines, number, at);
    if (inValue) return { way: typed(lines, way), keys, key: own.key, word: word.trimStart() };
    return { way: typed(lines, way), keys, key: null, word: word.trimStart(), dash };
  }
  const inner = typed(lines, way);
  if (own) inner.push({ name: own.key });
  for (const { list, key, keys } of open.slice(0, -1)) inner.push({ name: list ? "[]" : key, keys });
  const { list, key, keys } = open[open.length - 1];
  if (list) return { way: inner, keys, key: "[]", word: word.trimStart() };
  return { way: inner, keys, key, word: word.trimStart() };
}

// The way with the keys that stand beside each of its steps: they tell which kind of section that is.
function typed(lines, way) {
  return way.map(({ name, line, column }) => ({ name, keys: name === "[]" ? new Map() : around(lines, line, column) }));
}
