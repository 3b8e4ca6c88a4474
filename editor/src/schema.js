// What the JSON Schema says of a place in the configuration.

export class Schema {
  constructor(schema) {
    this.schema = schema;
  }

  // The kinds of value that a node allows, without references and choices.
  *kinds(node, described = {}) {
    const { description = described.description, default: usual = described.default, examples = described.examples } = node;
    const about = { description, default: usual, examples };
    if (node.$ref) yield* this.kinds(this.schema.$defs[node.$ref.slice("#/$defs/".length)], about);
    const choices = node.anyOf ?? node.oneOf ?? [];
    for (const choice of choices) yield* this.kinds(choice, about);
    if (!node.$ref && (!choices.length || node.properties)) yield { ...node, ...about };
  }

  // The kinds of section at the end of a way; `keys` are those that stand in it.
  sections(way, keys) {
    let nodes = [this.schema];
    way.forEach((step, at) => {
      const within = this.fitting(nodes, step.keys);
      nodes = within.flatMap((node) => this.below(node, step.name));
      // one thing may stand where a list is
      if (step.name !== "[]" && at + 1 < way.length && way[at + 1].name !== "[]") nodes = nodes.flatMap(unlisted);
    });
    return this.fitting(nodes.flatMap(unlisted), keys);
  }

  // Of several kinds of section, those of the `type` that is written.
  fitting(nodes, keys) {
    const kinds = nodes.flatMap((node) => [...this.kinds(node)]);
    const type = keys?.get("type");
    const chosen = kinds.filter((kind) => {
      const property = kind.properties?.type;
      return property && type && (property.const === type || property.enum?.includes(type));
    });
    return chosen.length ? chosen : kinds;
  }

  below(node, name) {
    if (name === "[]") return node.items ? [node.items] : [];
    const named = node.properties?.[name];
    if (named) return [named];
    const patterns = Object.entries(node.patternProperties ?? {}).filter(([pattern]) => new RegExp(pattern).test(name));
    if (patterns.length) return patterns.map(([, inner]) => inner);
    return typeof node.additionalProperties === "object" ? [node.additionalProperties] : [];
  }

  // The keys that may stand at the end of a way: [name, what is said of it].
  keys(way, keys) {
    const all = new Map();
    for (const section of this.sections(way, keys)) {
      for (const [name, node] of Object.entries(section.properties ?? {})) {
        if (!all.has(name)) all.set(name, { ...this.about([node]), wanted: section.required?.includes(name) });
      }
    }
    return all;
  }

  // What is said of a key, null where nothing is known of it.
  key(way, keys, name) {
    const nodes = this.sections(way, keys).flatMap((section) => this.below(section, name));
    return nodes.length ? this.about(nodes) : null;
  }

  about(nodes) {
    const kinds = nodes.flatMap((node) => [...this.kinds(node)]);
    const said = nodes.map((node) => node.description).find(Boolean) ?? kinds.map((kind) => kind.description).find(Boolean);
    const usual = [...nodes, ...kinds].map((node) => node.default).find((value) => value !== undefined);
    const examples = [...nodes, ...kinds].map((node) => node.examples).find(Boolean) ?? [];
    const values = kinds.flatMap((kind) => [
      ...(kind.enum ?? []),
      ...(kind.const === undefined ? [] : [kind.const]),
      ...(kind.type === "boolean" ? [true, false] : []),
    ]);
    return { said, usual, examples, values: [...new Set(values)] };
  }
}

const unlisted = (node) => (node.items && node.type === "array" ? [node, node.items] : [node]);
