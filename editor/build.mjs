// Bundles the editor into the package's static files, with the licences of what is in it. Run by `nox -s editor`.
import { build } from "esbuild";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";

const target = process.argv[2];
// What it is built from, by which a test of the project sees that it is not stale.
const sources = createHash("sha256");
for (const file of ["package-lock.json", ...readdirSync("src").sort().map((name) => `src/${name}`)]) {
  sources.update(readFileSync(file));
}
const made = await build({
  entryPoints: ["src/editor.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome109", "firefox115", "safari16"],
  legalComments: "none",
  banner: { js: "/* CodeMirror 6 and glue of infocaller-bridge, built by `nox -s editor`. Licences: editor.LICENSES.txt. Sources: " + sources.digest("hex") + " */" },
  outfile: join(target, "editor.js"),
  metafile: true,
});

const packages = new Set();
for (const input of Object.keys(made.metafile.inputs)) {
  const match = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (match) packages.add(match[1]);
}
const texts = [...packages].sort().map((name) => {
  const folder = join("node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry));
  if (license !== "MIT" || !file) throw new Error(`${name}: licence ${license}, ${file ?? "no text"}`);
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
});
writeFileSync(
  join(target, "editor.LICENSES.txt"),
  `editor.js holds these packages.\n\n${texts.join(`\n${"-".repeat(80)}\n\n`)}`,
);
const bytes = readFileSync(join(target, "editor.js")).length;
console.log(`editor.js: ${Math.round(bytes / 1000)} kB of ${packages.size} packages`);
